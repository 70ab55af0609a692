"""Short programs as works, for measurements that need many jobs and no replay."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from harness.closet.work import Work
from harness.domain import Blob, DeviceKind


class Works:
    """Works that run a line of Python; the blobs they need lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            entry = tarfile.TarInfo("nothing.py")
            archive.addfile(entry, io.BytesIO())
        content = stream.getvalue()
        self._code = Blob(hashlib.sha256(content).hexdigest(), len(content))
        self.blob_path(self._code.sha256).write_bytes(content)

    def blob_path(self, sha256: str) -> Path:
        """Where a blob lies."""
        return self._folder / sha256

    def work(self, name: str, program: str, *, deadline_s: float = 60.0) -> Work:
        """A work of its own for each name."""
        digest = hashlib.sha256(name.encode()).hexdigest()
        arguments = ("-S", "-c", program)
        return Work(digest, DeviceKind.EMULATED, (), (), "{}", arguments, self._code, 1.0, deadline_s)
