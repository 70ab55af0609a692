"""Which devices are trusted with a job, and what they have to do for it."""

from __future__ import annotations

import pytest

from harness.closet.events import (
    Ask,
    CanaryDue,
    GiveBack,
    Granted,
    HealthSeen,
    Reconnect,
    Recover,
    Recovered,
    SetHealth,
    Stop,
    Submit,
    Suspicion,
    Tick,
)
from harness.domain import Health
from harness.errors import ErrorDescription
from tests.closet.desk import Desk, desk, finishes, starts
from tests.closet.simulation import CRASH, DATA, DRIVES, FULL, LOST, SICK, SLOW, STALE, WRONG, canary, device, work

CANARY = "canary-mici"


def shop_of(works, count: int = 1, *, slots: int = 1, recoverable: tuple[str, ...] = (), proved: bool = False) -> Desk:
    """Devices `d0`… that are there and have a canary."""
    devices = [device(f"d{n}", slots=slots) for n in range(count)]
    canaries = {entry.name: canary(entry.kind) for entry in devices}
    shop = desk(works, devices, canaries=canaries, recoverable=frozenset(recoverable))
    shop.first = [i for entry in devices for i in shop.up(entry.name, proved=proved)]
    return shop


def healths(instructions) -> list[tuple[str, Health]]:
    return [(i.device, i.state) for i in instructions if isinstance(i, SetHealth)]


def test_an_unknown_device_runs_its_canary_first_alone_on_its_first_slot() -> None:
    shop = shop_of([work("a"), work("b")], slots=2)
    assert starts(shop.first) == [(CANARY, "d0", 0, 1)]
    assert not starts(shop.tell(Tick(), 1.0))
    told = shop.done("d0", 0, 1, 2.0)
    assert GiveBack("d0", 0, 1, "done") in told
    assert starts(told) == [("a", "d0", 0, 2), ("b", "d0", 1, 1)]


def test_one_that_proved_itself_not_long_ago_does_not() -> None:
    assert starts(shop_of([work("a")], proved=True).first) == [("a", "d0", 0, 1)]


def test_what_the_shelf_doubts_is_not_proved_by_its_past() -> None:
    devices = [device("d")]
    shop = desk([work("a")], devices, canaries={"d": canary(devices[0].kind)})
    shop.tell(HealthSeen("d", Health.SUSPECT, "another run says so"))
    assert starts(shop.up("d", proved=True)) == [(CANARY, "d", 0, 1)]


def test_one_that_a_run_cannot_connect_to_is_suspect_until_its_canary_says_otherwise() -> None:
    devices = [device("d")]
    shop = desk([work("a")], devices, canaries={"d": canary(devices[0].kind)})
    shop.tell(HealthSeen("d", Health.HEALTHY, "passed its canary"))
    assert healths(shop.down("d", LOST, returns=True)) == [], "once may be an accident"
    told = shop.down("d", LOST, 1.0, returns=True)
    suspect = SetHealth("d", Health.SUSPECT, f"unreachable: {LOST.problem}")
    assert [i for i in told if isinstance(i, SetHealth)] == [suspect]
    assert healths(shop.down("d", LOST, 2.0, returns=True)) == [], "told once"
    assert starts(shop.up("d", 4.0, proved=True)) == [(CANARY, "d", 0, 1)]


def test_one_that_is_given_up_at_once_is_suspect_at_once() -> None:
    devices = [device("d")]
    shop = desk([work("a")], devices, canaries={"d": canary(devices[0].kind)})
    assert healths(shop.down("d", SICK)) == [("d", Health.SUSPECT)]


def test_a_canary_that_came_to_be_too_long_ago_is_run_again_before_the_next_job() -> None:
    shop = shop_of([work("a", 2), work("b", 1)], proved=True)
    assert shop.tell(CanaryDue("d0"), 1.0) == []
    told = shop.done("d0", 0, 1, 2.0)
    assert (healths(told), starts(told)) == ([], [(CANARY, "d0", 0, 2)]), "nothing is held against it"
    assert starts(shop.done("d0", 0, 2, 3.0)) == [("b", "d0", 0, 3)]


def test_no_more_canaries_than_there_is_work_for() -> None:
    shop = shop_of([work("a")], 4)
    assert starts(shop.first) == [(CANARY, "d0", 0, 1)]
    idle = shop_of([], 4)
    assert idle.first == []
    assert len(starts(idle.tell(Submit((work("a"), work("b")))))) == 2


