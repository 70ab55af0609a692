"""Ctrl-C that asks first: the command ends what it started, and says what it has; the second one ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def stopping(what: str) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM, or hang-up) sets; the second one ends the program at once.

    `what` tells the person what happens meanwhile.
    """
    stop = threading.Event()
    said = f"stopping: {what} (once more to end at once)\n".encode()

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()
        # Past the console: the signal may come while it writes, and a stream of Python cannot be entered twice.
        with suppress(OSError):
            os.write(2, said)

    heard = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else it was started with nohup
        heard.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
