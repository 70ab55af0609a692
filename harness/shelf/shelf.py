"""The shelf: leases, health, quarantine and history that several runs, and several machines, share."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.domain import Device, DeviceKind, Health, Lease, Priority, Want
from harness.redaction import known_secrets, redact
from harness.shelf import health, history, holders, leases
from harness.shelf.address import Address, parse_address
from harness.shelf.archive import Archive
from harness.shelf.database import DEADLINE_S, Database
from harness.shelf.turns import AGEING_S
from harness.shelf.upgrade import upgrade
from harness.shelf.values import CanaryAnswer, DeviceHealth, HealthChange, HolderState, PastAttempt


class Shelf:
    """One shelf, opened by its address: a path, or the URL of a PostgreSQL database. Thread-safe.

    Each call is one transaction. What another transaction holds up is waited for, `deadline_s` at most; a lost
    connection is made anew once; then it is a DataError that says what to look at.
    """

    def __init__(
        self, address: str | Path | Address, *, deadline_s: float = DEADLINE_S, ageing_s: float = AGEING_S
    ) -> None:
        place = address if isinstance(address, Address) else parse_address(str(address))
        self._database = Database(place, deadline_s)
        self._ageing_s = ageing_s
        self.archive = Archive(self._database)
        try:
            upgrade(self._database)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connections. Holders stay on the shelf until they leave or are lost."""
        self._database.close()

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return str(self._database.address)

    # Holders

    def join(self, run: str, *, suite: str, priority: Priority) -> str:
        """Use the shelf from this process on behalf of a run; the holder's id. Renew it every RENEW_EVERY_S."""
        holder = holders.new_holder(run)
        self._database.write(lambda t: holders.join(t, holder, run, suite, priority))
        self._database.write(history.forget_the_old)
        return holder

    def renew(self, holder: str, *, only: Sequence[Lease] | None = None) -> tuple[Lease, ...]:
        """Renew the holder and its leases. Those of its leases that were lost are told, each time again.

        With `only` no others are renewed: one whose grant the holder never heard of runs out after LOST_AFTER_S.
        """
        return self._database.write(lambda t: leases.renew(t, holder, only))

    def want(self, holder: str, wants: Sequence[Want]) -> None:
        """What the holder could use now, on top of what it has. It takes its turn when it asks for a slot."""
        self._database.write(lambda t: holders.want(t, holder, wants))

    def leave(self, holder: str) -> None:
        """Release all that the holder has; it wants nothing any more."""
        self._database.write(lambda t: leases.leave(t, holder))

    def holders(self) -> tuple[HolderState, ...]:
        """Who uses the shelf now, the oldest first."""
        return self._database.read(holders.states)

    # Leases

    def acquire(
        self,
        holder: str,
        device: str,
        slot: int,
        *,
        kind: DeviceKind,
        tags: Sequence[str],
        hard_end_s: float,
        least_epoch: int,
        proving: bool = False,
    ) -> Lease | None:
        """The slot until `hard_end_s` seconds from now, or None: busy, not given out, or another's turn.

        `kind` and `tags` are the device's. The epoch is above `least_epoch`, the last that the device knows.
        `proving`: to see whether a quarantined device is well again. A holder that could use a slot asks for it again
        within PATIENCE_S; else it is passed over.
        """
        name = uuid.uuid4().hex
        asked = leases.Request(
            name, holder, device, slot, kind, tuple(tags), hard_end_s, least_epoch, proving, self._ageing_s
        )
        return self._database.write(lambda t: leases.acquire(t, asked))

    def assign(self, lease: Lease, task_id: str) -> None:
        """Note what runs under the lease."""
        self._database.write(lambda t: leases.assign(t, lease, task_id))

    def release(self, lease: Lease, outcome: str) -> bool:
        """Give the slot back; False when the lease was not active any more."""
        return self._database.write(lambda t: leases.release(t, lease, outcome))

    def revoke(self, device: str, slot: int, reason: str) -> Lease | None:
        """Take a slot from whoever has it: its holder hears of it when it next renews."""
        return self._database.write(lambda t: leases.revoke(t, device, slot, reason))

    def reconcile(self) -> tuple[Lease, ...]:
        """Expire leases that are past their renewal or hard end, or whose holder is gone; which that was."""
        return self._database.write(leases.reconcile)

    def leases(self) -> tuple[Lease, ...]:
        """The active ones, by device and slot."""
        return self._database.read(leases.active_leases)

    def epoch(self, device: str, slot: int) -> int:
        """The last epoch that was given out for a slot; 0 before the first."""
        return self._database.read(lambda t: leases.known_epoch(t, device, slot))

    # Health

    def register(self, device: Device) -> None:
        """The device is known from now on."""
        self._database.write(lambda t: health.register(t, device))

    def health(self, device: str) -> DeviceHealth:
        """What is known of a device."""
        return self._database.read(lambda t: health.health(t, device))

    def healths(self) -> Mapping[str, DeviceHealth]:
        """What is known of every device that was ever registered or judged, by name."""
        return self._database.read(health.healths)

    def set_health(
        self,
        device: str,
        state: Health,
        *,
        reason: str,
        by: str,
        by_person: bool = False,
        recovered: bool = False,
        quarantined_by: str = "",
    ) -> bool:
        """Change what is known of a device; its history is kept. False when this may not follow what it is now.

        The first cause stays. A quarantine ends by a person or, with `recovered`, by a recovery hook that ran: where
        `quarantined_by` is given, only a quarantine that is that one's. A device that is disabled is enabled by a
        person alone. A reason often quotes what a device said: what looks like a secret in it is not kept.
        """
        told = {"reason": redact(reason, known_secrets()), "by": by, "quarantined_by": quarantined_by}
        return self._database.write(
            lambda t: health.set_health(t, device, state, **told, by_person=by_person, recovered=recovered)
        )

    def health_history(self, device: str, limit: int = 50) -> tuple[HealthChange, ...]:
        """The last changes, newest first."""
        return self._database.read(lambda t: health.history(t, device, limit))

    def canary_passed(self, device: str, runtime: str) -> None:
        """The device proved itself under this runtime: it is healthy, unless it is quarantined or disabled."""
        self._database.write(lambda t: health.canary_passed(t, device, runtime))

    def canary_answer(self, kind: DeviceKind, runtime: str, canary: str) -> str | None:
        """What the canary is known to answer on devices of a kind under a runtime."""
        known = self.canary_record(kind, runtime, canary)
        return None if known is None else known.answer

    def canary_record(self, kind: DeviceKind, runtime: str, canary: str) -> CanaryAnswer | None:
        """That answer with who gave it and who confirmed it."""
        return self._database.read(lambda t: health.canary_answer(t, kind, runtime, canary))

    def set_canary_answer(
        self, kind: DeviceKind, runtime: str, canary: str, answer: str, *, device: str = ""
    ) -> CanaryAnswer:
        """Tell what a device answered. The first answer stays; another device that says the same confirms it."""
        return self._database.write(lambda t: health.set_canary_answer(t, kind, runtime, canary, answer, device))

    def forget_canary_answer(self, kind: DeviceKind, runtime: str, canary: str) -> None:
        """A person says that the known answer was wrong: the next one is trusted."""
        self._database.write(lambda t: health.forget_canary_answer(t, kind, runtime, canary))

    # History

    def record_attempt(
        self,
        *,
        run: str,
        device: str,
        kind: DeviceKind,
        cost_key: str,
        started_s: float,
        ended_s: float,
        error_kind: str,
        canary: bool,
    ) -> None:
        """Remember one try, by Unix time. `error_kind` is empty when it went well."""
        attempt = PastAttempt(run, device, kind, cost_key, started_s, ended_s, error_kind, canary)
        self._database.write(lambda t: history.record_attempt(t, attempt))

    def attempts(self, *, run: str = "", device: str = "", limit: int = 50) -> tuple[PastAttempt, ...]:
        """The last tries, newest first; of one run, of one device, where they are given."""
        return self._database.read(lambda t: history.past_attempts(t, run, device, limit))

    def costs(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Median seconds of the last few tries of each key that went well; unknown keys are left out."""
        return self._database.read(lambda t: history.costs(t, keys))

    def uses(self) -> Mapping[str, int]:
        """How many attempts each device has had, for spreading wear."""
        return self._database.read(health.uses)

    def replayed(self, what: Sequence[str]) -> Mapping[str, float]:
        """Unix time of the last replay of each; what was never replayed is left out."""
        return self._database.read(lambda t: history.replayed(t, what))

    def mark_replayed(self, what: Sequence[str]) -> None:
        """They were replayed just now."""
        self._database.write(lambda t: history.mark_replayed(t, what))
