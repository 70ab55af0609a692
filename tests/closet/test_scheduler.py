from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.closet.events import (
    DeviceDown,
    DeviceUp,
    Finish,
    Kill,
    StageAhead,
    Start,
    Stop,
    Tick,
    WorkDone,
    WorkFailed,
)
from harness.closet.scheduler import Scheduler, can_run
from harness.closet.work import Work
from harness.domain import Blob, Device, DeviceKind
from harness.errors import ConfigError, ErrorDescription

CRASH = ErrorDescription("ProductCrashError", "killed by SIGSEGV")
LOST = ErrorDescription("UnreachableError", "no heartbeat for 10 s")
FULL = ErrorDescription("StagingFailedError", "disk full: 0 MB free of 62 MB needed")
DATA = ErrorDescription("DataError", "a blob is missing")
CODE = Blob("c" * 64, 10)


def work(name: str, cost_s: float = 1.0, kind: DeviceKind = DeviceKind.MICI, **changes) -> Work:
    return replace(Work(name, kind, (), (), "{}", (), CODE, cost_s, 60.0), **changes)


def device(name: str, kind: DeviceKind = DeviceKind.MICI, slots: int = 1, tags: tuple[str, ...] = ()) -> Device:
    return Device(name, kind, "127.0.0.1", 22, "comma", "key", "ssh-ed25519 AAAA", "work", "python", slots, tags)


def starts(instructions) -> list[tuple[str, str, int, int]]:
    return [(i.work.id, i.device, i.slot, i.epoch) for i in instructions if isinstance(i, Start)]


def finishes(instructions) -> dict[str, Finish]:
    return {i.work_id: i for i in instructions if isinstance(i, Finish)}


def test_longest_first_and_one_lease_a_slot() -> None:
    scheduler = Scheduler([work("a", 1), work("b", 9), work("c", 5)], [device("d", slots=2)])
    assert starts(scheduler.handle(DeviceUp("d"), 0.0)) == [("b", "d", 0, 1), ("c", "d", 1, 1)]
    assert starts(scheduler.handle(WorkDone("d", 0, 1), 1.0)) == [("a", "d", 0, 2)]


def test_prefers_the_device_that_holds_the_blobs() -> None:
    blobs = [Blob(f"{n}" * 64, 100) for n in range(2)]
    works = [work("a", 10, blobs=(blobs[0],)), work("b", 9, blobs=(blobs[1],))]
    scheduler = Scheduler(works, [device("d0"), device("d1")])
    assert starts(scheduler.handle(DeviceUp("d0", (), frozenset({blobs[1].sha256})), 0.0)) == [("b", "d0", 0, 1)]
    assert starts(scheduler.handle(DeviceUp("d1", (), frozenset({blobs[0].sha256})), 0.0)) == [("a", "d1", 0, 1)]


def test_much_longer_work_comes_first_whatever_is_held() -> None:
    blob = Blob("1" * 64, 100)
    scheduler = Scheduler(
        [work("long", 100, blobs=(Blob("2" * 64, 5),)), work("short", 1, blobs=(blob,))], [device("d")]
    )
    assert starts(scheduler.handle(DeviceUp("d", (), frozenset({blob.sha256})), 0.0))[0][0] == "long"


def test_the_next_blobs_are_brought_while_the_device_is_busy() -> None:
    works = [work(f"w{n}", 10.0 - n, blobs=(Blob(f"{n}" * 64, 100),)) for n in range(4)]
    scheduler = Scheduler(works, [device("d0"), device("d1")])
    assert starts(scheduler.handle(DeviceUp("d0"), 0.0)) == [("w0", "d0", 0, 1)]
    instructions = scheduler.handle(DeviceUp("d1"), 0.0)
    assert starts(instructions) == [("w1", "d1", 0, 1)]
    assert [(i.work.id, i.device) for i in instructions if isinstance(i, StageAhead)] == [("w2", "d0"), ("w3", "d1")]
    after = scheduler.handle(WorkDone("d1", 0, 1), 1.0)
    assert starts(after) == [("w3", "d1", 0, 2)], "its own blobs are there, and both are about equally long"
    assert not [i for i in after if isinstance(i, StageAhead)]


