from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.closet.events import (
    Ask,
    DeviceUp,
    GiveBack,
    Granted,
    Kill,
    LeaseLost,
    StageAhead,
    Start,
    Stop,
    Submit,
    Tick,
    WorkDone,
    WorkFailed,
    WorkRuns,
)
from harness.closet.scheduler import Scheduler
from harness.closet.scheduler_errors import refuse_impossible, reported_error
from harness.closet.work import Work
from harness.domain import Blob, DeviceKind, Want
from harness.errors import ConfigError
from harness.verdict import Attempt
from tests.closet.desk import desk, finishes, starts
from tests.closet.simulation import CRASH, DATA, DRIVES, FULL, LOST, SLOW, STALE, device, work


def asks(instructions) -> list[tuple[str, int]]:
    return [(i.device, i.slot) for i in instructions if isinstance(i, Ask)]


def test_longest_first_and_one_lease_a_slot() -> None:
    shop = desk([work("a", 1), work("b", 9), work("c", 5)], [device("d", slots=2)])
    assert starts(shop.up("d")) == [("b", "d", 0, 1), ("c", "d", 1, 1)]
    done = shop.done("d", 0, 1, 1.0)
    assert GiveBack("d", 0, 1, "done") in done
    assert starts(done) == [("a", "d", 0, 2)]


def test_nothing_starts_before_it_is_granted_and_what_is_not_needed_is_given_back() -> None:
    scheduler = Scheduler([device("d")])
    scheduler.handle(DeviceUp("d"), 0.0)
    assert asks(scheduler.handle(Submit((work("a"),)), 0.0)) == [("d", 0)]
    assert scheduler.handle(Tick(), 100.0) == [], "asked once"
    assert starts(scheduler.handle(Granted("d", 0, 7), 100.0)) == [("a", "d", 0, 7)]
    assert asks(scheduler.handle(Submit((work("b"),)), 100.0)) == []
    assert asks(scheduler.handle(WorkDone("d", 0, 7), 101.0)) == [("d", 0)]
    scheduler.handle(Stop(), 102.0)
    assert scheduler.handle(Granted("d", 0, 8), 103.0) == [GiveBack("d", 0, 8, "not used")]


def test_no_more_slots_are_asked_for_than_there_are_works() -> None:
    shop = desk([work("a"), work("b")], [device(f"d{n}") for n in range(4)])
    shop.busy = {(f"d{n}", 0) for n in range(4)}
    told = [instruction for n in range(4) for instruction in shop.up(f"d{n}")]
    # Each denial frees the work for the next device: all are tried, none of them twice.
    assert sorted(asks(told)) == [("d0", 0), ("d1", 0), ("d2", 0), ("d3", 0)]
    scheduler = Scheduler([device("d", slots=4)])
    scheduler.handle(DeviceUp("d"), 0.0)
    assert asks(scheduler.handle(Submit((work("a"), work("b"))), 0.0)) == [("d", 0), ("d", 1)]


def test_a_slot_that_is_denied_is_asked_for_again_after_a_pause_that_grows() -> None:
    shop = desk([work("a")], [device("d")])
    shop.busy = {("d", 0)}
    shop.up("d")
    times = [0.25 * n for n in range(80) if asks(shop.tell(Tick(), 0.25 * n))]
    pauses = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    assert min(pauses) >= 0.6
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(2.0, abs=0.25)
    shop.busy.clear()
    assert starts(shop.tell(Tick(), 100.0)) == [("a", "d", 0, 1)]


def test_what_is_wanted_is_told_by_kind_and_tags_and_never_more_than_there_are_slots() -> None:
    devices = [device("d0", slots=2), device("d1", DeviceKind.TIZI, tags=("x",))]
    works = [work(f"w{n}") for n in range(5)] + [work("t", kind=DeviceKind.TIZI, tags=("x",))]
    shop = desk(works, devices)
    assert shop.scheduler.wants() == (
        Want(DeviceKind.MICI, (), 2),
        Want(DeviceKind.TIZI, ("x",), 1),
    )
    shop.up("d1")
    assert shop.scheduler.wants() == (Want(DeviceKind.MICI, (), 2),), "what runs is not waited for"
    shop.tell(Stop())
    assert shop.scheduler.wants() == ()


