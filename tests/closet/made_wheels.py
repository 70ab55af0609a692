"""Small wheels made here, and lists that pin them: nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def recorded(content: bytes) -> str:
    """A digest as a wheel's RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def make_wheel(
    folder: Path,
    name: str,
    files: Mapping[str, bytes],
    *,
    version: str = "1.0",
    tag: str = "py3-none-any",
    record: Mapping[str, str] | None = None,
) -> Path:
    """A wheel with these files; `record` replaces digests in its RECORD."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: here\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    digests = {path: recorded(data) for path, data in content.items()} | dict(record or {})
    rows = [f'"{path}",sha256={digest},' for path, digest in digests.items()]
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, data in content.items():
            archive.writestr(zipfile.ZipInfo(inner), data)
        archive.writestr(zipfile.ZipInfo(f"{about}/RECORD"), "\n".join([*rows, f"{about}/RECORD,,"]) + "\n")
    return path


def write_lock(path: Path, *wheels: Path) -> Path:
    """A list that pins these wheels by digest."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{digest}\n")
    path.write_text("".join(lines))
    return path
