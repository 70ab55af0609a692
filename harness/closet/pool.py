"""Runs works on devices: threads that carry out what the scheduler instructs, and tell it what came of it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from harness.closet.channel import LOST_AFTER_S
from harness.closet.connections import Connections
from harness.closet.deadline import Deadline
from harness.closet.events import (
    Ask,
    CanaryDue,
    DeviceDown,
    Event,
    Finish,
    GiveBack,
    HealthSeen,
    Kill,
    Reconnect,
    Recover,
    Recovered,
    SetHealth,
    StageAhead,
    Start,
    Stop,
    Submit,
    Suspicion,
    Tick,
    WorkRuns,
)
from harness.closet.leasing import Leasing
from harness.closet.proofs import Proofs
from harness.closet.scheduler import Scheduler
from harness.closet.scheduler_errors import refuse_impossible, refuse_twice
from harness.closet.threads import Threads
from harness.closet.tries import Judge, Tries
from harness.closet.upkeep import Upkeep
from harness.closet.work import HealthChanged, JobStarted, PoolEvent, Work, WorkOutcome
from harness.domain import Device, Priority
from harness.errors import ClosetError, ConfigError
from harness.shelf import Shelf
from harness.verdict import NOT_RUN

_TICK_S = 0.25
_END_S = 30.0

_NO_UPKEEP = Upkeep()


def _nothing_wrong(_work: Work, _device: str, _files: Mapping[str, Path]) -> None:
    return None


class Pool:
    """Devices at work for one run. Made by `open_pool`; a context manager around the run."""

    def __init__(
        self,
        devices: Sequence[Device],
        leasing: Callable[[Callable[[Event | ClosetError], None]], Leasing],
        blob_path: Callable[[str], Path],
        destination: Path,
        on_event: Callable[[PoolEvent], None],
        stop: threading.Event,
        upkeep: Upkeep,
        max_attempts: int,
        lost_after_s: float,
        cache_bytes: int | None,
        judge: Judge,
    ) -> None:
        refuse_twice("device", [device.name for device in devices])
        self._devices = {device.name: device for device in devices}
        self._blob_path, self._on_event, self._stop, self._upkeep = blob_path, on_event, stop, upkeep
        self._inbox: queue.SimpleQueue[Event | PoolEvent | BaseException] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[PoolEvent | WorkOutcome | BaseException] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._works: dict[str, Work] = {}
        self._unfinished = 0
        self._threads, self._hooks = Threads(self._inbox.put), Threads(self._inbox.put)
        self._began_s = self._look_s = time.monotonic()
        self._leasing = leasing(self._inbox.put)
        self._tries = Tries(
            began_s=self._began_s,
            blob_path=blob_path,
            destination=destination,
            upkeep=upkeep,
            judge=judge,
            leasing=self._leasing,
            threads=self._threads,
            tell=self._inbox.put,
            loss_known_s=lost_after_s + _TICK_S,
        )
        self._scheduler = Scheduler(
            devices,
            canaries={device.name: upkeep.canaries[device.kind].work for device in devices if upkeep.proves(device)},
            recoverable=frozenset(upkeep.recoveries),
            quarantined=self._leasing.taken_over,
            uses=self._leasing.uses,
            max_attempts=max_attempts,
        )
        self._proofs = Proofs(devices, upkeep, self._leasing.health)
        self._connections = Connections(
            devices, self._inbox.put, self._proofs.proved, upkeep.limits, lost_after_s, cache_bytes
        )
        for device in devices:
            health = self._leasing.health(device.name)
            if health is not None and not health.given_out:
                self._connections.allow(device.name, given_out=False)
        self._loop_thread = threading.Thread(target=self._loop, name="closet loop", daemon=True)

    def __enter__(self) -> Pool:
        self._loop_thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._inbox.put(Tick())
        self._loop_thread.join()

    def submit(self, works: Sequence[Work]) -> None:
        """More works, at any time. ConfigError when one of them can run on no device, or is there already."""
        refuse_impossible(works, tuple(self._devices.values()))
        if twice := [work.id for work in works if work.id in self._works]:
            raise ConfigError(f"work {twice[0]} is there twice", where="devices", remedy="give each its own name")
        self._works |= {work.id: work for work in works}
        self._unfinished += len(works)
        self._inbox.put(Submit(tuple(works)))

    def suspect(self, device: str, reason: str) -> None:
        """The device runs its canary before its next job."""
        self._inbox.put(Suspicion(device, reason))

    def outcomes(self) -> Iterator[WorkOutcome]:
        """Each work that ends, until none is unfinished; the devices go on while the caller is busy with an outcome.

        Events are told in the caller's thread.
        """
        while self._unfinished:
            said = self._said.get()
            if isinstance(said, BaseException):
                raise said
            if isinstance(said, WorkOutcome):
                self._unfinished -= 1
                del self._works[said.work_id]
                yield said
            else:
                self._on_event(said)

    def _loop(self) -> None:
        """One event in, its instructions out."""
        stop_deadline: Deadline | None = None
        try:
            self._connections.begin()
            self._handle(Tick())
            while not self._closed.is_set():
                if self._stop.is_set() and stop_deadline is None:
                    stop_deadline = Deadline.after(_END_S)
                    self._handle(Stop())
                elif stop_deadline is not None and stop_deadline.passed and not self._scheduler.finished:
                    for device in self._devices:
                        self._handle(DeviceDown(device, NOT_RUN))
                else:
                    self._next()
            self._note_doubts()
        except BaseException as error:  # noqa: BLE001 raised in the caller's thread
            self._said.put(error)
        finally:
            self._end()

    def _note_doubts(self) -> None:
        """What the caller said of a device just before it left: the run is over, but the next one is to know."""
        with suppress(queue.Empty):
            while True:
                message = self._inbox.get_nowait()
                if isinstance(message, Suspicion):
                    for told in self._scheduler.handle(message, time.monotonic() - self._began_s):
                        if isinstance(told, SetHealth):
                            self._leasing.set_health(told)

    def _next(self) -> None:
        if time.monotonic() >= self._look_s:  # also when devices say so much that the inbox is never empty
            self._look_s = time.monotonic() + _TICK_S
            for lost in self._leasing.overdue():
                self._handle(lost)
            for name in self._proofs.outlived(self._connections.up):
                self._handle(CanaryDue(name))
            if (news := self._leasing.news()) is not None:
                self._said.put(news)
        try:
            message = self._inbox.get(timeout=_TICK_S)
        except queue.Empty:
            message = Tick()
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, PoolEvent):
            self._said.put(message)
            if isinstance(message, JobStarted):
                self._handle(WorkRuns(message.device, message.slot, message.epoch))
        else:
            self._handle(message)

    def _handle(self, event: Event) -> None:
        if isinstance(event, HealthSeen):
            self._connections.allow(event.device, given_out=event.given_out)
        for instruction in self._scheduler.handle(event, time.monotonic() - self._began_s):
            match instruction:
                case Ask():
                    self._leasing.ask(instruction)
                case GiveBack():
                    self._leasing.give_back(instruction)
                case Start(_, device):
                    self._tries.start(instruction, self._connections[device])
                case StageAhead(work, device):
                    self._threads.spawn(self._connections[device].stage_ahead, work, self._blob_path, self._inbox.put)
                case Kill(device, slot):
                    self._tries.kill(self._connections[device], slot)
                case SetHealth():
                    self._leasing.set_health(instruction)
                    self._said.put(HealthChanged(instruction.device, instruction.state, instruction.reason))
                case Recover(device, reason):
                    self._hooks.spawn(self._recover, self._devices[device], reason)
                case Reconnect(device):
                    self._connections.wake(device)
                case Finish(work_id, error, attempts):
                    files = self._tries.finish(instruction, self._works[work_id])
                    self._said.put(WorkOutcome(work_id, files, error, attempts))
        self._leasing.want(self._scheduler.wants())

    def _recover(self, device: Device, reason: str) -> None:
        try:
            error = self._upkeep.recoveries[device.name](device, reason)
        except ClosetError as failure:
            error = failure.describe()
        self._inbox.put(Recovered(device.name, error))

    def _end(self) -> None:
        """Nothing of ours is left on any device, or at least its agent has no connection any more.

        A recovery command that runs is waited for to its own deadline, which may be minutes: to end a power switch half
        way, or to leave it to nobody, could leave the device off. Whoever cannot wait sets `stop`, which ends it.
        """
        self._upkeep.over.set()
        self._tries.cancel()
        self._connections.end(_END_S)
        self._threads.join(Deadline.after(_END_S))
        self._leasing.close()
        self._hooks.join()


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
    recoverable = frozenset(
        device.name for device in devices if device.name in upkeep.recoveries and upkeep.proves(device)
    )

    def leasing(tell: Callable[[Event | ClosetError], None]) -> Leasing:
        return Leasing(shelf, devices, run=run, suite=suite, priority=priority, tell=tell, recoverable=recoverable)

    return Pool(
        devices,
        leasing,
        blob_path,
        destination,
        on_event,
        stop,
        upkeep,
        max_attempts,
        lost_after_s,
        cache_bytes,
        judge,
    )
