"""The closet's memory as one value: `<home>/store/blobs`, `<home>/store/baselines.jsonl`, `<home>/closet.db`.

`CLOSET_BASELINES` names a depot (a folder, s3://…) where baselines are kept for several closets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from harness.domain import Blob
from harness.errors import DataError
from harness.store.approvals import MAIN, Approval
from harness.store.baselines import Baselines, Signature, open_depot
from harness.store.blobs import BlobStore
from harness.store.index import Index, Repeats, StoredTrace
from harness.store.ledger import Ledger
from harness.store.noise import NoiseLedger
from harness.trace import Trace, parse_trace
from harness.verdict import CheckResult


class Store:
    """Everything that outlives a run, under the folder `home`."""

    def __init__(self, home: Path, *, depot: str | None = None) -> None:
        """`depot` is the address of a depot, by default what `CLOSET_BASELINES` says; empty means none."""
        self.home = home
        self.blobs = BlobStore(home / "store" / "blobs")
        address = os.environ.get("CLOSET_BASELINES", "") if depot is None else depot
        self.baselines = Baselines(Ledger(home / "store" / "baselines.jsonl"), self.blobs, open_depot(address))
        self.noise = NoiseLedger(home / "store" / "noise.jsonl")
        try:
            self._index = Index(home / "closet.db")
        except OSError as error:
            raise DataError(
                f"cannot write here: {error.strerror}", where=str(home), remedy="set CLOSET_HOME to a writable folder"
            ) from error

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._index.close()

    def put_file(self, path: Path, *, link: bool = False) -> Blob:
        """Keep a file's bytes; `link` shares it instead of copying, for files nobody will write to again."""
        return self.blobs.put_file(path, link=link)

    def put_bytes(self, content: bytes) -> Blob:
        """Keep `content`."""
        return self.blobs.put_bytes(content)

    def path(self, sha256: str) -> Path:
        """Where a blob lies or would lie; unchecked."""
        return self.blobs.path(sha256)

    def has(self, sha256: str) -> bool:
        """Whether a blob is here."""
        return self.blobs.has(sha256)

    def read(self, sha256: str) -> bytes:
        """The bytes of a blob, digest checked."""
        return self.blobs.read(sha256)

    def digest_file(self, path: Path) -> Blob:
        """Digest of a file outside the store, remembered until the file changes."""
        return self._index.digest_file(path)

    def load_trace(self, sha256: str) -> Trace:
        """A stored trace, digest checked; one that is approved comes from the depot when it is not here."""
        self.baselines.fetch(sha256)
        return parse_trace(self.blobs.read(sha256), where=str(self.blobs.path(sha256)), digest_checked=True)

    def remember_trace(self, job_id: str, trace_sha256: str, facts: Mapping[str, str]) -> None:
        """Job `job_id` gave this trace, whose blob must be here."""
        if not self.has(trace_sha256):
            raise DataError("trace is not in the store", where=trace_sha256, remedy="put its file first")
        self._index.remember_trace(job_id, trace_sha256, facts)

    def find_trace(self, job_id: str) -> StoredTrace | None:
        """The trace of an equal job, if it is known and its blob still here."""
        known = self._index.find_trace(job_id)
        return known if known is not None and self.blobs.use(known.sha256) else None

    def forget_trace(self, job_id: str) -> None:
        """An equal job is replayed again: the trace that `job_id` gave is not to be relied on. Its blob stays."""
        self._index.forget_trace(job_id)

    def remember_repeats(self, key: str, told: Repeats) -> None:
        """The failed trial `key` was repeated, and need not be again."""
        self._index.remember_repeats(key, told)

    def find_repeats(self, key: str) -> Repeats | None:
        """What the repeats of an equal failed trial told, if known."""
        return self._index.find_repeats(key)

    def remember_checks(self, key: str, checks: tuple[CheckResult, ...]) -> None:
        """Comparison `key` came out as `checks`."""
        self._index.remember_checks(key, checks)

    def find_checks(self, key: str) -> tuple[CheckResult, ...] | None:
        """The result of an equal comparison, if known."""
        return self._index.find_checks(key)

    def remember_metrics(self, key: str, content: bytes) -> None:
        """Measurement `key` gave these values."""
        self._index.remember_metrics(key, content)

    def find_metrics(self, key: str) -> bytes | None:
        """The values of an equal measurement, if known."""
        return self._index.find_metrics(key)

    def approve(self, entries: Sequence[Approval], signature: Signature | None = None) -> tuple[Approval, ...]:
        """Make traces baselines: all of `entries`, or none. Their blobs are read and checked first."""
        return self.baselines.approve(entries, signature)

    def approved(self, segment: str, replayer: str, device_kind: str, options: str = "{}") -> Approval | None:
        """The newest baseline that holds now for a place on main, if any; `options` as canonical JSON."""
        return self.baselines.ledger.approved(segment, replayer, device_kind, options)

    def accepted(
        self, segment: str, replayer: str, device_kind: str, options: str = "{}", *, branch: str = MAIN
    ) -> tuple[Approval, ...]:
        """Every baseline that holds now for a place, seen from `branch`; newest first."""
        return self.baselines.ledger.accepted(segment, replayer, device_kind, options, branch=branch)

    def ledger(self) -> tuple[Approval, ...]:
        """Every approval ever made, in order."""
        return self.baselines.ledger.entries()
