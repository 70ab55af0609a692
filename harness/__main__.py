"""`python -m harness` is the `closet` command.

Light on purpose: what the commands need takes its time to load, and a Ctrl-C meanwhile is no reason for a traceback.
"""

from __future__ import annotations

import os
import sys
import traceback

_NO_VERDICT, _HARNESS_BUG = 3, 4  # harness.errors.ExitCode, which is not loaded yet


def script() -> None:
    """Entry point of the installed command."""
    for descriptor in (0, 1, 2):  # a closed one must not become the next file that is opened
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    try:
        from harness.cli import main  # noqa: PLC0415 see above
    except KeyboardInterrupt:
        sys.exit(_NO_VERDICT)
    except Exception:  # noqa: BLE001 Python's own exit code for this is 1, which would say: a regression
        traceback.print_exc()
        sys.exit(_HARNESS_BUG)
    sys.exit(main())


if __name__ == "__main__":
    script()
