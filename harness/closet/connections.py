"""Keeps the devices of a run connected: the first time, after a loss, and later than the others.

A short failure of everything, a switch that restarts, is no reason to end a run: also a device that was not there yet
is waited for a little.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from harness.closet.clocks import Clocks
from harness.closet.deadline import Deadline
from harness.closet.events import DeviceDown, DeviceUp, Event
from harness.closet.health import judge_vitals, unhealthy
from harness.closet.session import DeviceSession, open_session
from harness.closet.transport import KeyRefusedError
from harness.closet.work import DeviceConnected, DeviceFacts, DeviceLost, PoolEvent
from harness.config.upkeep import Limits
from harness.domain import Device
from harness.errors import ClosetError, HostKeyError, from_description

# A device that was not there at first has a second and a third go; within a time, as each may take long itself.
_FIRST_PAUSES_S = (1.0, 5.0)
_FIRST_PATIENCE_S = 17.0
# After a loss what only that device can do waits for it through the first of these; then, and for a device that never
# came, it is tried again as long as the others are busy, and nothing waits.
_RETURN_PAUSES_S = (1.0, 5.0, 15.0)
_LATER_PAUSES_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_SWEEP_S = 8.0


class Connections:
    """The sessions by device name. `tell` hears of every device that comes and goes."""

    def __init__(
        self,
        devices: Sequence[Device],
        tell: Callable[[Event | PoolEvent | BaseException], None],
        proved: Callable[[Device, DeviceFacts], bool],
        limits: Callable[[Device], Limits] | None,
        lost_after_s: float,
        cache_bytes: int | None,
    ) -> None:
        self._tell, self._proved, self._limits = tell, proved, limits
        self._lost_after_s, self._cache_bytes = lost_after_s, cache_bytes
        self._sessions: dict[str, DeviceSession] = {}
        self._lost: dict[str, queue.SimpleQueue[tuple[int, ClosetError | None]]] = {
            device.name: queue.SimpleQueue() for device in devices
        }
        self._allowed = {device.name: threading.Event() for device in devices}
        for allowed in self._allowed.values():
            allowed.set()
        self._woken = {device.name: threading.Event() for device in devices}
        self._withheld: frozenset[str] = frozenset()  # those that were not given out when the run ended
        self._clocks = Clocks()
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(device,), name=f"closet {device.name}", daemon=True)
            for device in devices
        ]

    def __getitem__(self, device: str) -> DeviceSession:
        """The last session of a device that was up."""
        return self._sessions[device]

    @property
    def up(self) -> tuple[str, ...]:
        """Devices that were connected in this run."""
        return tuple(self._sessions)

    def begin(self) -> None:
        """Connect to all that are given out."""
        for thread in self._threads:
            thread.start()

    def allow(self, device: str, *, given_out: bool) -> None:
        """A device that is not given out is not connected to either: somebody may be at work on it."""
        if given_out:
            self._allowed[device].set()
        else:
            self._allowed[device].clear()

    def wake(self, device: str) -> None:
        """A device that is not there is tried now, whatever pause it is in, as if it had just been lost."""
        self._allowed[device].set()
        self._woken[device].set()

    def end(self, within_s: float) -> None:
        """Close every session, which ends what runs there, and wait until that is done."""
        self._withheld = frozenset(name for name, allowed in self._allowed.items() if not allowed.is_set())
        self._ending.set()
        for name, lost in self._lost.items():
            lost.put((0, None))
            self._allowed[name].set()
            self._woken[name].set()
        deadline = Deadline.after(within_s)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(deadline.left_s)

    def _guarded(self, device: Device) -> None:
        try:
            if self._keep_connected(device):
                self._sweep(device)
        except BaseException as error:  # noqa: BLE001 raised in the caller's thread
            self._tell(error)

    def _keep_connected(self, device: Device) -> bool:
        """Until the run is over; whether it was lost with something of ours on it.

        A device that is given up is not tried again, unless it is woken.
        """
        soon, later = iter(_FIRST_PAUSES_S), iter(_LATER_PAUSES_S)
        first: Deadline | None = None
        told = False  # of a loss once, not each time that it is still lost
        owes = False
        for attempt in itertools.count(1):
            self._allowed[device.name].wait()
            if self._ending.is_set():
                return owes
            if attempt == 1:
                first = Deadline.after(_FIRST_PATIENCE_S)
            session: DeviceSession | None = None
            failure: ClosetError | None
            try:
                session = self._open(device, attempt)
            except ClosetError as error:
                failure = error
            else:
                soon, later, first, told = iter(_RETURN_PAUSES_S), iter(_LATER_PAUSES_S), None, False
                self._woken[device.name].clear()
                failure = self._stay(device, session, attempt)
            if failure is not None:
                soon_s = None if isinstance(failure, HostKeyError | KeyRefusedError) else next(soon, None)
                if first is not None and soon_s is not None and soon_s > first.left_s:
                    soon_s = None
                later_s = None if isinstance(failure, HostKeyError) or soon_s is not None else next(later, None)
                pause_s = later_s if soon_s is None else soon_s
                if not told:
                    self._tell(DeviceLost(device.name, failure.describe(), returns=pause_s is not None))
                    told = True
                self._tell(DeviceDown(device.name, failure.describe(), returns=soon_s is not None))
            if session is not None:
                session.declared_down.set()
                owes = owes or (failure is not None and session.uncleaned)
                session.close()
            if failure is None:
                return owes
            if self._woken[device.name].wait(pause_s):
                self._woken[device.name].clear()
                soon, later, first = iter(_RETURN_PAUSES_S), iter(_LATER_PAUSES_S), None
        return owes

    def _stay(self, device: Device, session: DeviceSession, attempt: int) -> ClosetError | None:
        """Until the device is lost; None when the run is over."""
        facts = session.facts
        self._sessions[device.name] = session
        self._tell(DeviceConnected(device.name, facts))
        self._tell(DeviceUp(device.name, facts.epochs, facts.blobs, self._proved(device, facts)))
        while True:
            number, failure = self._lost[device.name].get()
            if failure is None or number == attempt:  # not one of an earlier session
                return failure

    def _sweep(self, device: Device) -> None:
        """One last visit to a device that was lost at work: a new agent ends and removes what another one left."""
        if device.name not in self._withheld:
            with suppress(ClosetError):  # it is not there: whoever comes next does it
                open_session(device, on_lost=lambda _: None, cache_bytes=self._cache_bytes, within_s=_SWEEP_S).close()

    def _open(self, device: Device, attempt: int) -> DeviceSession:
        """A session with a device that keeps its limits."""
        session = open_session(
            device,
            on_lost=lambda error: self._lost[device.name].put((attempt, error)),
            lost_after_s=self._lost_after_s,
            cache_bytes=self._cache_bytes,
        )
        if self._limits is not None:
            try:
                vitals = session.check()
                kept = self._clocks.judge(device.name, vitals, judge_vitals(vitals, self._limits(device)))
                broken = unhealthy(kept, device.name)
                if broken is not None:
                    raise from_description(broken)
            except BaseException:
                session.close()
                raise
        return session
