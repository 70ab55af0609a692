"""The program that travels: deterministic archives of our own sources, equal bytes for equal sources."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import harness
from harness.domain import Blob

_TRAVELS = (
    "__init__.py",
    "errors.py",
    "domain",
    "files.py",
    "rebuildable.py",
    "array_header.py",
    "trace.py",
    "recording",
    "replay",
)
_AGENT = ("__init__.py", "closet/__init__.py", "closet/agent")
_MAIN = "from harness.closet.agent.main import main\nmain()\n"


def code_bundle() -> tuple[Blob, bytes]:
    """The tar of the package parts that run on a device, and its digest."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in _sources(_TRAVELS):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    content = stream.getvalue()
    return Blob(hashlib.sha256(content).hexdigest(), len(content)), content


def agent_bundle() -> bytes:
    """The agent as one zip file that a Python runs."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("__main__.py", _MAIN.encode()), *_sources(_AGENT)):
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _sources(parts: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """(path in the archive, bytes) of the named parts of the package, sorted, without caches."""
    package = Path(harness.__file__).parent
    found: set[Path] = set()
    for part in parts:
        path = package / part
        found |= {path} if path.is_file() else {inner for inner in path.rglob("*") if inner.is_file()}
    kept = sorted(path for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc")
    return [(f"harness/{path.relative_to(package).as_posix()}", path.read_bytes()) for path in kept]
