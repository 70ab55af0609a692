"""Who approved which trace as a baseline, when and why. Lines are only ever added.

One line of JSON is one approval of any number of traces, with its own digest: a batch is there as a whole or not at
all. A line that a kill cut short lacks its end; it is ignored when reading and removed by the next writer.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.errors import DataError
from harness.store.approvals import MAIN, Approval, Batch, filled_in, make_batch, parse_batch, standing

_WAIT_S = 30.0
_POLL_S = 0.01


class Ledger:
    """The ledger in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = b""
        self._batches: tuple[Batch, ...] = ()

    def approve(
        self,
        entries: Sequence[Approval],
        *,
        sign: Callable[[Batch], Batch] | None = None,
        publish: Callable[[int, Batch], None] | None = None,
    ) -> tuple[Approval, ...]:
        """Write all `entries`, or none; returns them with `replaces` filled in.

        `sign` signs the batch; `publish`, told the batch and its number (from 1), makes it known elsewhere before it is
        written here: when it raises nothing is written. DataError when two entries are for the same place, or one lacks
        who, a reason or a trace.
        """
        if not entries:
            return ()
        for entry in entries:
            if not (entry.reason.strip() and entry.who.strip() and entry.trace_sha256):
                raise DataError(
                    "an approval needs who, a reason and a trace", where=entry.segment, remedy="give --reason TEXT"
                )
        whole = [(entry.place, entry.runtime) for entry in entries if not (entry.beside or entry.withdrawn)]
        if len(set(whole)) != len(whole):
            raise DataError("two traces approved for one place", where=str(self.path), remedy="approve one of them")
        with self._alone():
            batch = make_batch(filled_in(entries, self.entries()))
            if sign is not None:
                batch = sign(batch)
            if publish is not None:
                publish(len(self._batches) + 1, batch)
            self._append(batch.line)
        return batch.approvals

    def add(self, batches: Sequence[Batch]) -> int:
        """Add batches made elsewhere, as they are; those that are here already are left out. Returns how many."""
        with self._alone():
            known = {batch.sha256 for batch in self.batches()}
            new = [batch for batch in batches if batch.sha256 not in known]
            for batch in new:
                self._append(batch.line)
                self.batches()
        return len(new)

    def approved(self, segment: str, replayer: str, device_kind: str, options: str = "{}") -> Approval | None:
        """The newest approval that holds now on main, if any."""
        accepted = self.accepted(segment, replayer, device_kind, options)
        return accepted[0] if accepted else None

    def accepted(
        self, segment: str, replayer: str, device_kind: str, options: str = "{}", *, branch: str = MAIN
    ) -> tuple[Approval, ...]:
        """Every approval that holds now at a place, seen from `branch`; newest first."""
        return standing(self.entries(), branch).get((segment, replayer, device_kind, options), ())

    def entries(self) -> tuple[Approval, ...]:
        """Every approval in the order it was written; DataError naming the line when one is damaged."""
        return tuple(entry for batch in self.batches() for entry in batch.approvals)

    def batches(self) -> tuple[Batch, ...]:
        """Every batch in the order it was written."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        content = content[: content.rfind(b"\n") + 1]
        if content != self._content:
            self._batches = tuple(
                parse_batch(line, where=f"{self.path}:{number}") for number, line in enumerate(content.splitlines(), 1)
            )
            self._content = content
        return self._batches

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
