"""The threads of a run: what one of them raises is told to its loop, and all of them are waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from harness.closet.deadline import Deadline
from harness.errors import ClosetError


class Threads:
    """Made with what is told an error that no thread should raise. Used from one thread."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._alive: list[threading.Thread] = []

    def spawn(self, target: Callable[..., None], *arguments: object) -> None:
        """Call it in a thread of its own."""

        def guarded() -> None:
            try:
                target(*arguments)
            except ClosetError:
                return  # a device that went away meanwhile: its loss is reported on its own
            except BaseException as error:  # noqa: BLE001 raised where the run is waited for
                self._failed(error)

        self._alive = [thread for thread in self._alive if thread.is_alive()]
        thread = threading.Thread(target=guarded, name=f"closet {target.__name__}", daemon=True)
        self._alive.append(thread)
        thread.start()

    def join(self, deadline: Deadline | None = None) -> None:
        """Wait until all have ended, or the deadline has passed."""
        for thread in self._alive:
            thread.join(None if deadline is None else deadline.left_s)