def test_prefers_the_device_that_holds_the_blobs() -> None:
    blobs = [Blob(f"{n}" * 64, 100) for n in range(2)]
    shop = desk([work("a", 10, blobs=(blobs[0],)), work("b", 9, blobs=(blobs[1],))], [device("d0"), device("d1")])
    assert starts(shop.up("d0", blobs=frozenset({blobs[1].sha256}))) == [("b", "d0", 0, 1)]
    assert starts(shop.up("d1", blobs=frozenset({blobs[0].sha256}))) == [("a", "d1", 0, 1)]


def test_much_longer_work_comes_first_whatever_is_held() -> None:
    blob = Blob("1" * 64, 100)
    works = [work("long", 100, blobs=(Blob("2" * 64, 5),)), work("short", 1, blobs=(blob,))]
    assert starts(desk(works, [device("d")]).up("d", blobs=frozenset({blob.sha256})))[0][0] == "long"


def test_wear_spreads_among_equals() -> None:
    devices = [device(f"d{n}") for n in range(3)]
    shop = desk([], devices, uses={"d0": 5, "d1": 3, "d2": 4})
    for entry in devices:
        shop.up(entry.name)
    used = []
    for number in range(6):
        (started,) = starts(shop.tell(Submit((work(f"w{number}"),))))
        used.append(started[1])
        shop.done(*started[1:])
    assert used == ["d1", "d1", "d2", "d0", "d1", "d2"]


def test_the_next_blobs_are_brought_while_the_device_is_busy() -> None:
    works = [work(f"w{n}", 10.0 - n, blobs=(Blob(f"{n}" * 64, 100),)) for n in range(4)]
    shop = desk(works, [device("d0"), device("d1")])
    assert starts(shop.up("d0")) == [("w0", "d0", 0, 1)]
    told = shop.up("d1")
    assert starts(told) == [("w1", "d1", 0, 1)]
    assert [(i.work.id, i.device) for i in told if isinstance(i, StageAhead)] == [("w2", "d0"), ("w3", "d1")]
    after = shop.done("d1", 0, 1, 1.0)
    assert starts(after) == [("w3", "d1", 0, 2)], "its own blobs are there, and both are about equally long"
    assert not [i for i in after if isinstance(i, StageAhead)]


def test_epochs_go_on_from_what_the_device_knows() -> None:
    shop = desk([work("a")], [device("d", slots=2)])
    assert starts(shop.up("d", epochs=(41, 7))) == [("a", "d", 0, 42)]


def test_a_refusal_as_stale_teaches_the_epoch() -> None:
    shop = desk([work("a")], [device("d")])
    shop.up("d")
    told = shop.tell(WorkFailed("d", 0, 1, STALE, known_epoch=7), 1.0)
    assert starts(told) == [("a", "d", 0, 8)]


def test_kind_tags_and_names_must_fit() -> None:
    devices = [device("plain"), device("gpu", tags=("gpu", "rack1")), device("other", DeviceKind.TIZI, tags=("gpu",))]
    shop = desk([work("a", tags=("gpu",))], devices)
    assert starts(shop.up("plain")) == []
    assert starts(shop.up("other")) == []
    assert starts(shop.up("gpu")) == [("a", "gpu", 0, 1)]
    assert starts(shop.tell(Submit((work("b", not_devices=("plain",)),)))) == []
    assert starts(shop.tell(Submit((work("c", only_devices=("plain",)),)))) == [("c", "plain", 0, 1)]
    assert starts(shop.done("gpu", 0, 1)) == [("b", "gpu", 0, 2)]


