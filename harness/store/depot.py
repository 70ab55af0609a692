"""Baselines kept in one place for several closets: any address that fsspec knows (a folder, s3://bucket/prefix, …).

`<address>/ledger/<number>.json` is one batch of approvals; numbers follow each other and are taken once, so that all
closets see the same order. `<address>/blobs/<first two digits>/<digest>` are the traces. Nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import fsspec

from harness.domain import Blob
from harness.errors import ClosetError, ConfigError, DataError
from harness.files import write_bytes, write_new_bytes
from harness.store.approvals import Batch, parse_batch

_REMEDY = "see whether the address is right and reachable, and whether its credentials are set"


class Depot:
    """The depot at `address`. Opened by `fsspec`; what its library needs to log in comes from the environment."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        try:
            # Listings are never remembered: another closet may have added to them.
            self._files: Any
            self._files, self._root = fsspec.core.url_to_fs(
                self.address, use_listings_cache=False, skip_instance_cache=True
            )
        except ImportError as error:
            raise ConfigError(
                f"no library for {address.partition('://')[0]}: {error}",
                where=address,
                remedy="pip install 'testing-closet[s3]' brings the one for s3://",
            ) from error
        except (ValueError, OSError) as error:
            raise ConfigError(f"no depot: {error}", where=address, remedy="a folder, or s3://bucket/prefix") from error

    def count(self) -> int:
        """How many batches there are."""
        return len(self._numbers())

    def batches(self, after: int = 0) -> tuple[Batch, ...]:
        """The batches whose number is greater than `after`, in order; DataError when one is missing or damaged."""
        numbers = [number for number in self._numbers() if number > after]
        if numbers != list(range(after + 1, after + 1 + len(numbers))):
            raise DataError("a batch is missing", where=f"{self.address}/ledger", remedy="restore it from a backup")
        return tuple(
            parse_batch(self._read(self._batch(number)), where=f"{self.address}/ledger/{number:08d}.json")
            for number in numbers
        )

    def add(self, number: int, batch: Batch) -> bool:
        """Write `batch` as number `number`; False when another closet took the number first."""
        path = self._batch(number)
        try:
            if "file" in self._protocols():
                write_new_bytes(Path(path), batch.line)
            else:
                self._files.pipe_file(path, batch.line, mode="create")
        except FileExistsError:
            return False
        except Exception as error:
            raise self._failed(error) from error
        return True

    def put(self, blob_path: Path, sha256: str) -> None:
        """Bring a blob there, unless it is there."""
        path = self._blob(sha256)
        try:
            if self._files.exists(path) and self._files.size(path) == blob_path.stat().st_size:
                return
            self._make_folder(path)
            self._files.put_file(str(blob_path), path)
        except Exception as error:
            raise self._failed(error) from error

    def fetch(self, sha256: str, target: Path) -> Blob:
        """Bring a blob from there to `target`, its digest checked before the file appears."""
        content = self._read(self._blob(sha256))
        actual = hashlib.sha256(content).hexdigest()
        if actual != sha256:
            raise DataError(
                f"blob is damaged there: its bytes have the digest {actual[:12]}…",
                where=f"{self.address}/blobs/{sha256[:2]}/{sha256}",
                remedy="push it again from a closet that has it whole",
            )
        write_bytes(target, content)
        return Blob(sha256, len(content))

    def _numbers(self) -> list[int]:
        try:
            folder = f"{self._root}/ledger"
            names = [str(name).rpartition("/")[2] for name in self._files.ls(folder, detail=False)]
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._failed(error) from error
        return sorted(int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit())

    def _read(self, path: str) -> bytes:
        try:
            content: bytes = self._files.cat_file(path)
        except FileNotFoundError as error:
            raise DataError("not in the depot", where=f"{self.address}: {path}", remedy="push it again") from error
        except Exception as error:
            raise self._failed(error) from error
        return content

    def _make_folder(self, path: str) -> None:
        if "file" in self._protocols():
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _protocols(self) -> tuple[str, ...]:
        protocol = self._files.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    def _batch(self, number: int) -> str:
        return f"{self._root}/ledger/{number:08d}.json"

    def _blob(self, sha256: str) -> str:
        return f"{self._root}/blobs/{sha256[:2]}/{sha256}"

    def _failed(self, error: Exception) -> ClosetError:
        """Libraries of many kinds raise errors of many kinds; here they are one: the depot does not work."""
        if isinstance(error, ClosetError):
            return error
        return DataError(
            f"the depot does not answer as it should: {type(error).__name__}: {error}"[:400],
            where=self.address,
            remedy=_REMEDY,
        )
