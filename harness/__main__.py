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
        from harness.cli.streams import give_up  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(_NO_VERDICT)
    except Exception:  # noqa: BLE001 Python's own exit code for this is 1, which would say: a regression
        traceback.print_exc()
        sys.exit(_HARNESS_BUG)
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            give_up(stream)  # or Python tries once more while it ends, and exits with a code of its own
    sys.exit(code)


if __name__ == "__main__":
    script()
