"""Random closets: several runs with real schedulers over devices that crash, lie, vanish and answer late.

Nothing sleeps: time is a number, answers lie in a heap. The world knows the truth (which device is bad, which job is
poison) and watches that every scheduler keeps its promises.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field, replace
from typing import Any

from harness.closet.events import (
    Ask,
    CanaryDue,
    Denied,
    DeviceDown,
    DeviceUp,
    Finish,
    GiveBack,
    Granted,
    HealthSeen,
    Kill,
    LeaseLost,
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
    WorkDone,
    WorkFailed,
    WorkRuns,
)
from harness.closet.scheduler import Scheduler
from harness.closet.scheduler_errors import can_run
from harness.closet.work import Work
from harness.domain import Blob, Device, DeviceKind, Health, Priority, Want
from harness.errors import ErrorDescription
from harness.shelf.turns import Claim, whose_turn

CODE = Blob("c" * 64, 10)
CRASH = ErrorDescription("ProductCrashError", "killed by SIGSEGV")
LOST = ErrorDescription("UnreachableError", "no heartbeat for 10 s")
FULL = ErrorDescription("StagingFailedError", "disk full: 0 MB free of 62 MB needed")
SLOW = ErrorDescription("DeviceTimeoutError", "the job ran into its deadline and was killed")
SICK = ErrorDescription("DeviceUnhealthyError", "no room")
DATA = ErrorDescription("DataError", "a blob is missing")
STALE = ErrorDescription("LeaseLostError", "epoch 3 of slot 0 is stale, it is at 7")
DRIVES = ErrorDescription("OnroadError", "onroad: jobs wait until it is parked")
WRONG = ErrorDescription("DeviceUnhealthyError", "the canary's answer is another one")
KILLED = ErrorDescription("NotRun", "not run")
KINDS = (DeviceKind.MICI, DeviceKind.TIZI)
DEADLINE_S, CANARY_S = 60.0, 20.0
LEASE_S, PATIENCE_S, AGEING_S = 30.0, 10.0, 1800.0


def work(name: str, cost_s: float = 1.0, kind: DeviceKind = DeviceKind.MICI, **changes: Any) -> Work:
    return replace(Work(name, kind, (), (), "{}", (), CODE, cost_s, DEADLINE_S), **changes)


def device(name: str, kind: DeviceKind = DeviceKind.MICI, slots: int = 1, tags: tuple[str, ...] = ()) -> Device:
    return Device(name, kind, "127.0.0.1", 22, "comma", "key", "ssh-ed25519 AAAA", "work", "python", slots, tags)


def canary(kind: DeviceKind) -> Work:
    return work(f"canary-{kind}", 8.0, kind, deadline_s=CANARY_S, canary=True)


@dataclass
class SharedShelf:
    """What several runs share, in memory: the promises of the real one, with its own policy of turns."""

    devices: dict[str, Device]
    held: dict[tuple[str, int], tuple[str, int, float]] = field(default_factory=dict)
    epochs: dict[tuple[str, int], int] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    priorities: dict[str, Priority] = field(default_factory=dict)
    wants: dict[str, tuple[Want, ...]] = field(default_factory=dict)
    served_s: dict[str, float] = field(default_factory=dict)
    offered_s: dict[tuple[str, int, str], float] = field(default_factory=dict)

    def acquire(self, holder: str, ask: Ask, now_s: float) -> int | None:
        place = ask.device, ask.slot
        self.offered_s.pop((*place, holder), None)
        if place in self.held and self.held[place][2] >= now_s:
            return None
        if self.health.get(ask.device) in {Health.QUARANTINED, Health.DISABLED} and not ask.proving:
            return None
        claims = [
            Claim(name, self.priorities[name], self._count(name), now_s - self.served_s.get(name, 0.0))
            for name in self.priorities
            if name == holder
            or (
                any(want.device_kind is ask.kind and set(want.tags) <= set(ask.tags) for want in self.wants[name])
                and now_s - self.offered_s.get((*place, name), now_s) < PATIENCE_S
            )
        ]
        turn = whose_turn(claims, AGEING_S)
        if turn not in {None, holder}:
            self.offered_s.setdefault((*place, str(turn)), now_s)
            return None
        self.served_s[holder] = now_s
        epoch = self.epochs[place] = max(self.epochs.get(place, 0), ask.least_epoch) + 1
        self.held[place] = holder, epoch, now_s + min(LEASE_S, ask.for_s)
        return epoch

    def release(self, holder: str, place: tuple[str, int], epoch: int) -> None:
        if self.held.get(place, ("", 0, 0.0))[:2] == (holder, epoch):
            del self.held[place]

    def renew(self, holder: str, now_s: float) -> list[tuple[str, int, int]]:
        """Those of its leases that are over."""
        lost = []
        for place, (who, epoch, until_s) in list(self.held.items()):
            if who == holder and until_s < now_s:
                del self.held[place]
                lost.append((*place, epoch))
            elif who == holder:
                self.held[place] = who, epoch, now_s + LEASE_S
        return lost

    def _count(self, name: str) -> int:
        return sum(who == name for who, _, _ in self.held.values())


@dataclass
class Truth:
    """What a device really is, and what runs there. `agents` are the last epochs it accepted, a slot each.

    A bad one fails its canary, a shaky one is lost now and then, a contested one is always under a newer epoch, and a
    driven one's car is never parked.
    """

    device: Device
    bad: bool = False
    shaky: bool = False
    contested: bool = False
    driven: bool = False
    agents: dict[int, int] = field(default_factory=dict)
    busy: dict[int, tuple[str, int]] = field(default_factory=dict)


@dataclass
class Run:
    """One run: its scheduler, and what the world remembers to hold it to its word."""

    name: str
    scheduler: Scheduler
    works: dict[str, Work]
    canaries: dict[str, Work]
    up: set[str] = field(default_factory=set)
    connections: dict[str, int] = field(default_factory=dict)
    trusted: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    recovering: set[str] = field(default_factory=set)
    unjudged: dict[str, int] = field(default_factory=dict)
    turned_away: dict[str, int] = field(default_factory=dict)
    granted: set[tuple[str, int, int]] = field(default_factory=set)
    running: dict[tuple[str, int], Start] = field(default_factory=dict)
    lost: set[tuple[str, int, int]] = field(default_factory=set)
    killed: set[tuple[str, int, int]] = field(default_factory=set)
    ran_s: dict[tuple[str, int, int], float] = field(default_factory=dict)
    spent_s: dict[str, float] = field(default_factory=dict)
    finished: dict[str, Finish] = field(default_factory=dict)
    late: list[WorkDone | WorkFailed | LeaseLost] = field(default_factory=list)
    known: dict[tuple[str, int], int] = field(default_factory=dict)
    denied_s: dict[str, float] = field(default_factory=dict)
    renewed_s: float = 0.0
    told_s: float = 0.0
    drops: set[str] = field(default_factory=set)
    submits: list[tuple[Work, ...]] = field(default_factory=list)
    stopped: bool = False
    left: bool = False

    @property
    def over(self) -> bool:
        """Everything it had to do has ended."""
        return self.scheduler.finished and not self.submits


class World:
    """A closet in which everything that can go wrong does, from a seed. `play` until every run is over."""

    def __init__(self, seed: int, scheduler: type[Scheduler] = Scheduler) -> None:
        rng = self.rng = random.Random(seed)
        self.now_s, self.sequence = 0.0, 0
        self.heap: list[tuple[float, int, Run, Any]] = []
        self.calm = rng.random() < 0.2
        self.stops = rng.random() < 0.1
        with_canaries = rng.random() < 0.8
        self.truths = {
            name: Truth(
                device(
                    name, rng.choice(KINDS), rng.choice((1, 1, 2, 3)), tuple(sorted(rng.sample("xy", rng.randrange(3))))
                ),
                bad=not self.calm and rng.random() < 0.2,
                shaky=not self.calm and rng.random() < 0.2,
                contested=not self.calm and rng.random() < 0.05,
                driven=not self.calm and rng.random() < 0.05,
            )
            for name in (f"d{number}" for number in range(rng.randrange(1, 5)))
        }
        self.shelf = SharedShelf({name: truth.device for name, truth in self.truths.items()})
        self.counts = dict.fromkeys(("ok", "failed", "retried", "late", "lost", "canary", "quarantined"), 0)
        devices = [truth.device for truth in self.truths.values()]
        canaries = {entry.name: canary(entry.kind) for entry in devices} if with_canaries else {}
        self.runs: list[Run] = []
        for number in range(rng.choice((1, 1, 2, 3))):
            name = f"run{number}"
            works = self._works(name)
            made = scheduler(
                devices,
                canaries=canaries,
                recoverable=frozenset(rng.sample(sorted(self.truths), 1) if rng.random() < 0.2 else ()),
                uses={entry.name: rng.randrange(3) for entry in devices},
                max_attempts=rng.choice((1, 2, 3, 3)),
            )
            run = Run(name, made, {entry.id: entry for entry in works}, canaries)
            self.runs.append(run)
            self.shelf.priorities[name] = rng.choice((Priority.NIGHTLY, Priority.PROMPT))
            self.shelf.wants[name] = ()
            later = works if rng.random() < 0.8 else works[: len(works) // 2]
            rest = tuple(entry for entry in works if entry not in later)
            run.submits = [tuple(later), rest] if rest else [tuple(later)]
            for truth in self.truths.values():
                self._connect(run, truth, first=True)

    def _works(self, run: str) -> list[Work]:
        rng = self.rng
        blobs = [Blob(f"{number:064d}", rng.randrange(1, 100)) for number in range(4)]
        works = []
        for number in range(rng.randrange(0, 8)):
            host = rng.choice(list(self.truths.values())).device
            poison = rng.choice(("", "", "", "", "", "-crash", "-hang", "-sick", "-data"))
            works.append(
                work(
                    f"{run}-{number}{'' if self.calm else poison}",
                    rng.choice((1.0, 2.0, 50.0)),
                    host.kind,
                    tags=tuple(rng.sample(host.tags, rng.randrange(len(host.tags) + 1))),
                    blobs=tuple(rng.sample(blobs, rng.randrange(4))),
                    only_devices=(host.name,) if rng.random() < 0.1 else (),
                )
            )
        return works

    # ---- time ------------------------------------------------------------------------------------------------------

    def play(self, most_events: int = 6000) -> World:
        rng = self.rng
        for _ in range(most_events):
            if all(run.over for run in self.runs):
                break
            for run in self.runs:
                if not run.left and self.now_s - run.renewed_s > 10.0 and (self.calm or rng.random() > 0.05):
                    self._renew(run)
            if self.heap and (rng.random() < 0.8 or self.heap[0][0] <= self.now_s):
                due_s, _, run, event = heapq.heappop(self.heap)
                self.now_s = max(self.now_s, due_s)
                if not run.left:
                    self._deliver(run, event)
                continue
            run = rng.choice([entry for entry in self.runs if not entry.over])
            ahead_s = rng.choice((0.0, 0.3, 0.7, 2.5))
            if not self.calm and rng.random() < 0.01:
                ahead_s = rng.choice((60.0, 3600.0))  # the machine slept, or was held up
            self.now_s += ahead_s
            self._happens(run)
            self._deliver(run, Tick())
        assert all(run.over for run in self.runs), "a run starves"
        assert not self.shelf.held, "a lease is left"
        return self

    def _soon(self, run: Run, event: Any, within_s: float = 1.0, after_s: float = 0.0) -> None:
        self.sequence += 1
        due_s = self.now_s + after_s + self.rng.random() * within_s
        heapq.heappush(self.heap, (due_s, self.sequence, run, event))

    def _happens(self, run: Run) -> None:
        """What befalls a run from outside."""
        rng = self.rng
        if run.submits and rng.random() < 0.3:
            self._deliver(run, Submit(run.submits.pop(0)))
        if self.calm:
            return
        if run.up and rng.random() < 0.05:
            name = rng.choice(sorted(run.up))
            if self.truths[name].shaky:
                self._lose(run, name)
        if run.late and rng.random() < 0.3:
            self._deliver_late(run, rng.choice(run.late))
        if rng.random() < 0.02:
            truth = rng.choice(list(self.truths.values()))
            slot = rng.randrange(truth.device.slots)
            if slot not in truth.busy:  # somebody with a shelf of his own used it
                truth.agents[slot] = truth.agents.get(slot, 0) + rng.randrange(1, 5)
        if rng.random() < 0.01:
            self._deliver(run, Suspicion(rng.choice(sorted(self.truths)), "somebody says so"))
        if rng.random() < 0.01:
            self._deliver(run, CanaryDue(rng.choice(sorted(self.truths))))
        if rng.random() < 0.02:
            name = rng.choice(sorted(self.truths))
            self.shelf.health[name] = rng.choice((Health.QUARANTINED, Health.DISABLED, Health.UNKNOWN))
            self._tell_health(name)
        if self.stops and rng.random() < 0.01 and not run.stopped:
            run.stopped = True
            self._deliver(run, Stop())

    def _tell_health(self, name: str, but: Run | None = None) -> None:
        state = self.shelf.health[name]
        for run in self.runs:
            if run is not but:
                self.sequence += 1
                run.told_s = max(run.told_s, self.now_s + 10.0 * self.rng.random())  # in their order
                event = HealthSeen(name, state, "as the shelf says")
                heapq.heappush(self.heap, (run.told_s, self.sequence, run, event))

    def _renew(self, run: Run) -> None:
        run.renewed_s = self.now_s
        for name, slot, epoch in self.shelf.renew(run.name, self.now_s):
            self.counts["lost"] += 1
            self._soon(run, LeaseLost(name, slot, epoch), 0.1)
            run.late.append(LeaseLost(name, slot, epoch))

    # ---- devices ---------------------------------------------------------------------------------------------------

    def _connect(self, run: Run, truth: Truth, *, first: bool = False) -> None:
        rng, name = self.rng, truth.device.name
        if first and not self.calm and rng.random() < 0.15:
            self._soon(run, DeviceDown(name, LOST), 5.0)
            if rng.random() < 0.5:
                self._soon(run, "connect " + name, 60.0, after_s=5.0)
            return
        self._soon(run, "connect " + name, 5.0)

    def _reconnect(self, run: Run, name: str) -> None:
        run.gone.discard(name)
        if name not in run.up:
            self._soon(run, "connect " + name if self.rng.random() < 0.7 else DeviceDown(name, LOST), 5.0)

    def _come_up(self, run: Run, name: str) -> None:
        truth = self.truths[name]
        run.up.add(name)
        run.connections[name] = run.connections.get(name, 0) + 1
        proved = run.connections[name] == 1 and self.rng.random() < 0.3
        if proved and name not in run.blocked and self.shelf.health.get(name) is not Health.SUSPECT:
            run.trusted.add(name)
        epochs = tuple(truth.agents.get(slot, 0) for slot in range(truth.device.slots))
        self._deliver(run, DeviceUp(name, epochs, frozenset(), proved=name in run.trusted))

    def _lose(self, run: Run, name: str) -> None:
        run.up.discard(name)
        run.trusted.discard(name)
        run.drops.add(name)
        returns = self.rng.random() < 0.7
        for place, started in list(run.running.items()):
            if place[0] == name:
                self._ended(run, started)
                run.late.append(WorkFailed(*place, started.epoch, LOST))
        self._deliver(run, DeviceDown(name, LOST, returns))
        if returns or self.rng.random() < 0.5:
            self._soon(run, "connect " + name, 30.0)

    # ---- the conversation ------------------------------------------------------------------------------------------

    def _deliver(self, run: Run, event: Any) -> None:
        if isinstance(event, str):
            if event.removeprefix("connect ") not in run.up:
                self._come_up(run, event.removeprefix("connect "))
            return
        started = run.running.get((event.device, event.slot)) if hasattr(event, "slot") else None
        if isinstance(event, WorkDone | WorkFailed):
            if started is None or started.epoch != event.epoch:
                self._deliver_late(run, event)
                return
            self._ended(run, started)
            self._learn(run, started, event)
        elif isinstance(event, Denied):
            run.denied_s[event.device] = self.now_s
        elif isinstance(event, WorkRuns):
            run.ran_s[event.device, event.slot, event.epoch] = self.now_s
        else:
            self._note(run, event)
        self._obey(run, run.scheduler.handle(event, self.now_s), event)
        if isinstance(event, LeaseLost) and started is not None and started.epoch == event.epoch:
            assert (started.device, started.slot, started.epoch) in run.killed, "goes on without a lease"

    def _note(self, run: Run, event: Any) -> None:
        """What the scheduler is told about a device."""
        match event:
            case HealthSeen():
                self._heard(run, event)
            case Suspicion(name) | CanaryDue(name):
                run.trusted.discard(name)
            case Recovered(name, error):
                run.recovering.discard(name)
                if error is None:
                    run.blocked.discard(name)
                    run.trusted.discard(name)
            case LeaseLost(name, slot, epoch):
                run.lost.add((name, slot, epoch))
            case DeviceDown(name, _, returns):
                run.gone = run.gone - {name} if returns else run.gone | {name}
            case DeviceUp(name):
                run.gone.discard(name)

    def _deliver_late(self, run: Run, event: WorkDone | WorkFailed | LeaseLost) -> None:
        """An answer under an epoch that is over: nothing may end, start or be judged by it."""
        started = run.running.get((event.device, event.slot))
        if started is not None and started.epoch == event.epoch:
            return
        self.counts["late"] += 1
        before = {name: len(item.attempts) for name, item in run.scheduler._works._items.items()}
        done = run.scheduler.handle(event, self.now_s)
        wrong = [entry for entry in done if not isinstance(entry, Ask | StageAhead)]
        assert not wrong, f"a late answer does {wrong}"
        assert before == {name: len(item.attempts) for name, item in run.scheduler._works._items.items()}
        self._obey(run, done, event)

    def _heard(self, run: Run, event: HealthSeen) -> None:
        if not event.given_out:
            run.blocked.add(event.device)
            run.trusted.discard(event.device)
        elif event.device in run.blocked:
            run.unjudged.pop(event.device, None)
            run.turned_away.pop(event.device, None)
            run.blocked.discard(event.device)
            run.trusted.discard(event.device)
        elif event.state is Health.SUSPECT:
            run.trusted.discard(event.device)
        elif event.state is Health.HEALTHY:
            run.trusted.add(event.device)  # perhaps: the scheduler may still doubt it, and is free to

    def _learn(self, run: Run, started: Start, event: WorkDone | WorkFailed) -> None:
        """What the scheduler must know of the device from this answer on."""
        name = event.device
        if isinstance(event, WorkFailed):
            run.known[name, event.slot] = max(run.known.get((name, event.slot), 0), event.known_epoch)
        if (name, event.slot, event.epoch) in run.killed:
            return
        if started.work.canary and isinstance(event, WorkFailed) and event.error is STALE:
            run.unjudged[name] = run.unjudged.get(name, 0) + 1
        elif started.work.canary and isinstance(event, WorkFailed) and event.error is DRIVES:
            run.turned_away[name] = run.turned_away.get(name, 0) + 1
            return
        elif started.work.canary:
            run.turned_away.pop(name, None)
            if name not in run.blocked:
                run.unjudged.pop(name, None)
        if isinstance(event, WorkDone):
            if started.work.canary and name not in run.blocked:
                run.trusted.add(name)
                if self.shelf.health.get(name) not in {Health.QUARANTINED, Health.DISABLED}:
                    self.shelf.health[name] = Health.HEALTHY
                    self._tell_health(name, but=run)
        elif event.error in {FULL, SICK, SLOW, WRONG, LOST} and not started.work.canary:
            run.trusted.discard(name)

    def _ended(self, run: Run, started: Start) -> None:
        place = started.device, started.slot
        del run.running[place]
        busy = self.truths[started.device].busy
        if busy.get(started.slot) == (run.name, started.epoch):
            del busy[started.slot]
        ran_s = run.ran_s.pop((*place, started.epoch), None)
        if ran_s is not None and not started.work.canary and (*place, started.epoch) not in run.killed:
            run.spent_s[started.work.id] = run.spent_s.get(started.work.id, 0.0) + self.now_s - ran_s

    def _obey(self, run: Run, instructions: list[Any], because: Any) -> None:
        for instruction in instructions:
            match instruction:
                case Ask():
                    self._asked(run, instruction)
                case GiveBack(name, slot, epoch):
                    assert (name, slot, epoch) in run.granted, "given back what was not ours"
                    run.granted.discard((name, slot, epoch))
                    self.shelf.release(run.name, (name, slot), epoch)
                case Start():
                    self._started(run, instruction)
                case StageAhead(_, name):
                    assert name in run.up, "files for a device that is not there"
                case Kill(name, slot, epoch):
                    self._killed(run, name, slot, epoch, because)
                case SetHealth(name, state, _):
                    self._judged(run, name, state)
                case Recover(name, _):
                    assert name in run.blocked
                    run.recovering.add(name)
                    self._soon(run, Recovered(name, self.rng.choice((None, SICK))), 60.0)
                    self.shelf.health[name] = Health.UNKNOWN
                case Reconnect(name):
                    self._reconnect(run, name)
                case Finish():
                    self._finished(run, instruction)
        self.shelf.wants[run.name] = run.scheduler.wants()
        waiting = [item.work for item in run.scheduler._works._items.values() if item.waiting]
        assert waiting or not self.shelf.wants[run.name], "wants what it has no work for"
        for entry in waiting:
            able = [name for name, truth in self.truths.items() if can_run(entry, truth.device)]
            assert not all(self._hopeless(run, name) for name in able), "waits for nobody"
        if run.over and not run.left:
            self._leave(run)

    def _hopeless(self, run: Run, name: str) -> bool:
        """Nothing says that the device will come, or be given out again."""
        away = (name in run.blocked or name in run.gone) and name not in run.recovering
        left_alone = run.unjudged.get(name, 0) >= 3 or run.turned_away.get(name, 0) >= 30
        return away or left_alone

    def _asked(self, run: Run, ask: Ask) -> None:
        assert not run.stopped, "a stopped run asks"
        assert ask.least_epoch >= run.known.get((ask.device, ask.slot), 0), "an epoch that is known to be stale"
        assert ask.device in run.up, "asked for a device that is not there"
        assert ask.device not in run.blocked, "asked for a device that is not given out"
        assert self.now_s - run.denied_s.get(ask.device, -1.0) >= 0.5, "asked again at once"
        epoch = self.shelf.acquire(run.name, ask, self.now_s)
        if not self.calm and self.rng.random() < 0.05:  # the database was locked
            if epoch is not None:
                self.shelf.release(run.name, (ask.device, ask.slot), epoch)
            epoch = None
        if epoch is None:
            self._soon(run, Denied(ask.device, ask.slot), 0.05)
            return
        run.granted.add((ask.device, ask.slot, epoch))
        self._soon(run, Granted(ask.device, ask.slot, epoch), 0.3)

    def _started(self, run: Run, start: Start) -> None:
        place = start.device, start.slot
        truth = self.truths[start.device]
        assert (*place, start.epoch) in run.granted, "started without a lease"
        assert (*place, start.epoch) not in run.lost, "started under a lease that is lost"
        assert place not in run.running, "a slot is used twice"
        assert start.device in run.up, "a device that is not there is used"
        assert start.device not in run.blocked, "a device that is not given out is used"
        assert not run.stopped, "a stopped run starts"
        assert can_run(start.work, truth.device) or start.work.canary
        here = [entry for (name, _), entry in run.running.items() if name == start.device]
        if start.work.canary:
            assert start.slot == 0
            assert not here, "a canary is not alone"
            self.counts["canary"] += 1
        else:
            assert start.work.id not in run.finished
            canaries = [entry for entry in here if entry.work.canary]
            assert all((entry.device, entry.slot, entry.epoch) in run.killed for entry in canaries), "beside a canary"
            assert start.device in run.trusted or start.device not in run.canaries, "not proved"
            unkilled = [
                entry.work.id
                for entry in run.running.values()
                if (entry.device, entry.slot, entry.epoch) not in run.killed
            ]
            assert start.work.id not in unkilled, "a work runs twice"
            left_s = start.work.deadline_s - run.spent_s.get(start.work.id, 0.0)
            assert 0 < start.deadline_s <= left_s + 1e-6, "more than the deadline leaves"
        run.running[place] = start
        self._agent(run, truth, start)

    def _agent(self, run: Run, truth: Truth, start: Start) -> None:
        """The device's own guard, then what the job does there."""
        place = start.device, start.slot
        if start.epoch <= truth.agents.get(start.slot, 0) or truth.contested:
            truth.agents[start.slot] = max(start.epoch, truth.agents.get(start.slot, 0)) + truth.contested
            self._soon(run, WorkFailed(*place, start.epoch, STALE, known_epoch=truth.agents[start.slot]))
            return
        if start.slot in truth.busy:
            # An earlier holder that lost its lease is still at it: the new one waits, then is refused.
            self._soon(run, WorkFailed(*place, start.epoch, STALE), 5.0)
            return
        truth.agents[start.slot] = start.epoch
        truth.busy[start.slot] = run.name, start.epoch
        rng = self.rng
        answer: WorkDone | WorkFailed
        error = self._outcome(truth, start.work)
        if error is None:
            answer = WorkDone(*place, start.epoch)
        else:
            answer = WorkFailed(*place, start.epoch, error, answered=error is WRONG)
        if error is not DRIVES and rng.random() < 0.9:
            self._soon(run, WorkRuns(*place, start.epoch), 0.2)
        if not self.calm and rng.random() < 0.02:
            run.drops |= {start.device} if start.work.canary else set()
            return  # it never answers: the scheduler has to notice
        takes_s = start.deadline_s if error is SLOW else min(start.work.cost_s, start.deadline_s)
        self.sequence += 1
        heapq.heappush(self.heap, (self.now_s + 0.2 + takes_s, self.sequence, run, answer))

    def _outcome(self, truth: Truth, entry: Work) -> ErrorDescription | None:
        rng = self.rng
        if entry.canary:
            if truth.driven or (not self.calm and rng.random() < 0.05):
                return DRIVES
            return WRONG if truth.bad else None
        poison = {"-crash": CRASH, "-hang": SLOW, "-sick": SICK, "-data": DATA}
        for ending, error in poison.items():
            if entry.id.endswith(ending):
                return error
        if self.calm:
            return None
        if truth.driven:
            return DRIVES
        if truth.bad:
            return rng.choice((None, CRASH, FULL, SLOW))
        return rng.choice((None,) * 12 + (CRASH, FULL, DATA, SLOW, DRIVES))

    def _killed(self, run: Run, name: str, slot: int, epoch: int, because: Any) -> None:
        started = run.running[name, slot]
        assert started.epoch == epoch
        key = name, slot, epoch
        ran_s = run.ran_s.get(key)
        if ran_s is not None and not started.work.canary:
            run.spent_s[started.work.id] = run.spent_s.get(started.work.id, 0.0) + self.now_s - ran_s
        run.killed.add(key)
        if isinstance(because, Tick):  # no answer came in time
            run.trusted.discard(name)
            if started.work.canary:
                run.turned_away.pop(name, None)
        self._soon(run, WorkFailed(name, slot, epoch, KILLED), 5.0)

    def _judged(self, run: Run, name: str, state: Health) -> None:
        if state is Health.QUARANTINED:
            self.counts["quarantined"] += 1
            # What it did to earn that is never a job's doing: only its own canary, or its own connection.
            assert self.truths[name].bad or name in run.drops or self.truths[name].shaky, "a healthy device"
            run.blocked.add(name)
        if state is not Health.HEALTHY:
            run.trusted.discard(name)
        self.shelf.health[name] = state
        self._tell_health(name, but=run)

    def _finished(self, run: Run, finish: Finish) -> None:
        assert finish.work_id not in run.finished, "a work ends twice"
        run.finished[finish.work_id] = finish
        assert (finish.error is None) == bool(finish.attempts and finish.attempts[-1].error is None)
        assert len(finish.attempts) <= 3
        self.counts["ok" if finish.error is None else "failed"] += 1
        self.counts["retried"] += len(finish.attempts) > 1

    def _leave(self, run: Run) -> None:
        """As the pool does at its end: what still runs (a canary) is killed, everything is given back."""
        run.left = True
        self.shelf.priorities.pop(run.name, None)
        for place, (holder, epoch, _) in list(self.shelf.held.items()):
            if holder == run.name:
                self.shelf.release(run.name, place, epoch)
        for truth in self.truths.values():
            truth.busy = {slot: who for slot, who in truth.busy.items() if who[0] != run.name}
