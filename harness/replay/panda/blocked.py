"""Why the kernel refused what it refused: reasons by name, and refusals in a row told as one episode with its cause.

After a refused steering command the kernel takes the last torque as none. A controller that does not know goes on from
where it was, so one refusal brings the next ones with it, until the command comes back near zero: the first refusal of
an episode is the cause, the others follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.recording.can_frames import CanTable
from harness.replay.panda.library import Records, Traffic

# By bit, in the order of include/closet_watch.h.
REASONS = (
    *("notListed", "otherLength", "relayMalfunction", "controlsNotAllowed", "maxTorque", "torqueRateUp"),
    *("torqueRateDown", "torqueError", "driverTorque", "realtimeRate", "steerRequest", "angleLimit", "angleInactive"),
    *("longitudinal", "modeRule"),
)
NOT_LISTED = 1
_TORQUE = 1
_BUSES = 4
SENT_SOURCE = 128

Rows = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, order=True)
class Sender:
    """Who is meant by a message: bus and address."""

    bus: int
    address: int

    def __str__(self) -> str:
        return f"{self.bus}:0x{self.address:X}"


@dataclass(frozen=True)
class Attempts:
    """All messages that were to be sent, and which of them the kernel refused.

    They are the `attempted` (m,) of `table`: sendcan, or the received frames where echoes stand in. `t_us` (n,) are the
    messages' times;
    `records` (k,) as the shim wrote them, of `record_addresses`, `record_buses` (k,); `sent` counts attempts by sender.
    """

    table: CanTable
    attempted: Bools
    t_us: npt.NDArray[np.uint64]
    records: Records
    sent: Mapping[Sender, int]
    record_addresses: Rows
    record_buses: Rows

    @cached_property
    def limited(self) -> Bools:
        """(k,) refused although on the list."""
        return np.asarray((self.records["why"] & NOT_LISTED) == 0)

    @cached_property
    def allowed(self) -> Bools:
        """(k,) refused while controls were allowed."""
        return np.asarray(self.records["allowed"] != 0)

    def because(self, reason: str) -> Bools:
        """(k,) where this reason holds, alone or with others."""
        return np.asarray((self.records["why"] >> REASONS.index(reason)) & 1, np.bool_)

    def of(self, sender: Sender) -> Bools:
        """(k,) refused messages of one sender."""
        mine: Bools = (self.record_addresses == sender.address) & (self.record_buses == sender.bus)
        return mine

    def time_us(self, record: int) -> int:
        """When it was to be sent."""
        return int(self.t_us[self.records["message"][record]])

    def data(self, record: int) -> bytes:
        """Its bytes."""
        return self.table.data(int(self.records["frame"][record]))


@dataclass(frozen=True, slots=True)
class Episode:
    """Refusals of one sender with no passed message of it between them, while on the list.

    `first` and `last` are rows of the records. `swapped`: the next command, in the same message, would have been
    allowed in place of the first refused one, so the two may stand in the log in the wrong order.
    """

    sender: Sender
    first: int
    last: int
    count: int
    reasons: tuple[str, ...]
    swapped: bool


def collect_attempts(traffic: Traffic, records: Records, *, echoes_sent: bool) -> Attempts:
    """The attempts of a replay; `echoes_sent` as it was told to the kernel."""
    table = traffic.received if echoes_sent else traffic.sent
    attempted = table.source >= SENT_SOURCE if echoes_sent else np.ones(len(table), np.bool_)
    address, bus = table.address.astype(np.int64), (table.source % _BUSES).astype(np.int64)
    found, counts = np.unique((address * _BUSES + bus)[attempted], return_counts=True)
    senders = (Sender(key % _BUSES, key // _BUSES) for key in found.tolist())
    sent = dict(sorted(zip(senders, counts.tolist(), strict=True)))
    frames = records["frame"]
    return Attempts(table, attempted, traffic.t_us, records, sent, address[frames], bus[frames])


def reasons_of(why: int) -> tuple[str, ...]:
    """The names of the reasons in a mask."""
    return tuple(name for bit, name in enumerate(REASONS) if why >> bit & 1)


def find_episodes(attempts: Attempts) -> tuple[Episode, ...]:
    """Every episode of messages on the list, in time order."""
    table = attempts.table
    episodes: list[Episode] = []
    for sender in attempts.sent:
        refused = np.flatnonzero(attempts.of(sender) & attempts.limited)
        if not refused.size:
            continue
        mine = attempts.attempted & (table.address == sender.address) & (table.source % _BUSES == sender.bus)
        places = np.searchsorted(np.flatnonzero(mine), attempts.records["frame"][refused])
        runs = np.split(refused, np.flatnonzero(np.diff(places) > 1) + 1)
        episodes += [_episode(attempts, sender, run) for run in runs]
    return tuple(sorted(episodes, key=lambda episode: (attempts.time_us(episode.first), episode.sender)))


def _episode(attempts: Attempts, sender: Sender, run: Rows) -> Episode:
    first = int(run[0])
    reasons = reasons_of(int(attempts.records["why"][first]))
    return Episode(sender, first, int(run[-1]), len(run), reasons, len(run) > 1 and _swapped(attempts, run))


def _swapped(attempts: Attempts, run: Rows) -> bool:
    cause, following = attempts.records[run[0]], attempts.records[run[1]]
    together = cause["message"] == following["message"] and cause["kind"] == following["kind"] == _TORQUE
    return bool(together and cause["low"] <= following["desired"] <= cause["high"])
