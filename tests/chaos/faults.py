"""What goes wrong in a scenario, drawn from its seed and from nothing else: printing the seed is printing the scenario.

Places are chosen where that can be repeated: a byte of a connection, a job's start, a verdict. What follows on a real
machine (which thread came first) is not part of the plan.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

SEGMENTS = 10
ORCHESTRATOR = -1


class Kind(StrEnum):
    """One way for things to go wrong, as reports call it."""

    CUT = "connection cut"
    CORRUPTED = "byte corrupted in transit"
    SLOW = "slow link"
    DELAY = "delayed link"
    SILENT = "link silent, not closed"
    CABLE = "cable pulled"
    POWER_CUT = "worker killed"
    FROZEN = "worker frozen"
    AGENT_KILLED = "agent killed, job alive"
    AGENT_FROZEN = "agent frozen"
    JOB_KILLED = "job killed"
    DEAF_JOB = "job leaves a process deaf to SIGTERM"
    HUNG_JOB = "job hangs, deaf to SIGTERM"
    FORK_BOMB = "fork bomb, bounded"
    DISK_FULL = "disk full"
    CLOCK_ORCHESTRATOR = "orchestrator's clock jumps"
    CLOCK_AGENT = "agent's clock jumps"
    HALF_BLOB = "half-written blob in the cache"
    BAD_BLOB = "corrupted blob in the cache"
    BAD_CODE = "corrupted program in the cache"
    TWICE = "answers twice"
    LATE = "answers late"
    ORCHESTRATOR_KILLED = "orchestrator killed and resumed"
    DATABASE_LOCKED = "database locked"
    SERVER_FROZEN = "database server frozen"
    SERVER_KILLED = "database server killed and started again"
    SERVER_CUT = "connections to the database server cut"
    RIVAL = "two orchestrators"
    FEW_SESSIONS = "MaxSessions 2"


class Moment(StrEnum):
    """What a fault waits for; `at` counts it."""

    BEGIN = "before anything starts"
    SECONDS = "seconds"
    BYTES_UP = "bytes to the worker"
    BYTES_DOWN = "bytes from the worker"
    JOB = "jobs started on the worker"
    VERDICT = "verdicts told"


class Setting(StrEnum):
    """What the workers are."""

    EMULATED = "emulated workers"
    OPENSSH = "OpenSSH servers in namespaces of their own"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong on `worker` (its number, or ORCHESTRATOR) once `moment` has reached `at`.

    `amount` is the fault's own: seconds it lasts (infinite: for good), bytes a second; see `_UNITS`.
    """

    kind: Kind
    worker: int
    moment: Moment
    at: float
    amount: float = 0.0

    def __str__(self) -> str:
        where = "" if self.worker == ORCHESTRATOR else f" · worker {self.worker + 1}"
        when = "" if self.moment is Moment.BEGIN else f" · at {self.at:g} {self.moment}"
        how_much = f" · {self.amount:g} {_UNITS.get(self.kind, '')}".rstrip() if self.amount else ""
        return f"{self.kind}{where}{when}{how_much}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run of `segments` (numbers in the corpus) on `workers`, and everything that goes wrong meanwhile.

    `warm`: the workers hold the recordings already, as on the second run of a day. `proved`: they passed their
    canaries today, as far as the shelf knows.
    """

    seed: int
    setting: Setting
    workers: int
    slots: int
    segments: tuple[int, ...]
    warm: bool
    proved: bool
    faults: tuple[Fault, ...] = field(default=())

    @property
    def with_server(self) -> bool:
        """Whether its shelf is a PostgreSQL server's database, instead of a file."""
        return any(fault.kind in SERVER for fault in self.faults)

    def count(self, kind: Kind) -> int:
        """How many faults of a kind there are."""
        return sum(fault.kind is kind for fault in self.faults)

    def of(self, *kinds: Kind) -> tuple[Fault, ...]:
        """The faults of some kinds."""
        return tuple(fault for fault in self.faults if fault.kind in kinds)

    def __str__(self) -> str:
        state = f"{'warm' if self.warm else 'cold'} caches, {'proved' if self.proved else 'not proved'}"
        lines = [f"seed {self.seed}: {len(self.segments)} jobs on {self.workers} {self.setting}, {state}"]
        return "\n  ".join([lines[0], *map(str, self.faults)])


