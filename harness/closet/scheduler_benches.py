"""Devices as the scheduler sees them: their slots, what they hold, and whether they may be trusted with a job. Pure.

A device is trusted when it is healthy, or when its kind has no canary. One that is unknown or suspect runs its canary
first, alone and on its first slot. A canary with a wrong answer quarantines it; one that came to no answer has a second
go first: a kill meant for something else, or a cable, is no reason to take a device off the shelf. One that could not
be judged (a lost lease, a file that is missing here) is tried a few times, then the device is left alone for this run;
so is one that belonged to its driver each time for about half an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.closet.work import Work
from harness.domain import Device, Health
from harness.errors import DeviceTimeoutError, DeviceUnhealthyError, ErrorDescription, UnreachableError

_BLOCKED = {Health.QUARANTINED, Health.DISABLED}
_LEAST_PAUSE_S, _LONGEST_PAUSE_S, _LONGER = 0.6, 2.0, 1.2
_MOST_UNJUDGED = 3  # canaries in a row that could not be judged
_MOST_CUT_SHORT = 2  # canaries in a row that came to no answer: a signal, a deadline, a device that went away
_ONROAD_PAUSE_S = 60.0
MOST_TURNED_AWAY = 30  # about half an hour, where one device is all there is
_UNJUDGED = {"LeaseLostError", "DataError", "ConfigError", "ClosetError", "NotRun"}


@dataclass(slots=True, eq=False)
class Slot:
    """A place for one job.

    `asked`: the shelf was asked for it, with `earmark` (a work's id, empty for a canary) in mind. `held`: ours, under
    `epoch`. `work` is what runs there; while `draining` it was told to end and is not yet known to be gone. Up to
    `lost_epoch` nothing is ours any more, whatever is still on its way here.
    """

    epoch: int = 0
    asked: bool = False
    earmark: str = ""
    held: bool = False
    lost_epoch: int = 0
    work: Work | None = None
    draining: bool = False
    started_s: float = 0.0
    runs_since_s: float | None = None
    hard_end_s: float = 0.0
    denied_s: float = 0.0

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing is held, nothing was asked."""
        return self.work is None and not (self.draining or self.held or self.asked)


@dataclass(slots=True, eq=False)
class Bench:
    """One device. `up` None: not known yet; `lost`: not waited for, unless it is `recovering`: its hook is at work.

    `recovered`: that brought it back, and its canary is still to say so. `canary` None: its kind has none.
    """

    device: Device
    slots: list[Slot]
    canary: Work | None = None
    uses: int = 0
    up: bool | None = None
    lost: bool = False
    error: ErrorDescription | None = None
    blobs: set[str] = field(default_factory=set)
    ahead: str = ""
    ask_after_s: float = 0.0
    pause_s: float = 0.0
    health: Health = Health.UNKNOWN
    reason: str = ""
    doubted_here: bool = False
    recovering: bool = False
    recovered: bool = False
    unjudged: int = 0
    cut_short: int = 0
    turned_away: int = 0
    left_alone: ErrorDescription | None = None

    @property
    def name(self) -> str:
        """The device's."""
        return self.device.name

    @property
    def blocked(self) -> bool:
        """Quarantined or disabled: it is not given out."""
        return self.health in _BLOCKED

    @property
    def hopeless(self) -> bool:
        """Nothing waits for it: it may come back, but nobody says so."""
        return self.left_alone is not None or ((self.lost or self.blocked) and not self.recovering)

    @property
    def usable(self) -> bool:
        """It is there, and may be asked for."""
        return self.up is True and not self.blocked and self.left_alone is None

    @property
    def must_prove(self) -> bool:
        """Nothing else runs there before its canary has."""
        running = self.slots[0].work
        return self.canary is not None and (
            self.health in {Health.UNKNOWN, Health.SUSPECT} or (running is not None and running.canary)
        )

    @property
    def proving(self) -> bool:
        """Its canary runs, or waits for its slot."""
        first = self.slots[0]
        return (first.work is not None and first.work.canary) or (first.asked and not first.earmark)

    @property
    def quiet(self) -> bool:
        """All its slots are idle as far as this run knows."""
        return all(slot.idle for slot in self.slots)

    @property
    def why_not(self) -> ErrorDescription:
        """Why nothing waits for it."""
        if self.blocked:
            since = f"{self.health}: {self.reason}" if self.reason else str(self.health)
            free = "enable" if self.health is Health.DISABLED else "release"
            remedy = f"see closet devices; {free} it when it is mended"
            return ErrorDescription(DeviceUnhealthyError.__name__, since, self.name, remedy)
        return self.left_alone or self.error or ErrorDescription(UnreachableError.__name__, "is not there", self.name)

    def silence(self, slot: Slot, now_s: float) -> ErrorDescription:
        """What a work is told whose answer never came."""
        problem = f"no answer {now_s - slot.started_s:.0f} s after the start"
        return ErrorDescription(DeviceTimeoutError.__name__, problem, self.name, "see whether the device hangs")

    def forgive(self, held_up_s: float) -> None:
        """This machine was held up for so long: what runs there is given that time."""
        for slot in self.slots:
            slot.hard_end_s += held_up_s

    def idle_slot(self) -> int | None:
        """The idle slot that was denied longest ago."""
        idle = [number for number, slot in enumerate(self.slots) if slot.idle]
        return min(idle, key=lambda number: self.slots[number].denied_s, default=None)

    def denied(self, slot: Slot, now_s: float) -> None:
        """Not ours now: it is asked again after a pause that grows."""
        slot.denied_s = now_s
        self.pause_s = min(max(_LONGER * self.pause_s, _LEAST_PAUSE_S), _LONGEST_PAUSE_S)
        self.ask_after_s = now_s + self.pause_s

    def busy_driving(self, now_s: float) -> None:
        """It belongs to its driver now, and is left alone for a while."""
        self.ask_after_s = now_s + _ONROAD_PAUSE_S

    def came_up(self, epochs: tuple[int, ...], blobs: frozenset[str], *, proved: bool) -> None:
        """It answers."""
        self.up, self.lost, self.error = True, False, None
        self.blobs, self.ahead = set(blobs), ""
        if proved and not self.recovered and self.health is Health.UNKNOWN:
            self.health = Health.HEALTHY
        for slot, known in zip(self.slots, epochs, strict=False):
            slot.epoch = max(slot.epoch, known)

    def inherit(self, reason: str) -> None:
        """An earlier run put it in quarantine, and it is for this one to bring it back."""
        self.health, self.reason, self.recovering = Health.QUARANTINED, reason, True

    def doubt(self, reason: str) -> bool:
        """It has to prove itself again; whether that is news for the shelf."""
        if self.canary is None or self.blocked:
            return False
        news = not (self.health is Health.SUSPECT and self.doubted_here)
        self.health, self.reason, self.doubted_here = Health.SUSPECT, reason, True
        return news

    def due(self) -> None:
        """Its last canary was too long ago: what was known of it is known no more."""
        if self.canary is not None and self.health is Health.HEALTHY:
            self.health, self.reason = Health.UNKNOWN, ""

    def proved(self) -> None:
        """Its canary gave the right answer."""
        self.recovered = False
        self.health, self.reason, self.doubted_here = Health.HEALTHY, "", False
        self.unjudged = self.cut_short = self.turned_away = 0

    def brought_back(self, error: ErrorDescription | None) -> bool:
        """Its recovery hook ended; whether it is ours to use: its canary decides, unless others took it meanwhile."""
        ours, self.recovering = self.recovering, False
        if error is not None or not ours:
            return False
        if self.blocked:
            self.seen(Health.UNKNOWN, "")
            self.recovered = True
        self.lost = False  # it answered the hook, and is connected to at once
        return True

    def driven_away(self, error: ErrorDescription) -> None:
        """Its canary found it with its driver: it is asked again when a while has passed, but not for ever."""
        self.turned_away += 1
        if self.turned_away >= MOST_TURNED_AWAY:
            self.left_alone = error

    def failed_canary(self, error: ErrorDescription, *, answered: bool) -> bool:
        """Its canary did not, or `answered` wrongly; whether that is enough to quarantine it."""
        if error.kind in _UNJUDGED:  # which also says nothing of whether it is driven
            self.unjudged += 1
            if self.unjudged >= _MOST_UNJUDGED:
                self.left_alone = error
            return False
        self.turned_away = 0
        if not answered:
            self.cut_short += 1
            if self.cut_short < _MOST_CUT_SHORT:
                return False
        named = error.problem.startswith(("canary ", "the canary"))
        self.health, self.reason = Health.QUARANTINED, error.problem if named else f"canary: {error.problem}"
        self.doubted_here = False
        self.recovered = False
        return True

    def seen(self, state: Health, reason: str) -> None:
        """What others say of it. Our own doubts are cleared by our own canary only."""
        if state in _BLOCKED:
            self.health, self.reason, self.doubted_here = state, reason, False
            self.recovering = self.recovered = False  # it is not for this run to bring it back any more
        elif self.blocked:
            self.health, self.reason, self.left_alone = Health.UNKNOWN, "", None
            self.unjudged = self.cut_short = self.turned_away = 0
        elif state is Health.SUSPECT and self.health is not Health.SUSPECT and self.canary is not None:
            self.health, self.reason = state, reason
        elif state is Health.HEALTHY and self.health is Health.SUSPECT and not self.doubted_here:
            self.health, self.reason = state, ""
