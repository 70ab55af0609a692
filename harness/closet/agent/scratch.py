"""What jobs make in /dev/shm and /tmp: told from anybody else's by how it is named, and by whom it belongs to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PLACES = ("dev/shm", "tmp")
_MOST_REMOVED = 1000  # at a time, so that no job is held up for long


def clear_scratch(prefix: str, lives: Callable[[str], bool] = lambda _rest: False, system: Path = Path("/")) -> int:
    """Remove what is ours and begins with `prefix`, unless it `lives` (told by the rest of its name); how many."""
    removed = 0
    for place in _PLACES:
        with suppress(OSError), os.scandir(system / place) as entries:
            for entry in entries:
                if removed >= _MOST_REMOVED or not entry.name.startswith(prefix):
                    continue
                with suppress(OSError):
                    mine = entry.stat(follow_symlinks=False).st_uid == os.getuid()
                    if mine and not lives(entry.name.removeprefix(prefix)):
                        _remove(Path(entry.path))
                        removed += 1
    return removed


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(path)
