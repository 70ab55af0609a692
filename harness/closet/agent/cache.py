"""What a device keeps: blobs found by digest, programs, and what jobs put by; the longest unused goes first.

A blob or program is pinned while a job needs it, whichever agent of the device runs that.

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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.closet.agent.pins import Pins
from harness.closet.agent.refusal import RESERVE_BYTES, Refused, no_room

_CODE_BYTES = 64 << 20
_COMFORT_BYTES = 1_500_000_000
_HALF_S = 3600.0
_FRESH_NS = 60 * 10**9  # a job that runs now may be about to read it


class Cache:
    """`blobs/<sha256>`, `code/<sha256>/` and `cache/` below `root`. `limit_bytes` bounds all of it together.

    `for_drives_bytes` of the disk are left to the device's drives, whatever has to go for that.
    """

    def __init__(self, root: Path, limit_bytes: int, for_drives_bytes: int = 0) -> None:
        self._root, self._limit_bytes, self._for_drives_bytes = root, limit_bytes, for_drives_bytes
        self._pins = Pins(root / "pins")
        self._whole: dict[str, tuple[int, int, int]] = {}  # what a file was like when its digest was right
        self._unpacked: set[str] = set()
        self._lock = threading.Lock()

    def held(self) -> list[str]:
        """Digests of the blobs that are here."""
        return [path.name for path in (self._root / "blobs").iterdir() if not path.name.startswith(".")]

    def need(self, pin: str, wanted: Mapping[str, int], beside_bytes: int = 0) -> list[str]:
        """Which of these blobs (digest → size) are missing. All stay until `unpin`, and there is room for the rest.

        `beside_bytes` is what else will be made of them. Refused with StagingFailedError when there is no room.
        """
        with self._lock, self._pins.alone():
            self._pins.pin(pin, wanted)
            missing = [digest for digest, size in wanted.items() if not self._has(digest, size)]
            self._make_room(sum(wanted[digest] for digest in missing) + beside_bytes)
            return missing

    def unpin(self, pin: str) -> None:
        """These blobs may go when room is needed."""
        with self._lock, self._pins.alone():
            self._pins.unpin(pin)

    def close(self) -> None:
        """Nothing is needed any more."""
        self._pins.close()

    def unpack(self, digest: str) -> None:
        """Unpack a code blob, once: anything but a plain file below its folder is refused."""
        target = self._root / "code" / digest
        if digest in self._unpacked and target.is_dir():
            os.utime(target)
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
                unpack_files(archive, temporary)
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
        """Remove halves of files whose writer is gone, and what makes the disk nearly full.

        A writer's process id is in the name of its halves; a job's, in `cache/`, are old.
        """
        for path in (*(self._root / "blobs").glob(".*.part"), *(self._root / "code").glob(".*.*")):
            if not Path("/proc", path.name.split(".")[2]).exists():
                _remove(path)
        old_s = time.time() - _HALF_S
        for path in (self._root / "cache").rglob(".*.part"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < old_s:
                    _remove(path)
        with self._lock, self._pins.alone():
            self._evict(0, self._comfort_bytes())

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
        if not needed:
            return
        self._evict(needed, self._comfort_bytes())
        needed += max(RESERVE_BYTES, self._for_drives_bytes)
        if shutil.disk_usage(self._root).free < needed:
            raise no_room(self._root, needed, self._for_drives_bytes)

    def _comfort_bytes(self) -> int:
        """What is left free where that can be had: more than the limits of a device's self-check ask for."""
        return max(min(_COMFORT_BYTES, shutil.disk_usage(self._root).total // 20), self._for_drives_bytes)

    def _evict(self, needed: int, free_bytes: int) -> None:
        """Remove what was not used for longest and is not needed, until there is room and so much stays free."""
        kept = sorted(self._kept(), key=lambda entry: entry.used_ns)
        total = sum(entry.size_bytes for entry in kept)
        pinned = self._pins.everybodys()
        fresh_ns = time.time_ns() - _FRESH_NS
        for entry in kept:
            if total + needed <= self._limit_bytes and shutil.disk_usage(self._root).free >= needed + free_bytes:
                return
            if entry.digest in pinned or (not entry.digest and entry.used_ns > fresh_ns):
                continue
            total -= entry.size_bytes
            self._unpacked.discard(entry.digest)
            _remove(entry.path)

    def _kept(self) -> Iterator[_Kept]:
        """Every blob, program and file in `cache/`. What is on its way has a name that begins with a dot."""
        for folder in ("blobs", "code"):
            for path in (self._root / folder).iterdir():
                with suppress(FileNotFoundError):
                    state = path.lstat()
                    if not path.name.startswith("."):
                        yield _Kept(state.st_atime_ns, path, _size(path), path.name)
        for path in (self._root / "cache").rglob("*"):
            with suppress(FileNotFoundError):
                state = path.lstat()
                if path.is_file():
                    # Whether a job read it is seen as far as the file system keeps that; when it was made, always.
                    yield _Kept(max(state.st_atime_ns, state.st_mtime_ns), path, state.st_size, "")


@dataclass(frozen=True, slots=True)
class _Kept:
    """Something that may go. `digest` is empty for what a job put by."""

    used_ns: int
    path: Path
    size_bytes: int
    digest: str


def unpack_files(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack plain files into a folder made for them; Refused for anything else, and for what would lie outside of it.

    Not by tarfile's own filters, which Pythons before 3.11.4 do not have: Debian 12's is one.
    """
    folder.mkdir()
    for member in archive:
        path = PurePosixPath(member.name)
        content = archive.extractfile(member) if member.isreg() else None
        if content is None or path.is_absolute() or ".." in path.parts:
            raise Refused("DataError", f"no plain file below its folder: {member.name}", "bundle the code again")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("xb") as stream:
            shutil.copyfileobj(content, stream)


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*")) if path.is_dir() else path.lstat().st_size


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
