"""The approved baselines of a closet: its own ledger and blobs, and the depot it shares with others, if any."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.domain import Blob
from harness.errors import ClosetError, ConfigError, DataError
from harness.files import atomic_writer
from harness.store.approvals import MAIN, Approval, Batch, parse_batch, standing
from harness.store.blobs import BlobStore
from harness.store.depot import Depot
from harness.store.ledger import Ledger
from harness.store.signatures import signed, verify

_TRIES = 20
_LEDGER = "ledger.jsonl"


class _NumberTakenError(Exception):
    """Another closet wrote a batch to the depot first."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Which key signs, and as whom."""

    key: Path
    signer: str


class Baselines:
    """What is approved. With a depot, the ledger here is always a beginning of the one there."""

    def __init__(self, ledger: Ledger, blobs: BlobStore, depot: Depot | None = None) -> None:
        self.ledger, self.depot = ledger, depot
        self._blobs = blobs

    def sync(self) -> int:
        """Bring what others approved; what was approved here before there was a depot is brought there. How many came.

        DataError when both sides hold approvals that the other has not.
        """
        if self.depot is None:
            return 0
        ours = self.ledger.batches()
        there = self.depot.batches()
        shared = min(len(ours), len(there))
        for number, (one, other) in enumerate(zip(ours[:shared], there[:shared], strict=True), 1):
            if one.sha256 != other.sha256:
                raise DataError(
                    f"approval {number} here is not approval {number} there: the two ledgers went apart",
                    where=self.depot.address,
                    remedy=f"move {self.ledger.path} away, sync, and bless again what was approved only here",
                )
        for number, batch in enumerate(ours[shared:], shared + 1):
            self._publish(self.depot, number, batch)
        return self.ledger.add(there[shared:])

    def approve(self, entries: Sequence[Approval], signature: Signature | None = None) -> tuple[Approval, ...]:
        """Make traces baselines: all of `entries`, or none. Their blobs are read and checked first."""
        for sha256 in sorted({entry.trace_sha256 for entry in entries if not entry.withdrawn}):
            self.fetch(sha256)
            self._blobs.verified(sha256)
        sign = None if signature is None else partial(signed, key=signature.key, signer=signature.signer)
        for _ in range(_TRIES):
            self.sync()
            try:
                publish = None if self.depot is None else partial(self._publish, self.depot)
                return self.ledger.approve(entries, sign=sign, publish=publish)
            except _NumberTakenError:
                continue
        raise DataError("other closets keep approving", where=str(self.ledger.path), remedy="try again")

    def standing(self, branch: str = MAIN) -> tuple[Approval, ...]:
        """Everything that is accepted now, seen from `branch`."""
        return tuple(entry for held in standing(self.ledger.entries(), branch).values() for entry in held)

    def branches(self) -> tuple[str, ...]:
        """Every branch that has approvals, by name."""
        return tuple(sorted({entry.branch for entry in self.ledger.entries()} - {MAIN}))

    def require_signed(self, entries: Sequence[Approval], allowed_signers: Path) -> None:
        """DataError naming the first of `entries` whose batch carries no signature by an allowed signer."""
        wanted = set(map(_key, entries))
        for batch in reversed(self.ledger.batches()):
            meant = [entry for entry in batch.approvals if _key(entry) in wanted]
            if not meant:
                continue
            wanted -= set(map(_key, meant))
            try:
                verify(batch, allowed_signers)
            except DataError as error:
                raise DataError(error.problem, where=" · ".join(meant[0].place[:3]), remedy=error.remedy) from error

    def fetch(self, sha256: str) -> None:
        """Make sure that a blob is here, from the depot if need be; nothing where there is no depot."""
        if self.depot is not None and not self._blobs.has(sha256):
            self.depot.fetch(sha256, self._blobs.path(sha256))

    def problems(self, allowed_signers: Path | None = None) -> tuple[ClosetError, ...]:
        """What is wrong: blobs of standing approvals that are missing or damaged, signatures that do not hold."""
        found: list[ClosetError] = []
        current = {entry for branch in (MAIN, *self.branches()) for entry in map(_key, self.standing(branch))}
        for sha256 in sorted({key[-1] for key in current}):
            try:
                self.fetch(sha256)
                self._blobs.verified(sha256)
            except ClosetError as error:
                found.append(error)
        for batch in self.ledger.batches() if allowed_signers else ():
            if allowed_signers is not None and any(_key(entry) in current for entry in batch.approvals):
                try:
                    verify(batch, allowed_signers)
                except DataError as error:
                    found.append(error)
        return tuple(found)

    def write_archive(self, path: Path) -> int:
        """Everything that holds now, with its ledger, as one tar file. Returns the number of traces in it."""
        digests = sorted({entry.trace_sha256 for branch in (MAIN, *self.branches()) for entry in self.standing(branch)})
        with atomic_writer(path) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
            _add(archive, _LEDGER, b"".join(batch.line for batch in self.ledger.batches()))
            for sha256 in digests:
                self.fetch(sha256)
                _add(archive, f"blobs/{sha256}", self._blobs.read(sha256))
        return len(digests)

    def read_archive(self, path: Path) -> tuple[int, int]:
        """Take over an archive of which the ledger here is a beginning; returns how many batches and traces came."""
        try:
            with tarfile.open(path, mode="r:") as archive:
                batches = tuple(
                    parse_batch(line, where=f"{path}: {_LEDGER}:{number}")
                    for number, line in enumerate(_content(archive, _LEDGER, path).splitlines(), 1)
                )
                ours = [batch.sha256 for batch in self.ledger.batches()]
                theirs = [batch.sha256 for batch in batches]
                shared = min(len(ours), len(theirs))
                if ours[:shared] != theirs[:shared]:
                    raise DataError(
                        "its ledger and the one here went apart",
                        where=str(path),
                        remedy="import it into a closet of its own (CLOSET_HOME), and bless here what is wanted",
                    )
                blobs = [self._take(archive, member, path) for member in archive if member.name.startswith("blobs/")]
        except (tarfile.TarError, OSError) as error:
            raise DataError(
                f"not an archive of baselines: {error}", where=str(path), remedy="closet baselines export makes one"
            ) from error
        return self.ledger.add(batches), len(blobs)

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> Blob:
        blob = self._blobs.put_bytes(_content(archive, member.name, path))
        if member.name != f"blobs/{blob.sha256}":
            raise DataError(f"{member.name} has other bytes", where=str(path), remedy="copy it again")
        return blob

    def _publish(self, depot: Depot, number: int, batch: Batch) -> None:
        for sha256 in sorted({entry.trace_sha256 for entry in batch.approvals if not entry.withdrawn}):
            if self._blobs.has(sha256):
                depot.put(self._blobs.verified(sha256), sha256)
        if not depot.add(number, batch):
            raise _NumberTakenError


def open_depot(address: str) -> Depot | None:
    """The depot at an address; None where there is none."""
    if not address.strip():
        return None
    if "@" in address.partition("://")[2].partition("/")[0]:
        raise ConfigError(
            "credentials in the address of the depot",
            where="CLOSET_BASELINES",
            remedy="give them as its library takes them: AWS_PROFILE, a credentials file, an instance's role",
        )
    return Depot(address.strip())


def _key(entry: Approval) -> tuple[str, ...]:
    return (*entry.place, entry.runtime, entry.branch, entry.when, entry.trace_sha256)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _content(archive: tarfile.TarFile, name: str, path: Path) -> bytes:
    try:
        stream = archive.extractfile(name)
    except KeyError:
        stream = None
    if stream is None:
        raise DataError(f"{name} is not in it", where=str(path), remedy="closet baselines export makes an archive")
    return stream.read()