def test_epochs_go_on_from_what_the_device_knows() -> None:
    scheduler = Scheduler([work("a")], [device("d", slots=2)])
    assert starts(scheduler.handle(DeviceUp("d", (41, 7)), 0.0)) == [("a", "d", 0, 42)]


def test_kind_and_tags_must_fit() -> None:
    devices = [device("plain"), device("gpu", tags=("gpu", "rack1")), device("other", DeviceKind.TIZI, tags=("gpu",))]
    scheduler = Scheduler([work("a", tags=("gpu",))], devices)
    assert starts(scheduler.handle(DeviceUp("plain"), 0.0)) == []
    assert starts(scheduler.handle(DeviceUp("other"), 0.0)) == []
    assert starts(scheduler.handle(DeviceUp("gpu"), 0.0)) == [("a", "gpu", 0, 1)]


def test_a_label_nobody_has_is_refused_with_all_the_others() -> None:
    works = [work("a", tags=("gpu",)), work("b", kind=DeviceKind.TICI), work("c")]
    with pytest.raises(ConfigError, match="mici with tags gpu; tici"):
        Scheduler(works, [device("d")])


@pytest.mark.parametrize("twice", ["work", "device"])
def test_the_same_name_twice_is_refused(twice: str) -> None:
    with pytest.raises(ConfigError, match=f"{twice} a is there twice"):
        Scheduler([work("a")] * (1 + (twice == "work")), [device("a")] * (1 + (twice == "device")))


def test_an_infrastructure_error_is_tried_elsewhere_and_both_attempts_are_kept() -> None:
    scheduler = Scheduler([work("a")], [device("d0"), device("d1")])
    scheduler.handle(DeviceUp("d0"), 0.0)
    assert starts(scheduler.handle(WorkFailed("d0", 0, 1, FULL, {}, "tail"), 2.0)) == [], "d1 may still come"
    assert starts(scheduler.handle(DeviceUp("d1"), 3.0)) == [("a", "d1", 0, 1)]
    done = finishes(scheduler.handle(WorkDone("d1", 0, 1, {"run_s": 1.0}), 5.0))["a"]
    assert done.error is None
    assert [(a.device, a.epoch, a.started_s, a.ended_s, a.error, a.log_tail) for a in done.attempts] == [
        ("d0", 1, 0.0, 2.0, FULL, "tail"),
        ("d1", 1, 3.0, 5.0, None, ""),
    ]
    assert scheduler.finished


def test_the_only_device_of_a_kind_gets_it_twice() -> None:
    scheduler = Scheduler([work("a")], [device("d0"), device("d1")])
    scheduler.handle(DeviceUp("d0"), 0.0)
    scheduler.handle(WorkFailed("d0", 0, 1, FULL), 1.0)
    assert starts(scheduler.handle(DeviceDown("d1", LOST), 2.0)) == [("a", "d0", 0, 2)]
    done = finishes(scheduler.handle(WorkFailed("d0", 0, 2, LOST), 3.0))["a"]
    assert done.error == FULL, "the first specific cause is kept"


@pytest.mark.parametrize(("others", "words"), [(1, "crashed on d0 and on d1"), (0, "crashed 2 times on d0")])
def test_a_crash_that_repeats_is_reported_as_the_products(others: int, words: str) -> None:
    devices = [device(f"d{n}") for n in range(others + 1)]
    scheduler = Scheduler([work("a")], devices)
    for entry in devices:
        scheduler.handle(DeviceUp(entry.name), 0.0)
    again = starts(scheduler.handle(WorkFailed("d0", 0, 1, CRASH), 1.0))
    assert again[0][1] == devices[-1].name
    error = finishes(scheduler.handle(WorkFailed(again[0][1], 0, again[0][3], CRASH), 2.0))["a"].error
    assert error is not None
    assert error.kind == "ProductCrashError"
    assert words in error.problem
    assert "SIGSEGV" in error.problem


