"""The wheels that one Python on one machine needs, fetched here, kept, and checked by digest whenever they are used."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.closet.provision.requirements import Requirement, load_requirements
from harness.closet.provision.target import Target
from harness.domain import Blob
from harness.errors import ConfigError, DataError
from harness.files import file_sha256, write_text
from harness.redaction import known_secrets, redact

_FETCH_S = 1800.0
_MANIFEST = "manifest.json"
_SAVED = re.compile(r"^Saved (?:.*/)?([^/]+\.whl)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel file here."""

    path: Path
    blob: Blob
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """Everything an environment is made of. `key` is the digest of the packages and of the Python they are for."""

    key: str
    wheels: tuple[Wheel, ...]
    imports: tuple[str, ...]

    @property
    def unpacked_bytes(self) -> int:
        """What they take on the device's disk, unpacked."""
        return sum(wheel.unpacked_bytes for wheel in self.wheels)


def open_wheelhouse(
    shelf: Path,
    lock: Path,
    target: Target,
    *,
    source: Path | None = None,
    offline: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> Wheelhouse:
    """The wheelhouse for `target` below `shelf`: the one that is there if it is whole, else collected anew.

    Wheels come from the folder `source` if it is given, else from wherever pip is configured to look, unless `offline`.
    ConfigError when they cannot be had.
    """
    requirements = load_requirements(lock)
    key = hashlib.sha256(f"{target}\0".encode() + lock.read_bytes()).hexdigest()
    folder = shelf / key[:16]
    imports = tuple(requirement.module for requirement in requirements)
    if (wheels := _load(folder, requirements)) is not None:
        return Wheelhouse(key, wheels, imports)
    if offline and source is None:
        raise ConfigError(
            f"no wheels for {target} are kept here",
            where=str(folder),
            remedy="name a folder that has them with --wheelhouse, or leave --force-offline out",
        )
    say(f"collecting {len(requirements)} packages for {target}")
    shelf.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{key[:16]}.", suffix=".part", dir=shelf))
    try:
        _collect(temporary, lock, target, source, say)
        names = {path.name: file_sha256(path) for path in sorted(temporary.glob("*.whl"))}
        write_text(temporary / _MANIFEST, json.dumps(names, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # somebody else was faster
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    wheels = _load(folder, requirements)
    if wheels is None:
        raise DataError("the wheels that were collected are not whole", where=str(folder), remedy="do it again")
    return Wheelhouse(key, wheels, imports)


def _load(folder: Path, requirements: Sequence[Requirement]) -> tuple[Wheel, ...] | None:
    """What is there, one wheel a package, each with a digest that the list allows; None when anything is amiss."""
    try:
        names = json.loads((folder / _MANIFEST).read_text())
        wheels = []
        for name, digest in sorted(names.items()):
            path = folder / name
            if path.parent != folder or file_sha256(path) != digest:
                return None
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(info.file_size for info in archive.infolist())
            wheels.append(Wheel(path, Blob(digest, path.stat().st_size), unpacked))
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile):
        return None
    digests = {wheel.blob.sha256 for wheel in wheels}
    found = [requirement for requirement in requirements if len(requirement.digests & digests) == 1]
    return tuple(wheels) if len(found) == len(requirements) == len(wheels) else None


def _collect(folder: Path, lock: Path, target: Target, source: Path | None, say: Callable[[str], None]) -> None:
    """Let pip choose and fetch, by digest: it knows the tags of wheels, the user's index and their proxy."""
    command = [sys.executable, "-m", "pip"]
    command += ["--isolated"] if source is not None else []
    command += ["download", "--dest", str(folder), "--requirement", str(lock), "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--progress-bar", "off", "--no-input", "--disable-pip-version-check"]
    command += ["--implementation", "cp", "--python-version", ".".join(map(str, target.python)), "--abi", target.tag]
    for platform in target.platforms:
        command += ["--platform", platform]
    if source is not None:
        if not source.is_dir():
            raise ConfigError("no such folder", where=str(source), remedy="name a folder of wheels")
        command += ["--no-index", "--find-links", str(source.absolute())]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            timeout=_FETCH_S,
            check=False,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"pip did not fetch the wheels within {_FETCH_S / 60:.0f} min",
            remedy="see whether the package index answers, or name a folder of wheels with --wheelhouse",
        ) from error
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or done.stderr.splitlines()
        problem = redact(told[-1].removeprefix("ERROR: ") if told else "no message", known_secrets())
        raise ConfigError(
            f"pip cannot fetch the wheels for {target}: {problem}",
            remedy="see `python -m pip config list`; or collect them where that works, and name them with --wheelhouse",
        )
    for name in _SAVED.findall(done.stdout):
        say(f"  {name}")
