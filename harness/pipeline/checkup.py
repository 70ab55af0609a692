"""A device looked at outside a run: its self-check and its canary, on a slot that is leased like any other."""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.closet.code_bundle import code_bundle
from harness.closet.deadline import Deadline
from harness.closet.health import BrokenLimit, Vitals, judge_vitals, unhealthy
from harness.closet.session import DeviceSession, Try, open_session
from harness.config import Fleet
from harness.domain import Device, DeviceKind, Health, Lease, Priority, json_digest
from harness.errors import ClosetError, ErrorDescription, LeaseLostError, OnroadError
from harness.pipeline.canary import DEADLINE_S, make_canaries, with_canary
from harness.redaction import known_secrets, redact_error
from harness.shelf import RENEW_EVERY_S, Shelf
from harness.store import Store
from harness.verdict import NOT_RUN

_TURN_S, _TURN_PAUSE_S = 6.0, 0.5
_HARD_END_S = DEADLINE_S + 120.0
# Somebody else has it now: another orchestrator, or its driver.
_NOT_NOW = frozenset({LeaseLostError.__name__, OnroadError.__name__})


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found. `error` is why the device is not well; `not_run` why its canary could not be asked.

    `run_s` is what the canary took on the device.
    """

    device: str
    vitals: Vitals | None = None
    broken: tuple[BrokenLimit, ...] = ()
    error: ErrorDescription | None = None
    not_run: str = ""
    run_s: float | None = None

    @property
    def well(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.error is None and not self.broken

    @property
    def canary_error(self) -> ErrorDescription | None:
        """What is wrong beside the limits it breaks: it does not answer, or its canary is wrong."""
        return None if self.broken and self.error == unhealthy(self.broken, self.device) else self.error


class Examiner:
    """Looks at devices on a person's behalf, several at a time; a holder on the shelf for the time of a `with`."""

    def __init__(self, fleet: Fleet, shelf: Shelf, store: Store, *, name: str, relearn: bool = False) -> None:
        """`name` is who looks. `relearn`: what a device answers replaces what was known to be right."""
        self._fleet, self._shelf, self._name = fleet, shelf, name
        _, bundle = code_bundle()
        self._code = store.put_bytes(bundle)
        self._home = store.home
        self._blob_path = with_canary(store.path)
        self._canaries = make_canaries(tuple(DeviceKind), self._code, shelf, relearn=relearn)
        self._numbers = itertools.count(1)
        self._running: dict[tuple[str, int], tuple[DeviceSession, Try]] = {}
        self._lock, self._judging = threading.Lock(), threading.Lock()
        self._closing = threading.Event()
        self._holder = ""
        self._renewing = threading.Thread(target=self._renew, name="closet check renewals", daemon=True)

    def __enter__(self) -> Self:
        self._shelf.reconcile()
        self._holder = self._shelf.join(self._name, suite="", priority=Priority.PROMPT)
        self._renewing.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.set()
        self._renewing.join()
        with suppress(ClosetError):  # it is missed soon enough
            self._shelf.leave(self._holder)

    def stop(self) -> None:
        """End what runs now, so that `check` returns."""
        with self._lock:
            running = tuple(self._running.values())
        for session, tried in running:
            with suppress(ClosetError):
                session.kill(tried)

    def check(self, device: Device) -> Checkup:
        """Self-check and canary now. What is found is noted on the shelf; a device that is not given out stays so.

        One that is disabled is left alone: it may be in somebody's hands.
        """
        found = self._look(device)
        return found if found.error is None else replace(found, error=redact_error(found.error, known_secrets()))

    def _look(self, device: Device) -> Checkup:
        self._shelf.register(device)
        if self._shelf.health(device.name).state is Health.DISABLED:
            return Checkup(device.name, not_run="it is disabled")
        try:
            session = open_session(device, on_lost=lambda _error: None)
            try:
                return self._examine(device, session)
            finally:
                session.close()
        except ClosetError as error:
            self._note(device, error.describe(), answered=False)
            return Checkup(device.name, error=error.describe())

    def _examine(self, device: Device, session: DeviceSession) -> Checkup:
        vitals = session.check()
        broken = judge_vitals(vitals, self._fleet.limits_of(device))
        found = Checkup(device.name, vitals, broken, unhealthy(broken, device.name))
        with self._slot(device, session.facts.epochs) as lease:
            if lease is None:
                return replace(found, not_run=self._occupied(device))
            wrong, run_s = self._ask_canary(device, session, lease)
        if wrong == NOT_RUN:
            return replace(found, not_run="stopped")
        if wrong is not None and wrong.kind in _NOT_NOW:
            return replace(found, not_run=wrong.problem)
        self._note(device, found.error, answered=False)
        return replace(found, error=wrong or found.error, run_s=run_s)

    def _ask_canary(
        self, device: Device, session: DeviceSession, lease: Lease
    ) -> tuple[ErrorDescription | None, float | None]:
        """What is wrong with its answer, and what it took. NOT_RUN when it was stopped."""
        canary = self._canaries[device.kind]
        work = replace(canary.work, id=json_digest([canary.work.id, self._holder, next(self._numbers)]))
        self._shelf.assign(lease, work.id)
        tried = Try(work, lease.slot, lease.epoch, work.deadline_s, Deadline.after(_HARD_END_S))
        place = device.name, lease.slot
        with self._lock:
            self._running[place] = session, tried
        began_s = time.time()
        try:
            with tempfile.TemporaryDirectory(prefix="check-", dir=self._home) as folder:
                came = session.run(tried, self._blob_path, Path(folder), lambda _event: None)
                run_s = came.measurements.get("run_s")
                with self._judging:  # noted before the next is judged: that one may prove this one right
                    error = came.error or canary.verify(device, came.files)
                    self._note(device, error, answered=came.error is None)
        finally:
            with self._lock:
                del self._running[place]
        if error != NOT_RUN:
            self._remember(device, began_s, error)
        return error, run_s

    def _remember(self, device: Device, began_s: float, error: ErrorDescription | None) -> None:
        self._shelf.record_attempt(
            run=self._name,
            device=device.name,
            kind=device.kind,
            cost_key="",
            started_s=began_s,
            ended_s=time.time(),
            error_kind=error.kind if error else "",
            canary=True,
        )

    @contextmanager
    def _slot(self, device: Device, epochs: tuple[int, ...]) -> Iterator[Lease | None]:
        """A slot of the device, waited for as long as its turns take; None when all are in use."""
        lease = self._acquire(device, epochs)
        try:
            yield lease
        finally:
            if lease is not None:
                self._shelf.release(lease, "checked")

    def _acquire(self, device: Device, epochs: tuple[int, ...]) -> Lease | None:
        patience = Deadline.after(_TURN_S)
        while True:
            for slot in range(device.slots):
                lease = self._shelf.acquire(
                    self._holder,
                    device.name,
                    slot,
                    kind=device.kind,
                    tags=device.tags,
                    hard_end_s=_HARD_END_S,
                    least_epoch=epochs[slot] if slot < len(epochs) else 0,
                    proving=True,
                )
                if lease is not None:
                    return lease
            if self._closing.wait(min(_TURN_PAUSE_S, patience.left_s)) or patience.passed:
                return None

    def _occupied(self, device: Device) -> str:
        runs = {holder.holder: holder.run for holder in self._shelf.holders()}
        held = [lease for lease in self._shelf.leases() if lease.device == device.name]
        names = sorted({runs.get(lease.holder, lease.holder) for lease in held})
        return f"in use by {', '.join(names)}" if names else "another run is served first"

    def _note(self, device: Device, error: ErrorDescription | None, *, answered: bool) -> None:
        """Quarantine a device that answered wrongly; whatever else befell it may pass, and makes it suspect."""
        if error is None or error == NOT_RUN or error.kind in _NOT_NOW:
            return
        state = Health.QUARANTINED if answered else Health.SUSPECT
        self._shelf.set_health(device.name, state, reason=error.problem, by=self._name)

    def _renew(self) -> None:
        while not self._closing.wait(RENEW_EVERY_S):
            try:
                lost = self._shelf.renew(self._holder)
            except ClosetError:
                continue  # the agent and the next holder's epoch see to it that a slot that is lost is not used
            with self._lock:
                mine = [(lease, self._running.get((lease.device, lease.slot))) for lease in lost]
            for lease, running in mine:
                if running is not None and running[1].epoch == lease.epoch:
                    with suppress(ClosetError):
                        running[0].kill(running[1])
