"""What a worker needs, pinned: package names, versions and the digests that its files may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError

WORKER_LOCK = Path(__file__).with_name("worker.lock")
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})(?=\s|$)")
_LARGEST_BYTES = 4 << 20

# What is imported where its name is not the package's.
_MODULES = {
    "protobuf": "google.protobuf",
    "pycapnp": "capnp",
    "pycryptodome": "Crypto",
    "pyyaml": "yaml",
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One package, the version of it, and the digests of the files that are that version."""

    name: str
    version: str
    digests: frozenset[str]

    @property
    def module(self) -> str:
        """What to import to see whether it is there."""
        return _MODULES.get(self.name, self.name.replace("-", "_"))


def load_requirements(path: Path = WORKER_LOCK) -> tuple[Requirement, ...]:
    """The packages of a list in the form of `pip --require-hashes`; ConfigError when one is not pinned by digest."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ConfigError("larger than 4 MB", where=str(path), remedy="name a list of pinned packages")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(path), remedy="name an existing file") from error
    found: list[Requirement] = []
    for number, line in _logical_lines(text):
        pinned, digests = _PINNED.match(line), frozenset(match["digest"] for match in _HASH.finditer(line))
        if pinned is None or not digests:
            raise ConfigError(
                f"not a package pinned by digest: {line[:80]}",
                where=f"{path}:{number}",
                remedy="write name==version --hash=sha256:…",
            )
        found.append(Requirement(re.sub(r"[-_.]+", "-", pinned["name"]).lower(), pinned["version"], digests))
    if not found:
        raise ConfigError("names no package", where=str(path), remedy="name a list of pinned packages")
    return tuple(found)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their continuations, and the number each begins at; comments and empty ones are left out."""
    found: list[tuple[int, str]] = []
    parts: list[str] = []
    begin = 1
    for number, line in enumerate(text.splitlines(), 1):
        if not parts:
            begin = number
        stripped = line.partition(" #")[0].strip()
        if stripped.startswith("#"):
            stripped = ""
        parts.append(stripped.removesuffix("\\").strip())
        if not stripped.endswith("\\"):
            whole = " ".join(part for part in parts if part)
            if whole:
                found.append((begin, whole))
            parts = []
    if whole := " ".join(part for part in parts if part):
        found.append((begin, whole))
    return found
