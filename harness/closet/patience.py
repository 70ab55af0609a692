"""How long the shelf has not answered, and when to say so. Pure: seconds come from whoever asks; thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.closet.work import ShelfAnswers, ShelfSilent

PATIENCE_S = 180.0  # with a shelf that does not answer at all
TELL_AFTER_S = 5.0  # a lock that somebody holds for a moment is nobody's business
TELL_EVERY_S = 30.0


class Patience:
    """Uses of one shelf. What is not answered yet counts like what failed: a frozen server says nothing."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._asked: dict[int, float] = {}
        self._failing_since_s: float | None = None
        self._told_s: float | None = None
        self._told_since_s = 0.0

    @contextmanager
    def use(self, now_s: float) -> Iterator[None]:
        """One use that begins now; what it raises is a failure."""
        me = threading.get_ident()
        with self._lock:
            self._asked[me] = now_s
        try:
            yield
        except BaseException:
            with self._lock:
                self._failing_since_s = min(self._asked.pop(me), self._failing_since_s or now_s)
            raise
        with self._lock:
            del self._asked[me]
            self._failing_since_s = None

    def silent_s(self, now_s: float) -> float:
        """How long nothing has been answered, 0 when the last use went well and none is on its way."""
        with self._lock:
            return now_s - min(self._since(), now_s)

    def over(self, now_s: float) -> bool:
        """Whether it has lasted too long."""
        return self.silent_s(now_s) > PATIENCE_S

    def news(self, now_s: float) -> ShelfSilent | ShelfAnswers | None:
        """What people should hear now: that it is silent, now and then for how long, and that it is no more."""
        with self._lock:
            since_s = min(self._since(), now_s)
            silent_s = now_s - since_s
            if silent_s < TELL_AFTER_S:
                if self._told_s is None or since_s < now_s:
                    return None
                self._told_s = None
                return ShelfAnswers(self._address, now_s - self._told_since_s)
            if self._told_s is not None and now_s - self._told_s < TELL_EVERY_S:
                return None
            if self._told_s is None:
                self._told_since_s = since_s
            self._told_s = now_s
            return ShelfSilent(self._address, silent_s, max(0.0, PATIENCE_S - silent_s))

    def _since(self) -> float:
        return min([*self._asked.values(), self._failing_since_s or float("inf")], default=float("inf"))