@pytest.mark.parametrize("error", [FULL, SICK, SLOW, LOST])
def test_after_an_error_that_may_be_its_own_a_device_proves_itself_before_its_next_job(error) -> None:
    shop = shop_of([work("a", 2), work("b", 1)], proved=True)
    told = shop.failed("d0", 0, 1, error, 1.0)
    assert healths(told) == [("d0", Health.SUSPECT)]
    assert starts(told) == [(CANARY, "d0", 0, 2)]
    assert starts(shop.done("d0", 0, 2, 2.0)) == [("a", "d0", 0, 3)]


@pytest.mark.parametrize("error", [CRASH, DATA, STALE])
def test_after_one_that_is_not_it_does_not(error) -> None:
    shop = shop_of([work("a", 2), work("b", 1)], proved=True)
    told = shop.failed("d0", 0, 1, error, 1.0)
    assert healths(told) == []
    assert starts(told)[0][0] in {"a", "b"}


def test_a_job_that_runs_elsewhere_ends_before_the_canary_begins() -> None:
    shop = shop_of([work("a", 3), work("b", 2), work("c", 1)], slots=2, proved=True)
    assert starts(shop.first) == [("a", "d0", 0, 1), ("b", "d0", 1, 1)]
    assert starts(shop.failed("d0", 0, 1, FULL, 1.0)) == []
    assert starts(shop.done("d0", 1, 1, 2.0)) == [(CANARY, "d0", 0, 2)]


def test_a_slot_that_was_asked_for_before_the_doubt_is_given_back() -> None:
    shop = shop_of([work("a", 3), work("b", 2)], slots=2, proved=True)
    shop.done("d0", 0, 1, 1.0)
    done = shop.scheduler.handle(Submit((work("c"),)), 2.0)
    assert [(i.device, i.slot) for i in done if isinstance(i, Ask)] == [("d0", 0)]
    shop.tell(Suspicion("d0", "so says the judge"), 3.0)
    assert shop.scheduler.handle(Granted("d0", 0, 5), 4.0) == [GiveBack("d0", 0, 5, "not used")]
    assert starts(shop.done("d0", 1, 1, 5.0)) == [(CANARY, "d0", 0, 6)]


def test_a_device_on_which_crashed_what_runs_elsewhere_is_doubted() -> None:
    shop = shop_of([work("a")], 2, proved=True)
    told = shop.failed("d0", 0, 1, CRASH, 1.0)
    assert healths(told) == []
    assert healths(shop.done("d1", 0, 1, 2.0)) == [("d0", Health.SUSPECT)]
    assert starts(shop.tell(Submit((work("b", only_devices=("d0",)),)), 3.0)) == [(CANARY, "d0", 0, 2)]


def test_a_wrong_canary_quarantines_and_the_work_goes_elsewhere() -> None:
    shop = shop_of([work("a")], 2)
    told = shop.failed("d0", 0, 1, WRONG, 1.0)
    assert SetHealth("d0", Health.QUARANTINED, WRONG.problem) in told
    assert starts(told) == [(CANARY, "d1", 0, 1)]
    assert starts(shop.done("d1", 0, 1, 2.0)) == [("a", "d1", 0, 2)]
    assert finishes(shop.done("d1", 0, 2, 3.0))["a"].error is None


def test_when_all_that_could_are_quarantined_the_works_end_and_say_why() -> None:
    shop = shop_of([work("a"), work("b")], 2)
    shop.failed("d0", 0, 1, WRONG, 1.0)
    told = finishes(shop.tell(HealthSeen("d1", Health.DISABLED, "being repaired"), 2.0))
    assert set(told) == {"a", "b"}
    error = told["a"].error
    assert error is not None
    assert error.kind == "DeviceUnhealthyError"
    assert f"d0: quarantined: {WRONG.problem}" in error.problem
    assert "d1: disabled: being repaired" in error.problem
    alone = shop_of([work("a")])
    ended = finishes(alone.tell(HealthSeen("d0", Health.DISABLED, "being repaired"), 1.0))["a"]
    assert "enable it when it is mended" in ended.error.remedy, "release does nothing to one that is disabled"


def test_a_canary_that_is_driven_away_is_tried_again_when_the_car_is_parked() -> None:
    shop = shop_of([work("a")])
    assert healths(shop.failed("d0", 0, 1, DRIVES, 1.0)) == []
    assert starts(shop.tell(Tick(), 62.0)) == [(CANARY, "d0", 0, 2)]


