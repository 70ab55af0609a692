"""Runs works on devices for one run: works in, outcomes out; what happens between is another thread's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from harness.closet.channel import LOST_AFTER_S
from harness.closet.events import Event, Submit, Suspicion
from harness.closet.leasing import Leasing
from harness.closet.pool_loop import PoolLoop, Said
from harness.closet.scheduler_errors import refuse_impossible, refuse_twice
from harness.closet.tries import Judge
from harness.closet.upkeep import Upkeep
from harness.closet.work import PoolEvent, Work, WorkOutcome
from harness.domain import Device, Priority
from harness.errors import ClosetError, ConfigError
from harness.shelf import Shelf

_NO_UPKEEP = Upkeep()


def _nothing_wrong(_work: Work, _device: str, _files: Mapping[str, Path]) -> None:
    return None


class Pool:
    """Devices at work for one run. Made by `open_pool`; a context manager around the run."""

    def __init__(
        self,
        devices: Sequence[Device],
        loop: PoolLoop,
        said: queue.SimpleQueue[Said],
        on_event: Callable[[PoolEvent], None],
    ) -> None:
        self._devices, self._loop, self._said, self._on_event = tuple(devices), loop, said, on_event
        self._unfinished: set[str] = set()

    def __enter__(self) -> Pool:
        self._loop.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.end()

    def submit(self, works: Sequence[Work]) -> None:
        """More works, at any time. ConfigError when one of them can run on no device, or is there already."""
        refuse_impossible(works, self._devices)
        if twice := [work.id for work in works if work.id in self._unfinished]:
            raise ConfigError(f"work {twice[0]} is there twice", where="devices", remedy="give each its own name")
        self._unfinished |= {work.id for work in works}
        self._loop.tell(Submit(tuple(works)))

    def suspect(self, device: str, reason: str) -> None:
        """The device runs its canary before its next job."""
        self._loop.tell(Suspicion(device, reason))

    def outcomes(self) -> Iterator[WorkOutcome]:
        """Each work that ends, until none is unfinished; the devices go on while the caller is busy with an outcome.

        Events are told in the caller's thread.
        """
        while self._unfinished:
            said = self._said.get()
            if isinstance(said, BaseException):
                raise said
            if isinstance(said, WorkOutcome):
                self._unfinished.remove(said.work_id)
                yield said
            else:
                self._on_event(said)


def open_pool(
    devices: Sequence[Device],
    *,
    shelf: Shelf,
    run: str,
    suite: str = "",
    priority: Priority = Priority.PROMPT,
    blob_path: Callable[[str], Path],
    destination: Path,
    on_event: Callable[[PoolEvent], None],
    stop: threading.Event,
    upkeep: Upkeep = _NO_UPKEEP,
    max_attempts: int = 3,
    lost_after_s: float = LOST_AFTER_S,
    cache_bytes: int | None = None,
    judge: Judge = _nothing_wrong,
) -> Pool:
    """A pool over `devices` for the time of a `with`; what `submit` gives it ends in `outcomes`, each work once.

    `blob_path` says where the bytes of a digest lie here (it is called from several threads); results go below
    `destination/<work id>/`. `judge` is asked, from any thread, of every try whose command ran to its end: an error
    that it finds in the files counts like one of the try. `on_event` is called in the caller's thread. When `stop` is
    set the remote jobs are killed and what has not ended is reported as not run; leaving the block kills them too, and
    gives back every slot.
    """
    refuse_twice("device", [device.name for device in devices])
    recoverable = frozenset(
        device.name for device in devices if device.name in upkeep.recoveries and upkeep.proves(device)
    )

    def leasing(tell: Callable[[Event | ClosetError], None]) -> Leasing:
        return Leasing(shelf, devices, run=run, suite=suite, priority=priority, tell=tell, recoverable=recoverable)

    said: queue.SimpleQueue[Said] = queue.SimpleQueue()
    loop = PoolLoop(
        devices,
        leasing,
        blob_path,
        destination,
        said.put,
        stop,
        upkeep,
        max_attempts,
        lost_after_s,
        cache_bytes,
        judge,
    )
    return Pool(devices, loop, said, on_event)
