"""Text that every reader takes: no character XML forbids, and never more than readers accept."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT_LIMIT = 20_000  # characters of one text: enough for twenty findings and a traceback
FILE_LIMIT = 20_000_000  # bytes of long texts in a file; GitLab refuses files of 30 MB

# What XML 1.0 cannot carry, not even escaped. Carriage returns are read back as newlines, so they go as well.
_FORBIDDEN = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def clean(text: str, limit: int) -> str:
    """`text` without terminal colours and forbidden characters, cut in the middle to `limit` characters."""
    text = _FORBIDDEN.sub("", _ESCAPE.sub("", text))
    if len(text) <= limit:
        return text
    mark = f" … {len(text) - limit} characters cut … "
    head = max((limit - len(mark)) * 2 // 3, 0)
    tail = max(limit - len(mark) - head, 0)
    return (text[:head] + mark + text[len(text) - tail :])[:limit]


@dataclass(slots=True)
class Budget:
    """How many bytes of long text may still go into a file."""

    left_bytes: int = FILE_LIMIT

    def take(self, text: str) -> str:
        """`text` cleaned and cut to its own limit, or the remark that the file is full."""
        text = clean(text, TEXT_LIMIT)
        return text if self.reserve(text) else "left out: the report is full; the run folder has it"

    def reserve(self, text: str) -> bool:
        """Whether there is still room for `text` as it is; takes the room if so."""
        # Escaping makes `<` four bytes and `"` six; counting what is written keeps the promise.
        size = len(text.encode()) + 5 * sum(text.count(character) for character in '&<>"')
        if size > self.left_bytes:
            return False
        self.left_bytes -= size
        return True