def test_a_label_nobody_has_is_refused_with_all_the_others() -> None:
    works = [
        work("a", tags=("gpu",)),
        work("b", kind=DeviceKind.TICI),
        work("c"),
        work("e", only_devices=("gone",)),
        work("f", not_devices=("d",)),
    ]
    with pytest.raises(ConfigError, match="mici named gone; mici other than d; mici with tags gpu; tici"):
        refuse_impossible(works, [device("d")])


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="device a is there twice"):
        Scheduler([device("a"), device("a")])
    with pytest.raises(ConfigError, match="work a is there twice"):
        refuse_impossible([work("a"), work("a")], [device("d")])
    shop = desk([work("a")], [device("d")])
    with pytest.raises(ConfigError, match="work a is there twice"):
        shop.tell(Submit((work("a"),)))


def test_a_work_that_ended_may_come_again() -> None:
    shop = desk([work("a")], [device("d")])
    shop.up("d")
    shop.done("d", 0, 1)
    assert shop.scheduler.finished
    assert starts(shop.tell(Submit((work("a"),)))) == [("a", "d", 0, 2)]
    assert not shop.scheduler.finished


def test_an_infrastructure_error_is_tried_elsewhere_and_both_attempts_are_kept() -> None:
    shop = desk([work("a")], [device("d0"), device("d1")])
    shop.up("d0")
    told = shop.tell(WorkFailed("d0", 0, 1, FULL, {}, "tail"), 2.0)
    assert GiveBack("d0", 0, 1, "StagingFailedError") in told
    assert starts(told) == [], "d1 may still come"
    assert starts(shop.up("d1", 3.0)) == [("a", "d1", 0, 1)]
    done = finishes(shop.tell(WorkDone("d1", 0, 1, {"run_s": 1.0}), 5.0))["a"]
    assert done.error is None
    assert [(a.device, a.epoch, a.started_s, a.ended_s, a.error, a.log_tail) for a in done.attempts] == [
        ("d0", 1, 0.0, 2.0, FULL, "tail"),
        ("d1", 1, 3.0, 5.0, None, ""),
    ]
    assert shop.scheduler.finished


def test_it_is_tried_on_three_devices_at_most() -> None:
    shop = desk([work("a")], [device(f"d{n}") for n in range(4)])
    seen = []
    for n in range(4):
        shop.up(f"d{n}")
    told = starts(shop.tell(Tick()))
    started = ("a", "d0", 0, 1)
    while True:
        seen.append(started[1])
        told = shop.failed(*started[1:], FULL)
        if not starts(told):
            break
        (started,) = starts(told)
    assert len(set(seen)) == len(seen) == 3
    assert finishes(told)["a"].error == FULL


def test_the_only_device_of_a_kind_gets_it_twice() -> None:
    shop = desk([work("a")], [device("d0"), device("d1")])
    shop.up("d0")
    shop.failed("d0", 0, 1, FULL, 1.0)
    assert starts(shop.down("d1", LOST, 2.0)) == [("a", "d0", 0, 2)]
    done = finishes(shop.failed("d0", 0, 2, LOST, 3.0))["a"]
    assert done.error == FULL, "the first specific cause is kept"


@pytest.mark.parametrize(("others", "words"), [(1, "crashed on d0 and on d1"), (0, "crashed 2 times on d0")])
def test_a_crash_that_repeats_is_reported_as_the_products(others: int, words: str) -> None:
    devices = [device(f"d{n}") for n in range(others + 1)]
    shop = desk([work("a")], devices)
    for entry in devices:
        shop.up(entry.name)
    again = starts(shop.failed("d0", 0, 1, CRASH, 1.0))
    assert again[0][1] == devices[-1].name
    error = finishes(shop.failed(again[0][1], 0, again[0][3], CRASH, 2.0))["a"].error
    assert error is not None
    assert error.kind == "ProductCrashError"
    assert words in error.problem
    assert "SIGSEGV" in error.problem


