"""Reads logs for the index in a process of its own: one path a line comes in, one row a line goes out, as JSON.

Whatever a broken log does, it does it here: an error is an answer, and a crash is seen by who started this.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from harness.errors import ClosetError
from harness.recording.corpus_rows import load_row


def answer(path: Path) -> dict[str, object]:
    """The row of the log at `path`, or why there is none."""
    try:
        row = load_row(path)
    except ClosetError as error:
        return {"error": error.problem}
    except Exception as error:  # noqa: BLE001 an index goes on whatever is in a log
        return {"error": f"cannot be indexed: {type(error).__name__}: {error}"}
    return {"values": dict(row.values), "disablings": [asdict(entry) for entry in row.disablings]}


def main() -> None:
    """Answer every line until there are no more."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(Path(json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
