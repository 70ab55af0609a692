"""What a killed program left half done in the store and in runs, once nobody can be at work on it any more."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

_OLD_S = 3600.0
# The names that `harness.files` and `harness.store.blobs` make: eight random characters of `tempfile`.
_HALF = re.compile(r"\.(?:.+\.[a-z0-9_]{8}\.part|link\.[a-z0-9_]{8})")


def sweep_halves(folder: Path, now_s: float) -> int:
    """Remove temporary files and folders of ours below `folder` that are older than an hour; how many that were.

    `now_s` is Unix time. Nothing else is touched, and no link is followed.
    """
    swept = 0
    for path in _halves(folder):
        try:
            state = path.lstat()
            if now_s - state.st_mtime < _OLD_S:
                continue
            if stat.S_ISDIR(state.st_mode):
                shutil.rmtree(path)
            elif stat.S_ISREG(state.st_mode):
                path.unlink()
            else:
                continue
        except OSError:
            continue  # somebody else was faster, or it is not ours to remove
        swept += 1
    return swept


def _halves(folder: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(folder):
        yield from (Path(at, name) for name in (*folders, *files) if _HALF.fullmatch(name))
        folders[:] = [name for name in folders if not _HALF.fullmatch(name)]