def test_a_crash_and_then_a_lost_device_gets_a_third_try() -> None:
    scheduler = Scheduler([work("a")], [device(f"d{n}") for n in range(3)])
    for n in range(3):
        scheduler.handle(DeviceUp(f"d{n}"), 0.0)
    scheduler.handle(WorkFailed("d0", 0, 1, CRASH), 1.0)
    assert starts(scheduler.handle(DeviceDown("d1", LOST), 2.0)) == [("a", "d2", 0, 1)]
    error = finishes(scheduler.handle(WorkFailed("d2", 0, 1, CRASH), 3.0))["a"].error
    assert error is not None
    assert "d0 and on d2" in error.problem


def test_an_error_that_no_device_can_help_is_final() -> None:
    scheduler = Scheduler([work("a")], [device("d0"), device("d1")])
    scheduler.handle(DeviceUp("d0"), 0.0)
    assert finishes(scheduler.handle(WorkFailed("d0", 0, 1, DATA), 1.0))["a"].error == DATA


def test_answers_under_an_old_epoch_change_nothing() -> None:
    scheduler = Scheduler([work("a"), work("b")], [device("d")])
    scheduler.handle(DeviceUp("d"), 0.0)
    scheduler.handle(DeviceDown("d", LOST, returns=True), 1.0)
    assert starts(scheduler.handle(DeviceUp("d", (1,)), 2.0)) != []
    for late in (WorkDone("d", 0, 1), WorkFailed("d", 0, 1, CRASH)):
        assert scheduler.handle(late, 3.0) == []


def test_when_every_device_is_gone_every_work_ends() -> None:
    scheduler = Scheduler([work("a"), work("b")], [device("d0"), device("d1")])
    assert scheduler.handle(DeviceDown("d0", LOST), 0.0) == []
    done = finishes(scheduler.handle(DeviceDown("d1", LOST), 0.0))
    assert set(done) == {"a", "b"}
    assert done["a"].error is not None
    assert done["a"].error.kind == "UnreachableError"
    assert "d0: no heartbeat" in done["a"].error.problem
    assert scheduler.finished


@pytest.mark.parametrize("known", [(1,), (0,), ()])
def test_a_device_that_will_return_is_waited_for_even_if_it_forgot_its_epochs(known: tuple[int, ...]) -> None:
    scheduler = Scheduler([work("a")], [device("d")])
    scheduler.handle(DeviceUp("d"), 0.0)
    assert scheduler.handle(DeviceDown("d", LOST, returns=True), 1.0) == []
    assert starts(scheduler.handle(DeviceUp("d", known), 2.0)) == [("a", "d", 0, 2)]


def test_an_answer_that_never_comes_is_killed_and_its_slot_waits_until_it_is_gone() -> None:
    scheduler = Scheduler([work("a", deadline_s=10.0), work("b")], [device("d")], max_attempts=1)
    (started,) = [i for i in scheduler.handle(DeviceUp("d"), 0.0) if isinstance(i, Start)]
    assert scheduler.handle(Tick(), started.hard_end_s) == []
    done = scheduler.handle(Tick(), started.hard_end_s + 0.1)
    assert Kill("d", 0, 1) in done
    assert finishes(done)["a"].error.kind == "DeviceTimeoutError"
    assert starts(done) == [], "it may still run there"
    assert starts(scheduler.handle(WorkDone("d", 0, 1), 500.0)) == [("b", "d", 0, 2)]