# Kinds whose damage is only noticed by a heartbeat that stays away: ten seconds in which nothing else happens.
WAITING = frozenset({Kind.SILENT, Kind.CABLE, Kind.FROZEN, Kind.AGENT_FROZEN})

# What happens to a database server, which there is one of then.
SERVER = frozenset({Kind.SERVER_FROZEN, Kind.SERVER_KILLED, Kind.SERVER_CUT})

# Faults that must not cost a verdict, however many there are of them.
HARMLESS = frozenset({
    Kind.DELAY, Kind.SLOW, Kind.DEAF_JOB, Kind.FORK_BOMB, Kind.HALF_BLOB, Kind.BAD_BLOB, Kind.BAD_CODE, Kind.TWICE,
    Kind.LATE, Kind.ORCHESTRATOR_KILLED, Kind.DATABASE_LOCKED, Kind.RIVAL, Kind.FEW_SESSIONS, Kind.SERVER_CUT,
})  # fmt: skip

_UNITS = {
    Kind.SLOW: "bytes/s",
    Kind.DELAY: "s",
    Kind.SILENT: "s",
    Kind.CABLE: "s",
    Kind.POWER_CUT: "s",
    Kind.FROZEN: "s",
    Kind.AGENT_FROZEN: "s",
    Kind.CLOCK_ORCHESTRATOR: "s",
    Kind.CLOCK_AGENT: "s",
    Kind.LATE: "s",
    Kind.DATABASE_LOCKED: "s",
    Kind.SERVER_FROZEN: "s",
    Kind.SERVER_KILLED: "s",
}
_WEIGHTS = {
    Kind.CUT: 6, Kind.CORRUPTED: 4, Kind.SLOW: 2, Kind.DELAY: 2, Kind.SILENT: 1, Kind.CABLE: 1, Kind.POWER_CUT: 3,
    Kind.FROZEN: 1, Kind.AGENT_KILLED: 4, Kind.AGENT_FROZEN: 1, Kind.JOB_KILLED: 2, Kind.DEAF_JOB: 2, Kind.HUNG_JOB: 1,
    Kind.FORK_BOMB: 2, Kind.DISK_FULL: 2, Kind.CLOCK_ORCHESTRATOR: 2, Kind.CLOCK_AGENT: 2, Kind.HALF_BLOB: 3,
    Kind.BAD_BLOB: 3, Kind.BAD_CODE: 2, Kind.TWICE: 2, Kind.LATE: 2, Kind.ORCHESTRATOR_KILLED: 5,
    Kind.DATABASE_LOCKED: 2, Kind.RIVAL: 2, Kind.FEW_SESSIONS: 2, Kind.SERVER_FROZEN: 1, Kind.SERVER_KILLED: 1,
    Kind.SERVER_CUT: 1,
}  # fmt: skip
_ONCE = frozenset({
    Kind.CLOCK_ORCHESTRATOR, Kind.DATABASE_LOCKED, Kind.RIVAL, Kind.FEW_SESSIONS, Kind.JOB_KILLED, Kind.DISK_FULL,
    Kind.HUNG_JOB, Kind.SERVER_FROZEN, Kind.SERVER_KILLED,
})  # fmt: skip
_OPENSSH_ONLY = frozenset({Kind.CABLE, Kind.DISK_FULL, Kind.FEW_SESSIONS})
_IN_CACHE = frozenset({Kind.HALF_BLOB, Kind.BAD_BLOB, Kind.BAD_CODE})
_HERE = frozenset({Kind.CLOCK_ORCHESTRATOR, Kind.DATABASE_LOCKED, Kind.RIVAL, *SERVER})
_HOUR_S = 3600.0
_AMOUNTS: dict[Kind, tuple[float, ...]] = {
    Kind.SLOW: (200e3, 500e3, 1e6),
    Kind.DELAY: (0.005, 0.03, 0.1),
    Kind.SILENT: (4.0, 14.0, math.inf),
    Kind.CABLE: (3.0, 13.0, 20.0),
    Kind.FROZEN: (3.0, 13.0, 20.0),
    Kind.AGENT_FROZEN: (3.0, 13.0, 20.0),
    Kind.POWER_CUT: (0.3, 1.5, math.inf),
    Kind.CLOCK_ORCHESTRATOR: (-_HOUR_S, _HOUR_S),
    Kind.CLOCK_AGENT: (-_HOUR_S, _HOUR_S),
    Kind.LATE: (0.1, 0.5, 1.5),
    Kind.DATABASE_LOCKED: (1.0, 3.0, 6.0),
    Kind.SERVER_FROZEN: (3.0, 12.0),
    Kind.SERVER_KILLED: (0.2, 2.0, 8.0),
}
# A connection begins with some 4 kB of handshake, the agent is 15 kB, recordings and program some 0.8 MB.
_LARGEST_UP, _LARGEST_DOWN = 900_000, 60_000


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = random.Random(f"closet chaos {seed}")
    kinds = _kinds(dice, dice.choice((1, 2, 2, 3, 3, 4, 6)))
    openssh = bool(_OPENSSH_ONLY & set(kinds)) or dice.random() < 0.5
    workers = dice.choice((2, 3, 3))
    warm = bool(_IN_CACHE & set(kinds)) or dice.random() < 0.4
    segments = tuple(sorted(dice.sample(range(SEGMENTS), dice.choice((4, 5, 6)))))
    faults = tuple(_fault(dice, kind, workers) for kind in kinds)
    slots = dice.choice((1, 1, 2))
    setting = Setting.OPENSSH if openssh else Setting.EMULATED
    return Scenario(seed, setting, workers, slots, segments, warm, dice.random() < 0.8, faults)


