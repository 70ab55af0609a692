"""Runs works on devices: threads that carry out what the scheduler instructs, and tell it what came of it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.closet.channel import LOST_AFTER_S
from harness.closet.deadline import Deadline
from harness.closet.events import (
    DeviceDown,
    DeviceUp,
    Event,
    Finish,
    Kill,
    StageAhead,
    Start,
    Stop,
    Tick,
    WorkDone,
    WorkFailed,
)
from harness.closet.scheduler import Scheduler
from harness.closet.session import DeviceSession, Lease, open_session
from harness.closet.work import DeviceConnected, DeviceLost, JobFinished, PoolEvent, Work, WorkOutcome
from harness.domain import Device
from harness.errors import ClosetError, HostKeyError, UnreachableError
from harness.verdict import NOT_RUN

_TICK_S = 0.25
_RETURN_PAUSES_S = (1.0, 5.0, 15.0)
_END_S = 30.0


def run_work(
    works: Sequence[Work],
    devices: Sequence[Device],
    *,
    blob_path: Callable[[str], Path],
    destination: Path,
    on_event: Callable[[PoolEvent], None],
    stop: threading.Event,
    max_attempts: int = 2,
    lost_after_s: float = LOST_AFTER_S,
    cache_bytes: int | None = None,
) -> Iterator[WorkOutcome]:
    """Run every work and yield its outcome as soon as it ends, each exactly once.

    `blob_path` says where the bytes of a digest lie here (it is called from several threads); results go below
    `destination/<work id>/`. `on_event` is called in the caller's thread. When `stop` is set the remote jobs are killed
    and what has not ended is reported as not run; giving up the iteration kills them too. ConfigError, before anything
    is connected, when a work can run on no device.
    """
    scheduler = Scheduler(works, devices, max_attempts)
    pool = _Pool(scheduler, devices, blob_path, destination, on_event, lost_after_s, cache_bytes)
    return pool.outcomes(stop)


class _Pool:
    def __init__(
        self,
        scheduler: Scheduler,
        devices: Sequence[Device],
        blob_path: Callable[[str], Path],
        destination: Path,
        on_event: Callable[[PoolEvent], None],
        lost_after_s: float,
        cache_bytes: int | None,
    ) -> None:
        self._scheduler, self._devices, self._blob_path, self._destination = scheduler, devices, blob_path, destination
        self._on_event, self._lost_after_s, self._cache_bytes = on_event, lost_after_s, cache_bytes
        self._inbox: queue.SimpleQueue[Event | PoolEvent | BaseException] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[PoolEvent | WorkOutcome | BaseException | None] = queue.SimpleQueue()
        self._abandoned = threading.Event()
        self._sessions: dict[str, DeviceSession] = {}
        self._leases: dict[tuple[str, int], Lease] = {}
        self._files: dict[tuple[str, str, int], Mapping[str, Path]] = {}
        self._lost: dict[str, queue.SimpleQueue[ClosetError | None]] = {
            device.name: queue.SimpleQueue() for device in devices
        }
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._began = time.monotonic()

    def outcomes(self, stop: threading.Event) -> Iterator[WorkOutcome]:
        """What the loop says, in the caller's thread; the devices go on while the caller is busy with an outcome."""
        loop = threading.Thread(target=self._loop, args=(stop,), name="closet loop", daemon=True)
        loop.start()
        try:
            while (said := self._said.get()) is not None:
                if isinstance(said, BaseException):
                    raise said
                if isinstance(said, WorkOutcome):
                    yield said
                else:
                    self._on_event(said)
        finally:
            self._abandoned.set()
            self._inbox.put(Tick())
            loop.join()

    def _loop(self, stop: threading.Event) -> None:
        """One event in, its instructions out."""
        stop_deadline: Deadline | None = None
        try:
            for device in self._devices:
                self._spawn(self._keep_connected, device)
            self._handle(Tick())
            while not self._scheduler.finished and not self._abandoned.is_set():
                if stop.is_set() and stop_deadline is None:
                    stop_deadline = Deadline.after(_END_S)
                    self._handle(Stop())
                elif stop_deadline is not None and stop_deadline.passed:
                    for device in self._devices:
                        self._handle(DeviceDown(device.name, NOT_RUN))
                else:
                    self._next()
        except BaseException as error:  # noqa: BLE001 raised in the caller's thread
            self._said.put(error)
        finally:
            self._end()
            self._said.put(None)

    def _next(self) -> None:
        try:
            message = self._inbox.get(timeout=_TICK_S)
        except queue.Empty:
            message = Tick()
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, PoolEvent):
            self._said.put(message)
        else:
            self._handle(message)

    def _handle(self, event: Event) -> None:
        for instruction in self._scheduler.handle(event, time.monotonic() - self._began):
            match instruction:
                case Start():
                    self._start(instruction)
                case StageAhead(work, device):
                    self._spawn(self._sessions[device].stage_ahead, work, self._blob_path, self._inbox.put)
                case Kill():
                    self._kill(instruction)
                case Finish():
                    self._said.put(self._outcome(instruction))

    def _outcome(self, finish: Finish) -> WorkOutcome:
        files: Mapping[str, Path] = {}
        if finish.error is None:
            last = finish.attempts[-1]
            files = self._files[finish.work_id, last.device, last.epoch]
        return WorkOutcome(finish.work_id, files, finish.error, finish.attempts)

    def _start(self, start: Start) -> None:
        hard_end = Deadline(self._began + start.hard_end_s)
        lease = Lease(start.work, start.slot, start.epoch, hard_end, threading.Event())
        self._leases[start.device, start.slot] = lease
        self._spawn(self._run, self._sessions[start.device], lease)

    def _kill(self, kill: Kill) -> None:
        lease = self._leases[kill.device, kill.slot]
        lease.cancelled.set()
        self._spawn(self._sessions[kill.device].kill, lease)

    def _run(self, session: DeviceSession, lease: Lease) -> None:
        device, work = session.device.name, lease.work
        folder = self._destination / work.id / f"{device}-{lease.epoch}"
        tried = session.run(lease, self._blob_path, folder, self._inbox.put)
        self._inbox.put(JobFinished(work.id, device, tried.error))
        if tried.error is None:
            self._files[work.id, device, lease.epoch] = tried.files
            self._inbox.put(WorkDone(device, lease.slot, lease.epoch, tried.measurements, tried.log_tail))
            return
        if tried.error.kind == UnreachableError.__name__:
            # So that the scheduler hears of the lost device first, and does not give it the same work again.
            session.declared_down.wait(self._lost_after_s + _TICK_S)
        self._inbox.put(WorkFailed(device, lease.slot, lease.epoch, tried.error, tried.measurements, tried.log_tail))

    def _keep_connected(self, device: Device) -> None:
        """Connect; after a loss try again a few times, after a first failure not: a run is not held up by it."""
        lost = self._lost[device.name]
        pauses: Iterator[float] = iter(())
        while not self._ending.is_set():
            session: DeviceSession | None = None
            try:
                session = open_session(
                    device, on_lost=lost.put, lost_after_s=self._lost_after_s, cache_bytes=self._cache_bytes
                )
            except ClosetError as error:
                failure: ClosetError | None = error
            else:
                pauses = iter(_RETURN_PAUSES_S)
                self._sessions[device.name] = session
                self._inbox.put(DeviceConnected(device.name, session.facts))
                self._inbox.put(DeviceUp(device.name, session.facts.epochs, session.facts.blobs))
                failure = lost.get()
            if failure is not None:
                pause_s = None if isinstance(failure, HostKeyError) else next(pauses, None)
                self._inbox.put(DeviceLost(device.name, failure.describe(), returns=pause_s is not None))
                self._inbox.put(DeviceDown(device.name, failure.describe(), returns=pause_s is not None))
            if session is not None:
                session.declared_down.set()
                session.close()
            if failure is None or pause_s is None or self._ending.wait(pause_s):
                return

    def _end(self) -> None:
        """Nothing of ours is left on any device, or at least its agent has no connection any more."""
        self._ending.set()
        for lease in self._leases.values():
            lease.cancelled.set()
        for lost in self._lost.values():
            lost.put(None)
        deadline = Deadline.after(_END_S)
        for thread in self._threads:
            thread.join(deadline.left_s)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        def guarded() -> None:
            try:
                target(*arguments)
            except ClosetError:
                return  # a device that went away meanwhile: its loss is reported on its own
            except BaseException as error:  # noqa: BLE001 raised in the caller's thread
                self._inbox.put(error)

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=guarded, name=f"closet {target.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()