def driven_away(shop: Desk, since_s: float, times: int) -> list[object]:
    """So many canaries of `d0` in a row that find it with its driver; what the last one led to."""
    told: list[object] = []
    for number in range(times):
        epoch = shop.epochs["d0", 0]
        told = shop.failed("d0", 0, epoch, DRIVES, since_s + 62.0 * number + 1.0)
        told += shop.tell(Tick(), since_s + 62.0 * (number + 1))
    return told


def test_a_canary_that_is_driven_away_for_half_an_hour_ends_the_wait_and_says_why() -> None:
    shop = shop_of([work("a"), work("b")])
    assert starts(driven_away(shop, 0.0, 29)) == [(CANARY, "d0", 0, 30)]
    told = driven_away(shop, 2000.0, 1)
    assert healths(told) == [], "it is well"
    assert {end.error and end.error.kind for end in finishes(told).values()} == {"OnroadError"}
    assert set(finishes(told)) == {"a", "b"}
    assert shop.scheduler.finished


def test_a_canary_that_came_to_its_end_in_between_begins_the_count_anew() -> None:
    shop = shop_of([work("a")])
    driven_away(shop, 0.0, 29)
    assert starts(shop.done("d0", 0, 30, 2000.0)) == [("a", "d0", 0, 31)]
    shop.done("d0", 0, 31, 2001.0)
    shop.tell(Suspicion("d0", "differs alone"), 2002.0)
    assert starts(shop.tell(Submit((work("b"),)), 2003.0)) == [(CANARY, "d0", 0, 32)]
    assert starts(driven_away(shop, 2003.0, 29)) == [(CANARY, "d0", 0, 61)]


def test_a_lost_lease_in_between_does_not_begin_it_anew() -> None:
    shop = shop_of([work("a")])
    driven_away(shop, 0.0, 29)
    shop.failed("d0", 0, 30, STALE, 2000.0)
    shop.tell(Tick(), 2062.0)
    assert finishes(driven_away(shop, 2070.0, 1)).keys() == {"a"}


def test_a_canary_that_was_not_judged_is_tried_again_then_the_device_is_left_alone() -> None:
    shop = shop_of([work("a")])
    for epoch in (1, 2):
        told = shop.failed("d0", 0, epoch, STALE, float(epoch))
        assert starts(told) == [(CANARY, "d0", 0, epoch + 1)]
    told = shop.failed("d0", 0, 3, STALE, 3.0)
    assert healths(told) == [], "a lost lease proves nothing against it"
    assert finishes(told)["a"].error.kind == "LeaseLostError"


def test_a_device_that_goes_away_in_its_canary_has_a_second_go() -> None:
    shop = shop_of([work("a")])
    assert healths(shop.down("d0", LOST, 1.0, returns=True)) == [("d0", Health.SUSPECT)]
    assert starts(shop.up("d0", 2.0, epochs=(1,), proved=True)) == [(CANARY, "d0", 0, 2)]
    assert healths(shop.down("d0", LOST, 3.0, returns=True)) == [("d0", Health.QUARANTINED)]


@pytest.mark.parametrize("error", [CRASH, SLOW, SICK, FULL])
def test_a_canary_that_comes_to_no_answer_has_a_second_go(error: ErrorDescription) -> None:
    shop = shop_of([work("a")])
    told = shop.failed("d0", 0, 1, error, 1.0)
    assert healths(told) == []
    assert starts(told) == [(CANARY, "d0", 0, 2)]
    told = shop.failed("d0", 0, 2, error, 2.0)
    assert SetHealth("d0", Health.QUARANTINED, f"canary: {error.problem}") in told
    assert set(finishes(told)) == {"a"}


def test_a_second_go_that_is_right_clears_the_first() -> None:
    shop = shop_of([work("a")])
    shop.failed("d0", 0, 1, CRASH, 1.0)
    assert starts(shop.done("d0", 0, 2, 2.0)) == [("a", "d0", 0, 3)]
    shop.done("d0", 0, 3, 3.0)
    shop.tell(Suspicion("d0", "differs alone"), 4.0)
    shop.tell(Submit((work("b"),)), 5.0)
    told = shop.failed("d0", 0, 4, CRASH, 6.0)
    assert healths(told) == [], "in a row, not in a run"
    assert starts(told) == [(CANARY, "d0", 0, 5)]


