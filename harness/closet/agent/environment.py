"""A private Python environment below the work folder, made from wheels that lie among the blobs. No pip, no network.

`env/<key>` is an environment, `env/current` a link to the one in use. A new one grows beside it under a temporary name
and is switched to in one step, so that a cut at any moment leaves the old one.
"""

from __future__ import annotations

import base64
import csv
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from harness.closet.agent.refusal import Refused

MANIFEST = "closet-env.json"
_LARGEST_BYTES = 4 << 30
_PIECE_BYTES = 1 << 20
_VENV_S = 60.0
_IMPORT_S = 180.0
_LOCK = "build.lock"

Say = Callable[[dict[str, Any]], None]

_IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def build(root: Path, spec: dict[str, Any], say: Say) -> None:
    """Make the environment that `spec` describes and switch to it.

    `spec`: `key`, `base` (the Python to build on), `wheels` as (file name, sha256), `imports` (what must come in).
    """
    folder = root / "env"
    folder.mkdir(mode=0o700, exist_ok=True)
    with _alone(folder):
        _sweep(folder)
        temporary = folder / f".{spec['key'][:16]}.{os.getpid()}.part"
        try:
            say({"step": "making the environment"})
            _make(temporary, spec["base"])
            for number, (name, digest) in enumerate(spec["wheels"], 1):
                say({"step": "unpacking", "name": name, "number": number, "of": len(spec["wheels"])})
                unpack_wheel(root / "blobs" / digest, digest, temporary)
            say({"step": "importing what a replay needs"})
            _import(temporary / "bin" / "python", spec["imports"])
            manifest = {"format": 1, "key": spec["key"], "base": os.path.realpath(spec["base"])}
            (temporary / MANIFEST).write_text(json.dumps(manifest))
            os.sync()
            final = _free_name(folder, spec["key"][:16])
            temporary.rename(final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _switch(folder, final.name)
        _retire(root, folder, final.name)


def verify(root: Path, imports: list[str]) -> None:
    """See that the environment in use still works; Refused when it does not."""
    _import(root / "env" / "current" / "bin" / "python", imports)


def unpack_wheel(path: Path, digest: str, environment: Path) -> None:
    """Install one wheel (PEP 427): its files go where they belong, each checked against the wheel's own record.

    Scripts and headers are left out: a replay starts none, builds nothing.
    """
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
            raise Refused("StagingFailedError", f"blob {digest[:16]} is damaged on the device", "provision again")
    site = next((environment / "lib").glob("python3*/site-packages"))
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _LARGEST_BYTES:
                raise Refused("DataError", "a wheel is larger than 4 GiB unpacked", "see what is in the wheelhouse")
            record = _record(archive)
            for info in archive.infolist():
                target = _place(info.filename, site, environment)
                if target is not None and not info.is_dir():
                    _extract(archive, info, target, record.get(info.filename, ""))
    except (zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
        raise Refused("DataError", f"a wheel is damaged: {error}", "see what is in the wheelhouse") from error


def _make(folder: Path, base: str) -> None:
    """An empty environment. `venv` without ensurepip is part of every Python, also where Debian takes pip away."""
    command = [base, "-I", "-m", "venv", "--without-pip", "--symlinks", str(folder)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_VENV_S, check=False, errors="replace"
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        said = lines[-1] if lines else f"exit {done.returncode}"
        raise Refused("DeviceUnhealthyError", f"{base} makes no environment: {said}", "name another with --python")


def _record(archive: zipfile.ZipFile) -> dict[str, str]:
    """sha256 by name as the wheel's RECORD gives it, urlsafe base64 without padding."""
    names = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD") and name.count("/") == 1]
    if len(names) != 1:
        raise Refused("DataError", "a wheel has no record of its files", "see what is in the wheelhouse")
    rows = csv.reader(io.StringIO(archive.read(names[0]).decode()))
    return {row[0]: row[1].removeprefix("sha256=") for row in rows if len(row) == 3 and row[1].startswith("sha256=")}


def _place(name: str, site: Path, environment: Path) -> Path | None:
    """Where a member goes; None when it is left out. One that would leave the environment is refused."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise Refused("DataError", f"a wheel has a file {name!r}", "see what is in the wheelhouse")
    if not parts[0].endswith(".data"):
        return site.joinpath(*parts)
    scheme, inner = (parts[1] if len(parts) > 1 else ""), parts[2:]
    if scheme in {"purelib", "platlib"}:
        return site.joinpath(*inner)
    return environment.joinpath(*inner) if scheme == "data" else None


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, recorded: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    hashed, left = hashlib.sha256(), info.file_size
    with archive.open(info) as source, target.open("wb") as sink:
        while piece := source.read(_PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise Refused("DataError", f"{info.filename} is longer than it says", "see what is in the wheelhouse")
            hashed.update(piece)
            sink.write(piece)
    if recorded and base64.urlsafe_b64encode(hashed.digest()).rstrip(b"=").decode() != recorded:
        raise Refused("DataError", f"{info.filename} is not what its wheel records", "see what is in the wheelhouse")


def _import(python: Path, imports: list[str]) -> None:
    """Import everything in a fresh process; Refused with the last line of what it says."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _IMPORTS, *imports],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_IMPORT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(
            "DeviceUnhealthyError", f"the environment's python does not run: {error}", "provision again"
        ) from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit {done.returncode}"
        raise Refused("DeviceUnhealthyError", f"the environment does not work: {said}", "see that the wheels fit")


def _free_name(folder: Path, name: str) -> Path:
    """`name`, or with a number when a broken one of that name is still in use."""
    candidate, number = folder / name, 1
    while candidate.exists():
        number += 1
        candidate = folder / f"{name}-{number}"
    return candidate


def _switch(folder: Path, name: str) -> None:
    link = folder / f".current.{os.getpid()}.part"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.replace(folder / "current")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _retire(root: Path, folder: Path, kept: str) -> None:
    """Remove older environments, unless a job runs that may still be using one: then the next build does."""
    with suppress(Refused), slots_held(root):
        for path in folder.iterdir():
            if path.name not in {kept, "current", _LOCK}:
                shutil.rmtree(path, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what a build left that was cut off. Nobody else builds now."""
    for path in folder.glob(".*.part"):
        if path.is_symlink() or path.is_file():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                "LeaseLostError", "somebody else is provisioning the device", "wait until they are done"
            ) from None
        yield


@contextmanager
def slots_held(root: Path) -> Iterator[None]:
    """Every slot of the device is ours, so that no job runs or begins meanwhile; Refused when one does."""
    locks = []
    try:
        for path in sorted((root / "slots").glob("*.lock")):
            lock = path.open("ab")
            locks.append(lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("LeaseLostError", f"a job runs on slot {path.stem}", "wait until it has ended") from None
        yield
    finally:
        for lock in locks:
            lock.close()
