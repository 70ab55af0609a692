"""What one run has to do with the shelf: slots asked for and given back, renewed, and what others say of devices.

Two threads, so that a slow or locked database holds up neither the run nor the renewal. A slot is ours for as long as
it was renewed in time by our own clock too: a run that was suspended, or cut off from the database, gives up by itself
what others may have taken over.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.closet.events import Ask, Denied, GiveBack, Granted, HealthSeen, LeaseLost, SetHealth, Start
from harness.closet.patience import Patience
from harness.closet.work import ShelfAnswers, ShelfSilent
from harness.domain import Device, Health, Lease, Priority, Want
from harness.errors import ClosetError
from harness.shelf import LOST_AFTER_S, RENEW_EVERY_S, DeviceHealth, Shelf, name_of_run

_RETRY_S = 2.0
_WANT_EVERY_S = 1.0

Told: TypeAlias = Granted | Denied | LeaseLost | HealthSeen | ClosetError


@dataclass(slots=True)
class _Held:
    lease: Lease
    renewed_s: float


class Leasing:
    """The shelf as one run uses it. `tell` gets what it says, from threads of its own; an error ends the run.

    Of the `recoverable` devices those that another run quarantined are taken over: their quarantine counts as our own.
    """

    def __init__(
        self,
        shelf: Shelf,
        devices: Sequence[Device],
        *,
        run: str,
        suite: str,
        priority: Priority,
        tell: Callable[[Told], None],
        recoverable: frozenset[str] = frozenset(),
    ) -> None:
        self._shelf, self._devices, self._run, self._tell = shelf, {entry.name: entry for entry in devices}, run, tell
        for device in devices:
            shelf.register(device)
        shelf.reconcile()
        healths = shelf.healths()
        self.uses = shelf.uses()
        self._holder = shelf.join(run, suite=suite, priority=priority)
        self._name = name_of_run(run, self._holder)
        self._seen: dict[str, DeviceHealth] = {}
        self._taken_over = {
            name: health.by for name, health in healths.items() if name in recoverable and health.quarantined_by_run
        }
        self._see(healths)
        self._held: dict[tuple[str, int], _Held] = {}
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._owed: list[Callable[[], object]] = []
        self._wants: tuple[Want, ...] = ()
        self._told_wants: tuple[Want, ...] = ()
        self._told_wants_s = 0.0
        self._patience = Patience(str(shelf.address))
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"closet {target.__name__}", daemon=True)
            for target in (self._serve, self._renew)
        ]
        for thread in self._threads:
            thread.start()

    def health(self, device: str) -> DeviceHealth | None:
        """What the shelf last said of a device."""
        return self._seen.get(device)

    @property
    def taken_over(self) -> Mapping[str, str]:
        """Why the devices are in quarantine that this run is to bring back, by name."""
        return {name: self._seen[name].reason for name in self._taken_over if name in self._seen}

    def ask(self, ask: Ask) -> None:
        """Granted or Denied follows, also when the shelf does not answer."""
        self._requests.put(lambda: self._acquire(ask))

    def start(self, start: Start) -> None:
        """What runs under a lease."""
        with self._lock:
            held = self._held.get((start.device, start.slot))
        if held is not None and held.lease.epoch == start.epoch:
            self._requests.put(lambda: self._try(lambda: self._shelf.assign(held.lease, start.work.id)))

    def give_back(self, back: GiveBack) -> None:
        """A lease that is not needed any more."""
        with self._lock:
            held = self._held.pop((back.device, back.slot), None)
        if held is not None:
            self._requests.put(lambda: self._must(lambda: self._shelf.release(held.lease, back.outcome)))

    def set_health(self, told: SetHealth) -> None:
        """What this run found out about a device. Recovered: that ends the quarantine it put the device in itself."""
        self._requests.put(lambda: self._must(lambda: self._set_health(told)))

    def remember(
        self, device: str, *, cost_key: str, started_s: float, ended_s: float, error_kind: str, canary: bool
    ) -> None:
        """One try, for history: times are seconds of Unix time."""
        self._requests.put(
            lambda: self._must(
                lambda: self._shelf.record_attempt(
                    run=self._run,
                    device=device,
                    kind=self._devices[device].kind,
                    cost_key=cost_key,
                    started_s=started_s,
                    ended_s=ended_s,
                    error_kind=error_kind,
                    canary=canary,
                )
            )
        )

    def want(self, wants: tuple[Want, ...]) -> None:
        """How many slots could be used now. Told to the shelf at most once a second, at once when nothing is left."""
        if wants != self._wants:
            self._wants = wants
            self._requests.put(self._tell_wants)

    def overdue(self) -> tuple[LeaseLost, ...]:
        """Leases that nobody managed to renew in time: not ours any more, whether or not the shelf says so."""
        now_s = _now_s()
        with self._lock:
            late = [held for held in self._held.values() if now_s - held.renewed_s > LOST_AFTER_S]
        return tuple(event for held in late if (event := self._lose(held.lease)) is not None)

    def news(self) -> ShelfSilent | ShelfAnswers | None:
        """Whether the shelf answers, when that is to be told."""
        return self._patience.news(_now_s())

    def close(self) -> None:
        """Give everything back and leave. Errors are not: what we held runs out by itself."""
        self._closing.set()
        self._requests.put(None)
        for thread in self._threads:
            thread.join(_RETRY_S + RENEW_EVERY_S)
        try:
            self._shelf.leave(self._holder)
        except ClosetError:
            return

    def _serve(self) -> None:
        """Requests in their order, each using `_try` itself; those that must be done and could not are tried again."""
        while True:
            try:
                request: Callable[[], object] | None = self._requests.get(
                    timeout=_RETRY_S if self._owed or self._wants != self._told_wants else None
                )
            except queue.Empty:
                request = self._tell_wants
            owed, self._owed = self._owed, []
            for action in owed:
                self._must(action)
            if request is None:
                return
            request()

    def _try(self, action: Callable[[], object]) -> bool:
        """One use of the shelf. Never around another: that none was raised would pass for an answer of the shelf."""
        try:
            with self._patience.use(_now_s()):
                action()
        except ClosetError as error:
            if self._patience.over(_now_s()):
                self._tell(error)
            return False
        except BaseException as error:  # noqa: BLE001 a bug of ours: raised where the run is
            self._tell(ClosetError(f"{type(error).__name__}: {error}", where="the shelf"))
            return False
        return True

    def _must(self, action: Callable[[], object]) -> None:
        if not self._try(action):
            self._owed.append(action)

    def _acquire(self, ask: Ask) -> None:
        self._tell_wants()
        asked_s = _now_s()
        granted: list[Lease] = []
        refused: list[DeviceHealth] = []

        def acquire() -> None:
            lease = self._shelf.acquire(
                self._holder,
                ask.device,
                ask.slot,
                kind=ask.kind,
                tags=ask.tags,
                hard_end_s=ask.for_s,
                least_epoch=ask.least_epoch,
                proving=ask.proving,
            )
            if lease is not None:
                granted.append(lease)
            elif not ask.proving:  # for good, perhaps, and the next renewal may be long in coming
                refused.append(self._shelf.health(ask.device))

        self._try(acquire)
        for lease in granted:
            with self._lock:
                self._held[ask.device, ask.slot] = _Held(lease, asked_s)
            self._tell(Granted(ask.device, ask.slot, lease.epoch))
        self._see({health.device: health for health in refused if not health.given_out})
        if not granted:
            self._tell(Denied(ask.device, ask.slot))

    def _set_health(self, told: SetHealth) -> None:
        noted = self._shelf.set_health(
            told.device,
            told.state,
            reason=told.reason,
            by=self._name,
            recovered=told.recovered,
            quarantined_by=self._taken_over.get(told.device, self._name),
        )
        if not noted:  # somebody else was first, and their word stands
            self._see(self._shelf.healths())

    def _tell_wants(self) -> None:
        wants, now_s = self._wants, _now_s()
        if wants == self._told_wants or (self._told_wants and wants and now_s - self._told_wants_s < _WANT_EVERY_S):
            return
        if self._try(lambda: self._shelf.want(self._holder, wants)):
            self._told_wants, self._told_wants_s = wants, now_s

    def _renew(self) -> None:
        pause_s = RENEW_EVERY_S
        while not self._closing.wait(pause_s):
            try:
                with self._patience.use(_now_s()):
                    self._renew_once()
                pause_s = RENEW_EVERY_S
            except ClosetError:
                pause_s = _RETRY_S
            except BaseException as error:  # noqa: BLE001 a bug of ours: raised where the run is
                self._tell(ClosetError(f"{type(error).__name__}: {error}", where="the shelf"))
                return

    def _renew_once(self) -> None:
        began_s = _now_s()
        with self._lock:
            known = list(self._held.values())
        # Not what the shelf granted without our hearing of it: nobody else could have that until its hard end.
        lost = self._shelf.renew(self._holder, only=[held.lease for held in known])
        with self._lock:
            for held in known:
                held.renewed_s = max(held.renewed_s, began_s)
        for lease in lost:
            if (event := self._lose(lease)) is not None:
                self._tell(event)
        self._shelf.reconcile()
        self._see(self._shelf.healths())

    def _lose(self, lease: Lease) -> LeaseLost | None:
        """Forget a lease, and end it on the shelf in case that still takes it for ours."""
        place = lease.device, lease.slot
        with self._lock:
            held = self._held.get(place)
            if held is None or held.lease.epoch != lease.epoch:
                return None
            del self._held[place]
        self._requests.put(lambda: self._must(lambda: self._shelf.release(lease, "lost")))
        return LeaseLost(lease.device, lease.slot, lease.epoch)

    def _see(self, healths: Mapping[str, DeviceHealth]) -> None:
        """Tell what others say of our devices, where it is news."""
        for name in self._devices.keys() & healths.keys():
            before, now = self._seen.get(name), healths[name]
            self._seen[name] = now
            changed = before is None or (before.state, before.since, before.by) != (now.state, now.since, now.by)
            if now.state is not Health.QUARANTINED:
                self._taken_over.pop(name, None)  # the next quarantine is again whose it is
            ours = now.by in {self._name, self._taken_over.get(name)}
            if (changed or not now.given_out) and not ours:
                self._tell(HealthSeen(name, now.state, now.reason))


def _now_s() -> float:
    """Seconds since the machine was switched on, with those it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