def test_a_recovery_does_not_end_the_quarantine_of_another_that_came_meanwhile() -> None:
    shop = shop_of([work("a")], recoverable=("d0",))
    assert any(isinstance(i, Recover) for i in shop.failed("d0", 0, 1, WRONG, 1.0))
    told = shop.tell(HealthSeen("d0", Health.QUARANTINED, "a person has it open"), 2.0)
    assert "a person has it open" in finishes(told)["a"].error.problem
    shop.tell(Submit((work("b"),)), 3.0)
    told = shop.tell(Recovered("d0"), 60.0)
    assert not [i for i in told if isinstance(i, Ask | SetHealth)]


def test_a_device_that_was_lost_proves_itself_when_it_returns() -> None:
    shop = shop_of([work("a")], proved=True)
    shop.down("d0", LOST, 1.0, returns=True)
    assert starts(shop.up("d0", 2.0, epochs=(1,), proved=True)) == [(CANARY, "d0", 0, 2)]


def test_a_person_takes_a_device_off_the_shelf_and_puts_it_back() -> None:
    shop = shop_of([work("a", 2), work("b", 1), work("c", 1)], 2, proved=True)
    shop.tell(HealthSeen("d0", Health.QUARANTINED, "smells"))
    assert not starts(shop.done("d0", 0, 1, 1.0)), "what runs there may end, nothing new begins"
    assert starts(shop.done("d1", 0, 1, 2.0)) == [("c", "d1", 0, 2)]
    shop.tell(Submit((work("d"),)), 3.0)
    assert starts(shop.tell(HealthSeen("d0", Health.UNKNOWN, "released"), 4.0)) == [(CANARY, "d0", 0, 2)]


def test_a_canary_that_passes_does_not_release_what_a_person_quarantined_meanwhile() -> None:
    shop = shop_of([work("a")], 2)
    shop.tell(HealthSeen("d0", Health.QUARANTINED, "smells"))
    assert not [i for i in shop.done("d0", 0, 1, 1.0) if i and getattr(i, "device", "") == "d0" and isinstance(i, Ask)]


def test_another_runs_doubt_counts_and_so_does_its_canary_but_not_against_our_own_doubt() -> None:
    shop = shop_of([work("a")], proved=True)
    shop.done("d0", 0, 1, 1.0)
    shop.tell(HealthSeen("d0", Health.SUSPECT, "disk full"), 2.0)
    shop.tell(HealthSeen("d0", Health.HEALTHY, "passed its canary"), 3.0)
    assert starts(shop.tell(Submit((work("b"),)), 4.0)) == [("b", "d0", 0, 2)]
    shop.done("d0", 0, 2, 5.0)
    shop.tell(Suspicion("d0", "differs alone"), 6.0)
    shop.tell(HealthSeen("d0", Health.HEALTHY, "passed its canary"), 7.0)
    assert starts(shop.tell(Submit((work("c"),)), 8.0)) == [(CANARY, "d0", 0, 3)]


def test_good_news_while_its_own_canary_runs_starts_nothing_beside_it() -> None:
    shop = shop_of([work("a"), work("b")], slots=2)
    shop.tell(HealthSeen("d0", Health.SUSPECT, "x"))
    assert starts(shop.tell(HealthSeen("d0", Health.HEALTHY, "passed its canary"), 1.0)) == []


def test_recovery_is_waited_for_and_decided_by_a_canary_of_its_own() -> None:
    shop = shop_of([work("a")], recoverable=("d0",))
    told = shop.failed("d0", 0, 1, WRONG, 1.0)
    assert [i.device for i in told if isinstance(i, Recover)] == ["d0"]
    assert not finishes(told)
    told = shop.tell(Recovered("d0"), 60.0)
    assert [i.proving for i in told if isinstance(i, Ask)] == [True], "the shelf still has it in quarantine"
    assert starts(told) == [(CANARY, "d0", 0, 2)]
    told = shop.done("d0", 0, 2, 61.0)
    assert healths(told) == [("d0", Health.HEALTHY)]
    assert starts(told) == [("a", "d0", 0, 3)]


def quarantined_and_gone() -> Desk:
    """One device whose canary was wrong, whose hook is at work, and that was given up as lost meanwhile."""
    shop = shop_of([work("a")], recoverable=("d0",))
    shop.failed("d0", 0, 1, WRONG, 1.0)
    assert finishes(shop.down("d0", LOST, 2.0, returns=True)) == {}
    shop.first = shop.down("d0", LOST, 24.0)
    return shop


