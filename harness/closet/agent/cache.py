"""The blobs a device keeps: found by digest, pinned while a job needs them, the longest unused evicted first.

A name is no proof of what a file holds: a power cut may have come before its bytes were on disk, and flash wears out.
So everything is held against its digest the first time that an agent hands it out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness.closet.agent.refusal import RESERVE_BYTES, Refused, no_room

_CODE_BYTES = 64 << 20


class Cache:
    """`blobs/<sha256>` and `code/<sha256>/` below `root`. `limit_bytes` bounds all blobs together."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._root, self._limit_bytes = root, limit_bytes
        self._pins: dict[str, frozenset[str]] = {}
        self._whole: dict[str, tuple[int, int, int]] = {}  # what a file was like when its digest was right
        self._unpacked: set[str] = set()
        self._lock = threading.Lock()

    def held(self) -> list[str]:
        """Digests of the blobs that are here."""
        return [path.name for path in (self._root / "blobs").iterdir() if not path.name.startswith(".")]

    def need(self, pin: str, wanted: Mapping[str, int]) -> list[str]:
        """Which of these blobs (digest → size) are missing. All stay until `unpin`, and there is room for the rest."""
        with self._lock:
            self._pins[pin] = frozenset(wanted)
            missing = [digest for digest, size in wanted.items() if not self._has(digest, size)]
            self._make_room(sum(wanted[digest] for digest in missing))
            return missing

    def unpin(self, pin: str) -> None:
        """These blobs may go when room is needed."""
        with self._lock:
            self._pins.pop(pin, None)

    def unpack(self, digest: str) -> None:
        """Unpack a code blob, once: links, absolute paths and the like are refused by the tar filter."""
        target = self._root / "code" / digest
        if digest in self._unpacked and target.is_dir():
            return
        temporary = target.with_name(f".{digest}.{os.getpid()}.{threading.get_ident()}")
        try:
            with tarfile.open(self._root / "blobs" / digest) as archive:
                if sum(member.size for member in archive) > _CODE_BYTES:
                    raise Refused("DataError", "the code is larger than 64 MiB unpacked", "see what was bundled")
                if target.is_dir():
                    if _holds(target, archive):
                        self._unpacked.add(digest)
                        return
                    target.rename(temporary)
                    shutil.rmtree(temporary)
                archive.extractall(temporary, filter="data")
            with suppress(OSError):  # somebody else was faster
                temporary.rename(target)
            if not target.is_dir():
                raise Refused("StagingFailedError", "the code could not be unpacked", "see the work folder")
            self._unpacked.add(digest)
        except tarfile.TarError as error:
            raise Refused("DataError", f"the code is no archive: {error}", "bundle it again") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def sweep(self) -> None:
        """Remove halves of files whose writer is gone; its process id is in their name."""
        for path in (*(self._root / "blobs").glob(".*.part"), *(self._root / "code").glob(".*.*")):
            if not Path("/proc", path.name.split(".")[2]).exists():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def _has(self, digest: str, size: int) -> bool:
        path = self._root / "blobs" / digest
        try:
            state = path.stat()
            if state.st_size == size and self._is_whole(path, state):
                os.utime(path, ns=(time.time_ns(), state.st_mtime_ns))  # used just now, and still the same bytes
                return True
            path.unlink()
        except FileNotFoundError:
            pass
        return False

    def _is_whole(self, path: Path, state: os.stat_result) -> bool:
        known = (state.st_ino, state.st_size, state.st_mtime_ns)
        if self._whole.get(path.name) == known:
            return True
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != path.name:
                return False
        self._whole[path.name] = known
        return True

    def _make_room(self, needed: int) -> None:
        pinned = frozenset().union(*self._pins.values())
        blobs = []
        for path in (self._root / "blobs").iterdir():
            with suppress(FileNotFoundError):  # one that just arrived has lost its temporary name
                state = path.stat()
                blobs.append((state.st_atime_ns, path, state.st_size))
        total = sum(size for _, _, size in blobs)
        for _, path, size in sorted(blobs):
            if total + needed <= self._limit_bytes and self._fits(needed):
                return
            if path.name not in pinned and not path.name.startswith("."):
                total -= size
                path.unlink(missing_ok=True)
        if not self._fits(needed):
            raise no_room(self._root, needed + RESERVE_BYTES)

    def _fits(self, needed: int) -> bool:
        return needed == 0 or shutil.disk_usage(self._root).free >= needed + RESERVE_BYTES


def _holds(folder: Path, archive: tarfile.TarFile) -> bool:
    """Whether every file of the archive lies in the folder as it is there; what Python compiled is thrown away."""
    for compiled in folder.rglob("__pycache__"):
        shutil.rmtree(compiled, ignore_errors=True)
    for member in archive:
        source = archive.extractfile(member)
        try:
            if source is not None and (folder / member.name).read_bytes() != source.read():
                return False
        except OSError:
            return False
    return True
