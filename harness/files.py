"""Files that are whole or absent: atomic writes, digests, and one program at a time."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_READ_BYTES = 1 << 20
_PAUSE_S = 0.02


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal, read in bounded memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A binary stream that becomes `path` when the block ends well, and nothing when it does not.

    The bytes go to a temporary name in the same folder, are fsynced, then renamed: a kill at any point leaves the
    old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb", buffering=_READ_BYTES) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path`, atomically."""
    with atomic_writer(path) as stream:
        stream.write(content)


def write_new_bytes(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole, unless somebody did before: then FileExistsError, and theirs stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".part", dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        write_bytes(temporary, content)
        os.link(temporary, path)
    _sync_folder(path.parent)


def write_text(path: Path, content: str) -> None:
    """Put `content` at `path` as UTF-8, atomically."""
    write_bytes(path, content.encode())


@contextmanager
def lock_folder(folder: Path, *, shared: bool = False, wait_s: float = 30.0) -> Iterator[None]:
    """Hold a folder among all programs that do, alone or beside those that share it; waits for them.

    OSError when it is no folder; TimeoutError when somebody holds it for longer than `wait_s`, as a stopped one does.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        give_up_s = time.monotonic() + wait_s
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            if time.monotonic() > give_up_s:
                raise TimeoutError(errno.ETIMEDOUT, "another program does not let go of it", str(folder))
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files; one that is gone already is no error."""
    for path in paths:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
