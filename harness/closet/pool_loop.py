"""The thread of a run's pool: one event in, the scheduler's instructions out, carried out by other threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

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
from harness.closet.threads import Threads
from harness.closet.tries import Judge, Tries
from harness.closet.upkeep import Upkeep
from harness.closet.work import HealthChanged, JobStarted, PoolEvent, Work, WorkOutcome
from harness.domain import Device
from harness.errors import ClosetError
from harness.verdict import NOT_RUN

_TICK_S = 0.25
_END_S = 30.0

Heard: TypeAlias = Event | PoolEvent | BaseException
"""What the loop is told: by its caller, by the shelf, by the threads that work on devices. An error ends it."""

Said: TypeAlias = PoolEvent | WorkOutcome | BaseException
"""What the loop tells the thread that gave it works: at last, where there is one, the error that ended it."""


class PoolLoop:
    """Everything of a run that is one thread's alone. It goes on until `end`, whether or not anything is to be done.

    When `stop` is set what runs is killed, and works that have not ended are told as not run.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        leasing: Callable[[Callable[[Event | ClosetError], None]], Leasing],
        blob_path: Callable[[str], Path],
        destination: Path,
        say: Callable[[Said], None],
        stop: threading.Event,
        upkeep: Upkeep,
        max_attempts: int,
        lost_after_s: float,
        cache_bytes: int | None,
        judge: Judge,
    ) -> None:
        self._devices = {device.name: device for device in devices}
        self._blob_path, self._say, self._stop, self._upkeep = blob_path, say, stop, upkeep
        self._inbox: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._works: dict[str, Work] = {}
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
        self._thread = threading.Thread(target=self._loop, name="closet loop", daemon=True)

    def begin(self) -> None:
        """From here on events are handled."""
        self._thread.start()

    def tell(self, event: Event) -> None:
        """An event from outside, at any time and from any thread."""
        self._inbox.put(event)

    def end(self) -> None:
        """Kills what runs, gives back what is leased, and waits for both."""
        self._closed.set()
        self._inbox.put(Tick())
        self._thread.join()

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
            self._say(error)
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
                self._say(news)
        try:
            message = self._inbox.get(timeout=_TICK_S)
        except queue.Empty:
            message = Tick()
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, PoolEvent):
            self._say(message)
            if isinstance(message, JobStarted):
                self._handle(WorkRuns(message.device, message.slot, message.epoch))
        else:
            self._handle(message)

    def _handle(self, event: Event) -> None:
        if isinstance(event, HealthSeen):
            self._connections.allow(event.device, given_out=event.given_out)
        if isinstance(event, Submit):
            self._works |= {work.id: work for work in event.works}
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
                    self._say(HealthChanged(instruction.device, instruction.state, instruction.reason))
                case Recover(device, reason):
                    self._hooks.spawn(self._recover, self._devices[device], reason)
                case Reconnect(device):
                    self._connections.wake(device)
                case Finish(work_id, error, attempts):
                    files = self._tries.finish(instruction, self._works.pop(work_id))
                    self._say(WorkOutcome(work_id, files, error, attempts))
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