def one_of(kind: Kind, seed: int = 1) -> Scenario:
    """A scenario in which exactly this goes wrong."""
    dice = random.Random(f"closet chaos {seed} {kind}")
    setting = Setting.OPENSSH if kind in _OPENSSH_ONLY or dice.random() < 0.5 else Setting.EMULATED
    return Scenario(seed, setting, 2, 1, (0, 1, 5, 6), kind in _IN_CACHE, True, (_fault(dice, kind, 2),))


def _kinds(dice: random.Random, count: int) -> tuple[Kind, ...]:
    chosen: list[Kind] = []
    for kind in _draws(dice):
        if len(chosen) == count:
            return tuple(chosen)
        if kind in chosen and kind in _ONCE:
            continue
        if kind in WAITING and WAITING & set(chosen):
            continue  # one pause of ten seconds a scenario
        chosen.append(kind)
    raise AssertionError("draws do not end")


def _draws(dice: random.Random) -> Iterator[Kind]:
    while True:
        yield dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]


def _fault(dice: random.Random, kind: Kind, workers: int) -> Fault:
    worker = dice.randrange(workers)
    job = (Moment.JOB, float(dice.randint(1, 2)))
    begin = (Moment.BEGIN, 0.0)
    match kind:
        case Kind.CUT | Kind.CORRUPTED | Kind.SILENT:
            moment, at = _byte(dice)
        case Kind.CABLE | Kind.FROZEN | Kind.AGENT_FROZEN | Kind.AGENT_KILLED | Kind.JOB_KILLED | Kind.CLOCK_AGENT:
            moment, at = job
        case Kind.POWER_CUT:
            moment, at = dice.choice((job, (Moment.SECONDS, _seconds(dice)), _byte(dice)))
        case Kind.DISK_FULL:
            moment, at = dice.choice((job, begin, (Moment.BYTES_UP, float(dice.randrange(20_000, 400_000)))))
        case Kind.ORCHESTRATOR_KILLED:
            verdicts = (Moment.VERDICT, float(dice.randint(1, 3)))
            moment, at = dice.choice(((Moment.SECONDS, _seconds(dice)), verdicts, _byte(dice), job))
        case _:
            moment, at = (Moment.SECONDS, _seconds(dice)) if kind in _HERE - {Kind.RIVAL} else begin
    here = kind in _HERE or (kind is Kind.ORCHESTRATOR_KILLED and moment is Moment.SECONDS)
    amounts = _AMOUNTS.get(kind, (0.0,))
    return Fault(kind, ORCHESTRATOR if here else worker, moment, at, dice.choice(amounts))


def _seconds(dice: random.Random) -> float:
    return round(dice.uniform(0.1, 4.0), 2)


def _byte(dice: random.Random) -> tuple[Moment, float]:
    """A byte of a connection: as likely in the handshake as in the bulk."""
    moment, largest = dice.choice(((Moment.BYTES_UP, _LARGEST_UP), (Moment.BYTES_DOWN, _LARGEST_DOWN)))
    return moment, float(int(math.exp(dice.uniform(0.0, math.log(largest)))))