def test_stop_ends_what_waits_at_once_and_what_runs_when_it_is_gone() -> None:
    scheduler = Scheduler([work("a", 2), work("b", 1)], [device("d")])
    scheduler.handle(DeviceUp("d"), 0.0)
    done = scheduler.handle(Stop(), 1.0)
    assert [i for i in done if isinstance(i, Kill)] == [Kill("d", 0, 1)]
    assert set(finishes(done)) == {"b"}
    assert not scheduler.finished
    last = finishes(scheduler.handle(WorkFailed("d", 0, 1, LOST), 2.0))
    assert last["a"].error.kind == "NotRun"
    assert scheduler.finished
    assert scheduler.handle(Stop(), 3.0) == []


@dataclass
class World:
    """A random closet that answers a scheduler late, wrongly or never, and watches that it keeps its promises."""

    rng: random.Random
    works: list[Work]
    devices: list[Device]
    most_attempts: int
    running: dict[tuple[str, int], Start] = field(default_factory=dict)
    killed: set[tuple[str, int, int]] = field(default_factory=set)
    late: list[WorkDone | WorkFailed] = field(default_factory=list)
    finished: dict[str, Finish] = field(default_factory=dict)
    epochs: dict[tuple[str, int], int] = field(default_factory=dict)
    up: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def obey(self, instructions) -> None:
        by_name = {entry.name: entry for entry in self.devices}
        for instruction in instructions:
            match instruction:
                case Start(started, name, slot, epoch, _):
                    place = (name, slot)
                    assert place not in self.running, "a slot is used twice"
                    assert name in self.up, "a device that is not there is used"
                    assert slot < by_name[name].slots
                    assert can_run(started, by_name[name])
                    assert started.id not in self.finished
                    assert started.id not in self.unkilled(), "a work runs twice"
                    assert epoch > self.epochs.get(place, 0), "an epoch does not grow"
                    self.epochs[place] = epoch
                    self.running[place] = instruction
                case StageAhead(_, name):
                    assert name in self.up, "blobs for a device that is not there"
                case Kill(name, slot, epoch):
                    assert self.running[name, slot].epoch == epoch
                    self.killed.add((name, slot, epoch))
                case Finish(work_id, error, attempts):
                    assert work_id not in self.finished, "a work ends twice"
                    self.finished[work_id] = instruction
                    assert (error is None) == bool(attempts and attempts[-1].error is None)
                    assert len(attempts) <= self.most_attempts

    def unkilled(self) -> set[str]:
        """Works that run and were not told to end."""
        return {s.work.id for s in self.running.values() if (s.device, s.slot, s.epoch) not in self.killed}

    def answer(self, place: tuple[str, int]) -> WorkDone | WorkFailed:
        epoch = self.running.pop(place).epoch
        error = self.rng.choice([None, None, None, CRASH, LOST, FULL, DATA])
        return WorkDone(*place, epoch) if error is None else WorkFailed(*place, epoch, error)

    def next_event(self, stopping: bool):
        rng, chance = self.rng, self.rng.random()
        absent = [entry for entry in self.devices if entry.name not in self.up | self.gone]
        if absent and chance < 0.25:
            name = rng.choice(absent).name
            if rng.random() < 0.3:
                self.gone.add(name)
                return DeviceDown(name, LOST)
            self.up.add(name)
            slots = next(entry.slots for entry in self.devices if entry.name == name)
            known = tuple(self.epochs.get((name, slot), rng.randrange(3)) for slot in range(slots))
            self.epochs |= {(name, slot): epoch for slot, epoch in enumerate(known)}
            return DeviceUp(name, known)
        if self.up and chance < 0.33:
            name = rng.choice(sorted(self.up))
            self.up.discard(name)
            returns = rng.random() < 0.6
            if not returns:
                self.gone.add(name)
            for place in [place for place in self.running if place[0] == name]:
                self.late.append(self.answer(place))
            return DeviceDown(name, LOST, returns)
        if self.late and chance < 0.5:
            return rng.choice(self.late)  # and perhaps once more later
        if self.running and chance < 0.9:
            answer = self.answer(rng.choice(sorted(self.running)))
            if rng.random() < 0.3:
                self.late.append(answer)
            return answer
        return Stop() if stopping and chance > 0.97 else Tick()