def test_a_crash_and_then_a_lost_device_gets_a_third_try() -> None:
    shop = desk([work("a")], [device(f"d{n}") for n in range(3)])
    for n in range(3):
        shop.up(f"d{n}")
    shop.failed("d0", 0, 1, CRASH, 1.0)
    assert starts(shop.down("d1", LOST, 2.0)) == [("a", "d2", 0, 1)]
    error = finishes(shop.failed("d2", 0, 1, CRASH, 3.0))["a"].error
    assert error is not None
    assert "d0 and on d2" in error.problem


def test_a_crash_that_nobody_could_confirm_is_an_error_of_the_lab_that_tells_of_it() -> None:
    shop = desk([work("a")], [device(f"d{n}") for n in range(3)])
    for n in range(3):
        shop.up(f"d{n}")
    shop.failed("d0", 0, 1, CRASH, 1.0)
    shop.down("d1", LOST, 2.0)
    error = finishes(shop.down("d2", LOST, 3.0))["a"].error
    assert error is not None
    assert error.kind == LOST.kind, "a broken lab is never a FAIL"
    assert "crashed on d0 (killed by SIGSEGV), and no other try could tell product from device" in error.problem
    assert error.problem.endswith(LOST.problem)


def test_a_crash_after_which_no_device_is_left_is_an_error_of_the_lab_too() -> None:
    shop = desk([work("a")], [device("d0")])
    shop.up("d0")
    done = shop.failed("d0", 0, 1, CRASH, 1.0)
    assert starts(done), "it is tried once more where it was"
    error = finishes(shop.down("d0", LOST, 2.0))["a"].error
    assert error is not None
    assert error.kind == LOST.kind
    assert reported_error([Attempt("", "d0", 1, 0.0, 1.0, CRASH)], FULL) == replace(
        FULL,
        problem="crashed on d0 (killed by SIGSEGV), and no other try could tell product from device: " + FULL.problem,
    )


def test_a_crash_that_had_no_second_try_says_so() -> None:
    shop = desk([work("a")], [device("d0"), device("d1")], max_attempts=1)
    shop.up("d0")
    error = finishes(shop.failed("d0", 0, 1, CRASH, 1.0))["a"].error
    assert error == replace(CRASH, problem="killed by SIGSEGV; crashed on d0, no second try told product from device")


def test_an_error_that_no_device_can_help_is_final() -> None:
    shop = desk([work("a")], [device("d0"), device("d1")])
    shop.up("d0")
    assert finishes(shop.failed("d0", 0, 1, DATA, 1.0))["a"].error == DATA


def test_all_tries_share_one_deadline() -> None:
    shop = desk([work("a", deadline_s=60.0)], [device(f"d{n}") for n in range(3)])
    (first,) = [i for i in shop.up("d0") if isinstance(i, Start)]
    assert first.deadline_s == 60.0
    shop.tell(WorkRuns("d0", 0, 1), 100.0)  # staging took its time: that has a margin of its own
    shop.failed("d0", 0, 1, FULL, 140.0)
    (second,) = [i for i in shop.up("d1", 150.0) if isinstance(i, Start)]
    assert second.deadline_s == pytest.approx(20.0)
    shop.tell(WorkRuns("d1", 0, 1), 150.0)
    shop.up("d2", 151.0)
    told = shop.failed("d1", 0, 1, SLOW, 170.0)
    assert starts(told) == [], "nothing is left of it"
    assert finishes(told)["a"].error == FULL


def test_a_device_that_is_driven_is_left_alone_and_that_is_no_try() -> None:
    shop = desk([work("a")], [device("d")])
    shop.up("d")
    told = shop.failed("d", 0, 1, DRIVES, 1.0)
    assert not starts(told)
    assert not finishes(told)
    assert not asks(shop.tell(Tick(), 50.0))
    assert starts(shop.tell(Tick(), 61.1)) == [("a", "d", 0, 2)]
    (done,) = finishes(shop.done("d", 0, 2, 62.0)).values()
    assert len(done.attempts) == 1


