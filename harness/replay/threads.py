"""Pipelines of iterators: where a thread border is wanted, and nowhere else, an iterator is run ahead.

Order is kept, queues are bounded, an error raised on the far side is raised on this side, and closing the outermost
iterator ends every thread. With one thread all of it happens in the caller, in the same order: same results.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

_POLL_S = 0.2


class _End(Generic[T]):
    """What the far side puts last: the error it ended with, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def run_ahead(source: Iterator[T], depth: int, name: str) -> Generator[T, None, None]:
    """The items of `source`, made by a thread of its own that is at most `depth` items ahead."""
    items: queue.Queue[T | _End[T]] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    # A daemon: a process that is told to end does not wait for pictures nobody will look at.
    thread = threading.Thread(target=_produce, args=(source, items, stop), name=name, daemon=True)
    thread.start()
    try:
        while True:
            item = items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            _drain(items)
            thread.join(timeout=_POLL_S / 20)


def _produce(source: Iterator[T], items: queue.Queue[T | _End[T]], stop: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in source:
            if not _put(items, item, stop):
                break
        close = getattr(source, "close", None)
        if close is not None:
            close()
    except BaseException as caught:  # noqa: BLE001 - carried to the other side, whatever it is
        error = caught
    _put(items, _End(error), stop)


def _put(items: queue.Queue[T | _End[T]], item: T | _End[T], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            items.put(item, timeout=_POLL_S)
        except queue.Full:
            continue
        # What was put while the other side was leaving is not worth a successor.
        return not stop.is_set()
    return False


def _drain(items: queue.Queue[T | _End[T]]) -> None:
    try:
        while True:
            items.get_nowait()
    except queue.Empty:
        return


def map_ordered(
    call: Callable[[T], U], source: Iterator[T], pool: Executor | None, depth: int
) -> Generator[U, None, None]:
    """`call` of every item, in order; with a pool up to `depth` calls are under way at once."""
    if pool is None:
        yield from map(call, source)
        return
    pending: deque[Future[U]] = deque()
    try:
        for item in source:
            pending.append(pool.submit(call, item))
            if len(pending) > depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
