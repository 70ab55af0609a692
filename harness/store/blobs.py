"""Bytes by their sha256: `<folder>/<first two digits>/<digest>`. Whole or absent, and checked when read."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.domain import Blob
from harness.errors import DataError
from harness.files import atomic_writer, file_sha256, write_bytes

_CHUNK_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Blobs under one folder. Safe for several processes: equal content has one name, and names appear by rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where a blob lies, or would lie. Nothing is checked but that it is a digest."""
        if not _DIGEST.fullmatch(sha256):
            raise DataError(f"not a sha256: {sha256[:80]!r}", where=str(self.folder), remedy="give the full digest")
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Whether the blob is here; its digest is checked when it is read, not now."""
        return self.path(sha256).is_file()

    def use(self, sha256: str) -> bool:
        """Whether the blob is here; if so it counts as used now, which keeps it from being collected as garbage."""
        try:
            os.utime(self.path(sha256))
        except FileNotFoundError:
            return False
        return True

    def put_bytes(self, content: bytes) -> Blob:
        """Keep `content`."""
        blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
        if not self._is_whole(blob):
            with _room_wanted(self.folder):
                write_bytes(self.path(blob.sha256), content)
        return blob

    def put_file(self, path: Path, *, link: bool = False) -> Blob:
        """Keep a file's bytes. `link` shares the file instead of copying, for files that nobody will write to again."""
        try:
            blob = Blob(file_sha256(path), path.stat().st_size)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(path), remedy="check the path") from error
        if self._is_whole(blob):
            return blob
        target = self.path(blob.sha256)
        with _room_wanted(self.folder):
            if not (link and _linked(path, target)):
                _copy(path, target, blob.sha256)
        return blob

    def verified(self, sha256: str) -> Path:
        """The path of a blob whose bytes were just checked. A damaged one is set aside, so that it can be put again."""
        path = self.path(sha256)
        try:
            actual = file_sha256(path)
        except OSError as error:
            raise _unreadable(path, error) from error
        if actual != sha256:
            raise _set_aside(path, actual)
        return path

    def read(self, sha256: str) -> bytes:
        """The bytes of a blob, digest checked on exactly what is returned."""
        path = self.path(sha256)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _unreadable(path, error) from error
        actual = hashlib.sha256(content).hexdigest()
        if actual != sha256:
            raise _set_aside(path, actual)
        return content

    def _is_whole(self, blob: Blob) -> bool:
        """Whether the blob is here undamaged; one that is not will be replaced."""
        path = self.path(blob.sha256)
        try:
            return path.stat().st_size == blob.size_bytes and file_sha256(path) == blob.sha256 and self.use(blob.sha256)
        except OSError:
            return False


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError("blob is not in the store", where=str(path), remedy="run the job again")
    return DataError(f"blob cannot be read: {error.strerror}", where=str(path), remedy="check the disk")


def _set_aside(path: Path, actual: str) -> DataError:
    aside = path.with_name(f"{path.name}.damaged")
    with suppress(FileNotFoundError):
        path.replace(aside)
    return DataError(
        f"blob is damaged: its bytes have the digest {actual[:12]}…",
        where=str(path),
        remedy=f"it was set aside as {aside.name}; run the job again, and check the disk",
    )


def _linked(path: Path, target: Path) -> bool:
    """Give `path` the second name `target`, atomically; False where the file system cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".link.", dir=target.parent) as folder:
        temporary = Path(folder) / target.name
        try:
            os.link(path, temporary)
        except OSError as error:
            if error.errno in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                return False
            raise
        temporary.replace(target)
    return True


def _copy(path: Path, target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as source, atomic_writer(target) as stream:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            stream.write(chunk)
        if digest.hexdigest() != sha256:
            raise DataError("changed while it was being stored", where=str(path), remedy="store it when it is complete")


@contextmanager
def _room_wanted(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write to the store: {error.strerror}", where=str(folder), remedy="free space or fix permissions"
        ) from error