def test_a_device_that_is_driven_for_ever_ends_the_wait() -> None:
    shop = desk([work("a")], [device("d")])
    started, now_s = starts(shop.up("d")), 0.0
    told: list[object] = []
    while started:
        told = shop.failed(*started[0][1:], DRIVES, now_s)
        now_s += 61.0
        started = starts(shop.tell(Tick(), now_s))
    assert finishes(told)["a"].error == DRIVES
    assert 1000.0 < now_s < 4000.0


def test_answers_under_an_old_epoch_change_nothing() -> None:
    shop = desk([work("a"), work("b")], [device("d")])
    shop.up("d")
    shop.down("d", LOST, 1.0, returns=True)
    assert starts(shop.up("d", 2.0, epochs=(1,))) != []
    for late in (WorkDone("d", 0, 1), WorkFailed("d", 0, 1, CRASH), LeaseLost("d", 0, 1), WorkRuns("d", 0, 1)):
        assert shop.tell(late, 3.0) == []


def test_a_lost_lease_ends_the_job_and_it_is_tried_elsewhere_at_once() -> None:
    shop = desk([work("a")], [device("d0"), device("d1")])
    shop.up("d0")
    shop.up("d1")
    told = shop.tell(LeaseLost("d0", 0, 1), 5.0)
    assert Kill("d0", 0, 1) in told
    assert not [i for i in told if isinstance(i, GiveBack)], "it is not ours to give"
    assert starts(told) == [("a", "d1", 0, 1)]
    assert starts(shop.tell(Submit((work("b"),)), 6.0)) == [], "it may still run on d0"
    assert starts(shop.failed("d0", 0, 1, LOST, 7.0)) == [("b", "d0", 0, 2)]
    done = finishes(shop.done("d1", 0, 1, 8.0))["a"]
    assert [a.error.kind if a.error else "" for a in done.attempts] == ["LeaseLostError", ""]


def test_a_lease_that_was_lost_before_it_was_heard_of_starts_nothing() -> None:
    shop = desk([work("a")], [device("d")])
    assert asks(shop.scheduler.handle(DeviceUp("d"), 0.0)) == [("d", 0)]
    assert shop.scheduler.handle(LeaseLost("d", 0, 3), 40.0) == [], "this machine was held up meanwhile"
    assert shop.scheduler.handle(Granted("d", 0, 3), 40.0) == [GiveBack("d", 0, 3, "lost")]
    (ask,) = (i for i in shop.scheduler.handle(Tick(), 45.0) if isinstance(i, Ask))
    assert ask.least_epoch == 3
    assert starts(shop.scheduler.handle(Granted("d", 0, 4), 45.0)) == [("a", "d", 0, 4)]


def test_when_every_device_is_gone_every_work_ends() -> None:
    shop = desk([work("a"), work("b")], [device("d0"), device("d1")])
    assert shop.down("d0", LOST) == []
    done = finishes(shop.down("d1", LOST))
    assert set(done) == {"a", "b"}
    assert done["a"].error is not None
    assert done["a"].error.kind == "UnreachableError"
    assert "d0: no heartbeat" in done["a"].error.problem
    assert shop.scheduler.finished


def test_a_device_that_nothing_waited_for_is_used_when_it_comes_after_all() -> None:
    shop = desk([work("a"), work("b")], [device("d0"), device("d1")])
    shop.down("d0", LOST)
    assert starts(shop.up("d1")) == [("a", "d1", 0, 1)]
    assert starts(shop.up("d0", 60.0)) == [("b", "d0", 0, 1)]


@pytest.mark.parametrize("known", [(1,), (0,), ()])
def test_a_device_that_will_return_is_waited_for_even_if_it_forgot_its_epochs(known: tuple[int, ...]) -> None:
    shop = desk([work("a")], [device("d")])
    shop.up("d")
    told = shop.down("d", LOST, 1.0, returns=True)
    assert told == [GiveBack("d", 0, 1, "UnreachableError")]
    assert starts(shop.up("d", 2.0, epochs=known)) == [("a", "d", 0, 2)]


