"""Who approved which trace as a baseline, when and why. Lines are only ever added.

One line of JSON is one approval of any number of traces, with its own digest: a batch is there as a whole or not at
all. A line that a kill cut short lacks its end; it is ignored when reading and removed by the next writer.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.domain import canonical_json, json_digest
from harness.errors import DataError

_WAIT_S = 30.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Approval:
    """One trace made the baseline of its segment, replayer and device kind.

    `when` is ISO 8601 and given by the caller; `run` is where the trace came from; `replaces` the digest that was
    approved before ("" for the first), filled in when the approval is written. `options` are the replayer's, as
    canonical JSON: a baseline of the first 400 frames and one of the whole segment stand side by side.
    """

    when: str
    who: str
    reason: str
    run: str
    segment: str
    replayer: str
    device_kind: str
    trace_sha256: str
    replaces: str = ""
    runtime: str = ""
    model_digest: str = ""
    candidate: str = ""
    options: str = "{}"

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What it is the baseline of."""
        return self.segment, self.replayer, self.device_kind, self.options


_BATCH = TypeAdapter(tuple[Approval, ...])


class Ledger:
    """The ledger in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = b""
        self._entries: tuple[Approval, ...] = ()

    def approve(self, entries: Sequence[Approval]) -> tuple[Approval, ...]:
        """Write all `entries`, or none; returns them with `replaces` filled in.

        DataError when two are for the same place, or one lacks who, a reason or a trace.
        """
        if not entries:
            return ()
        for entry in entries:
            if not (entry.reason.strip() and entry.who.strip() and entry.trace_sha256):
                raise DataError(
                    "an approval needs who, a reason and a trace", where=entry.segment, remedy="give --reason TEXT"
                )
        if len({entry.place for entry in entries}) != len(entries):
            raise DataError("two traces approved for one place", where=str(self.path), remedy="approve one of them")
        with self._alone():
            now = {entry.place: entry.trace_sha256 for entry in self.entries()}
            batch = tuple(replace(entry, replaces=now.get(entry.place, "")) for entry in entries)
            values = [asdict(entry) for entry in batch]
            line = canonical_json({"approvals": values, "sha256": json_digest(values)}) + "\n"
            self._append(line.encode())
        return batch

    def approved(self, segment: str, replayer: str, device_kind: str, options: str = "{}") -> Approval | None:
        """The approval that holds now, if any."""
        place = (segment, replayer, device_kind, options)
        return next((entry for entry in reversed(self.entries()) if entry.place == place), None)

    def entries(self) -> tuple[Approval, ...]:
        """Every approval in the order it was written; DataError naming the line when one is damaged."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        content = content[: content.rfind(b"\n") + 1]
        if content != self._content:
            lines = content.splitlines()
            self._entries = tuple(
                entry for number, line in enumerate(lines, 1) for entry in self._parse_line(line, number)
            )
            self._content = content
        return self._entries

    def _parse_line(self, line: bytes, number: int) -> tuple[Approval, ...]:
        try:
            value = json.loads(line)
            if json_digest(value["approvals"]) != value["sha256"]:
                raise ValueError("digest does not match")
            return _BATCH.validate_python(value["approvals"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise DataError(
                "this line of the ledger is damaged",
                where=f"{self.path}:{number}",
                remedy="restore the file from a backup; lines are only ever added, so an older copy is a prefix",
            ) from error

    def _append(self, line: bytes) -> None:
        """Add `line` after the whole lines just read, over the torn line of a writer that was killed."""
        end = len(self._content)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            except OSError as error:
                os.ftruncate(descriptor, end)
                raise DataError(
                    f"cannot write the ledger: {error.strerror}", where=str(self.path), remedy="free space"
                ) from error
        finally:
            os.close(descriptor)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The only writer among all processes, or DataError after half a minute."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        deadline_s = time.monotonic() + _WAIT_S
        lock = self.path.with_name(f"{self.path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not _locked(descriptor):
                if time.monotonic() > deadline_s:
                    raise DataError(
                        "the ledger is locked by another program", where=str(self.path), remedy="wait for it to end"
                    )
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