def test_a_device_that_its_hook_switches_off_and_on_is_waited_for_until_the_hook_ends() -> None:
    shop = quarantined_and_gone()
    assert finishes(shop.first) == {}
    told = shop.tell(Recovered("d0"), 60.0)
    assert Reconnect("d0") in told
    assert finishes(told) == {}
    assert starts(shop.up("d0", 61.0)) == [(CANARY, "d0", 0, 2)]
    assert starts(shop.done("d0", 0, 2, 62.0)) == [("a", "d0", 0, 3)]


def test_one_whose_hook_fails_or_that_does_not_come_after_it_is_not() -> None:
    told = quarantined_and_gone().tell(Recovered("d0", SICK), 60.0)
    assert "quarantined" in finishes(told)["a"].error.problem
    shop = quarantined_and_gone()
    shop.tell(Recovered("d0"), 60.0)
    assert set(finishes(shop.down("d0", LOST, 90.0))) == {"a"}


def test_a_device_that_was_brought_back_is_not_proved_by_its_past() -> None:
    shop = quarantined_and_gone()
    shop.tell(Recovered("d0"), 60.0)
    told = shop.up("d0", 61.0, proved=True)
    assert [i.proving for i in told if isinstance(i, Ask)] == [True], "the shelf has it in quarantine until it proves"
    assert starts(told) == [(CANARY, "d0", 0, 2)]


def test_what_an_earlier_run_quarantined_is_brought_back_when_there_is_work_for_it() -> None:
    devices = [device("d0"), device("d1")]
    canaries = {entry.name: canary(entry.kind) for entry in devices}
    past = {"d0": "canary: differs", "d1": "canary: late"}
    shop = desk([], devices, canaries=canaries, recoverable=frozenset(past), quarantined=past)
    shop.tell(HealthSeen("d1", Health.QUARANTINED, "a person has it open"))
    told = shop.tell(Submit((work("a"),)), 1.0)
    assert [i for i in told if isinstance(i, Recover)] == [Recover("d0", "canary: differs")]
    assert not finishes(told)
    assert Reconnect("d0") in shop.tell(Recovered("d0"), 60.0), "nobody has connected to it yet"
    told = shop.up("d0", 61.0)
    assert [i.proving for i in told if isinstance(i, Ask)] == [True]
    assert SetHealth("d0", Health.HEALTHY, "recovered, and its canary is right", recovered=True) in shop.done(
        "d0", 0, 1
    )


@pytest.mark.parametrize("again", [False, True])
def test_recovery_is_tried_once_a_run(again: bool) -> None:
    shop = shop_of([work("a")], recoverable=("d0",))
    shop.failed("d0", 0, 1, WRONG, 1.0)
    told = shop.tell(Recovered("d0", None if again else SICK), 60.0)
    if again:
        told = shop.failed("d0", 0, 2, WRONG, 61.0)
        assert not [i for i in told if isinstance(i, Recover)]
    assert "quarantined" in finishes(told)["a"].error.problem


@pytest.mark.parametrize("poison", [CRASH, SLOW, SICK])
def test_a_poison_job_quarantines_nobody(poison: ErrorDescription) -> None:
    shop = shop_of([work("poison", 9)], 3, proved=True)
    judged: list[tuple[str, Health]] = []
    started, pending = [], starts(shop.first)
    now_s = 0.0
    while pending:
        name, *place = pending.pop(0)
        now_s += 1.0
        started.append(name)
        told = shop.done(*place, now_s) if name == CANARY else shop.failed(*place, poison, now_s)
        judged += healths(told)
        pending += starts(told)
    assert shop.scheduler.finished
    assert Health.QUARANTINED not in [state for _, state in judged]
    assert started.count("poison") == (2 if poison is CRASH else 3)
    for n in range(3):
        told = starts(shop.tell(Submit((work(f"good{n}", only_devices=(f"d{n}",)),)), 100.0 + n))
        if told[0][0] == CANARY:
            told = starts(shop.done(*told[0][1:], 100.5 + n))
        assert told[0][:2] == (f"good{n}", f"d{n}")


def test_stopping_ends_a_canary_without_a_verdict() -> None:
    shop = shop_of([work("a")])
    shop.tell(Stop(), 1.0)
    assert healths(shop.failed("d0", 0, 1, LOST, 2.0)) == []
    assert shop.scheduler.finished


def test_a_kind_without_a_canary_is_taken_as_it_is() -> None:
    shop = desk([work("a", 2), work("b", 1)], [device("d")])
    assert starts(shop.up("d")) == [("a", "d", 0, 1)]
    told = shop.failed("d", 0, 1, FULL, 1.0)
    assert healths(told) == []
    assert starts(told) == [("a", "d", 0, 2)]