def test_an_answer_that_never_comes_is_killed_and_its_slot_waits_until_it_is_gone() -> None:
    shop = desk([work("a", deadline_s=10.0), work("b")], [device("d")], max_attempts=1)
    (started,) = [i for i in shop.up("d") if isinstance(i, Start)]
    for now_s in range(0, int(started.hard_end_s) + 1, 5):
        assert shop.tell(Tick(), float(now_s)) == []
    done = shop.tell(Tick(), started.hard_end_s + 0.1)
    assert Kill("d", 0, 1) in done
    assert finishes(done)["a"].error.kind == "DeviceTimeoutError"
    assert starts(done) == [], "it may still run there"
    told = shop.done("d", 0, 1, started.hard_end_s + 5.0)
    assert GiveBack("d", 0, 1, "done") in told
    assert starts(told) == [("b", "d", 0, 2)]


def test_answers_that_waited_while_this_machine_was_held_up_are_not_late() -> None:
    shop = desk([work("a", deadline_s=10.0)], [device("d")], max_attempts=1)
    (started,) = [i for i in shop.up("d") if isinstance(i, Start)]
    assert shop.tell(Tick(), started.hard_end_s + 3600.0) == []
    assert finishes(shop.done("d", 0, 1, started.hard_end_s + 3601.0))["a"].error is None


def test_stop_ends_what_waits_at_once_and_what_runs_when_it_is_gone() -> None:
    shop = desk([work("a", 2), work("b", 1)], [device("d")])
    shop.up("d")
    done = shop.tell(Stop(), 1.0)
    assert [i for i in done if isinstance(i, Kill)] == [Kill("d", 0, 1)]
    assert set(finishes(done)) == {"b"}
    assert not shop.scheduler.finished
    last = shop.failed("d", 0, 1, LOST, 2.0)
    assert finishes(last)["a"].error.kind == "NotRun"
    assert GiveBack("d", 0, 1, "UnreachableError") in last
    assert shop.scheduler.finished
    assert shop.tell(Stop(), 3.0) == []
    assert finishes(shop.tell(Submit((work("c"),)), 4.0))["c"].error.kind == "NotRun"


@settings(max_examples=60, deadline=None)
@given(costs=st.lists(st.integers(1, 1000), min_size=1, max_size=30), slots=st.integers(1, 5))
def test_longest_first_is_never_worse_than_its_bound(costs: list[int], slots: int) -> None:
    # Graham's bound for list scheduling on identical machines: 2 - 1/m of the optimum's lower bound.
    cost_of = {f"w{n}": float(cost) for n, cost in enumerate(costs)}
    shop = desk([work(name, cost) for name, cost in cost_of.items()], [device("d", slots=slots)])
    ends: dict[int, tuple[float, int]] = {}
    now_s, pending = 0.0, shop.up("d")
    while True:
        for name, _, slot, epoch in starts(pending):
            ends[slot] = (now_s + cost_of[name], epoch)
        if not ends:
            break
        slot = min(ends, key=lambda place: ends[place])
        now_s, epoch = ends.pop(slot)
        pending = shop.done("d", slot, epoch, now_s)
    assert shop.scheduler.finished
    assert now_s <= (2 - 1 / slots) * max(*costs, sum(costs) / slots) + 1e-9


def test_a_large_closet_is_decided_quickly() -> None:
    # 2 000 short jobs on 50 devices: one decision must not look at every pair.
    devices = [device(f"d{n:02d}") for n in range(50)]
    blobs = [Blob(f"{n:064d}", 100) for n in range(100)]
    works: list[Work] = [work(f"w{n}", 1.0 + n % 7, blobs=(blobs[n % 100],)) for n in range(2000)]
    shop = desk(works, devices)
    events = 0
    running = [started for entry in devices for started in starts(shop.up(entry.name))]
    began = time.process_time()
    while running:
        following = []
        for started in running:
            events += 1
            following += starts(shop.done(*started[1:], float(events)))
        running = following
    assert shop.scheduler.finished
    assert (time.process_time() - began) / events < 0.01