def simulate(seed: int) -> World:
    rng = random.Random(seed)
    kinds = [DeviceKind.MICI, DeviceKind.TIZI]
    devices = [
        device(f"d{n}", rng.choice(kinds), rng.randrange(1, 4), tuple(sorted(rng.sample(["x", "y"], rng.randrange(3)))))
        for n in range(rng.randrange(1, 6))
    ]
    blobs = [Blob(f"{n:064d}", rng.randrange(1, 100)) for n in range(6)]
    works = []
    for n in range(rng.randrange(0, 12)):
        host = rng.choice(devices)
        tags = tuple(rng.sample(host.tags, rng.randrange(len(host.tags) + 1)))
        chosen = tuple(rng.sample(blobs, rng.randrange(4)))
        works.append(work(f"w{n}", rng.choice([1.0, 2.0, 50.0]), host.kind, tags=tags, blobs=chosen))
    max_attempts = rng.choice([1, 2, 2, 3])
    world = World(rng, works, devices, max_attempts + (max_attempts > 1))
    scheduler = Scheduler(works, devices, max_attempts)
    stopping = rng.random() < 0.2
    now_s = 0.0
    world.obey(scheduler.handle(Tick(), now_s))
    for _ in range(2000):
        if scheduler.finished:
            break
        now_s += rng.choice([0.0, 0.5, 3.0, 40.0])
        overdue = [place for place, started in world.running.items() if now_s > started.hard_end_s]
        event = world.next_event(stopping)
        instructions = scheduler.handle(event, now_s)
        if isinstance(event, Tick):
            assert {(i.device, i.slot) for i in instructions if isinstance(i, Kill)} <= set(world.running)
            assert len([i for i in instructions if isinstance(i, Kill)]) <= len(overdue)
        world.obey(instructions)
    assert scheduler.finished, f"closet {seed} never ends"
    return world


def test_random_closets_end_every_work_exactly_once() -> None:
    outcomes = {"ok": 0, "failed": 0, "retried": 0}
    for seed in range(3000):
        world = simulate(seed)
        assert set(world.finished) == {entry.id for entry in world.works}, seed
        for finish in world.finished.values():
            outcomes["ok" if finish.error is None else "failed"] += 1
            outcomes["retried"] += len(finish.attempts) > 1
    assert min(outcomes.values()) > 500, outcomes


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(min_value=10_000, max_value=10**9))
def test_the_same_events_give_the_same_instructions(seed: int) -> None:
    assert simulate(seed).finished == simulate(seed).finished


@given(costs=st.lists(st.integers(1, 1000), min_size=1, max_size=30), slots=st.integers(1, 5))
def test_longest_first_is_never_worse_than_its_bound(costs: list[int], slots: int) -> None:
    # Graham's bound for list scheduling on identical machines: 2 - 1/m of the optimum's lower bound.
    scheduler = Scheduler([work(f"w{n}", float(cost)) for n, cost in enumerate(costs)], [device("d", slots=slots)])
    cost_of = {f"w{n}": float(cost) for n, cost in enumerate(costs)}
    ends: dict[int, tuple[float, int]] = {}
    now_s, pending = 0.0, scheduler.handle(DeviceUp("d"), 0.0)
    while True:
        for name, _, slot, epoch in starts(pending):
            ends[slot] = (now_s + cost_of[name], epoch)
        if not ends:
            break
        slot = min(ends, key=lambda place: ends[place])
        now_s, epoch = ends.pop(slot)
        pending = scheduler.handle(WorkDone("d", slot, epoch), now_s)
    assert scheduler.finished
    assert now_s <= (2 - 1 / slots) * max(*costs, sum(costs) / slots) + 1e-9
