"""Which trials an entry means, what it excuses, and what is told of entries that mean nothing or have expired."""

from __future__ import annotations

import datetime

import pytest

from harness.domain import DeviceKind, QuarantineEntry, Route, SegmentId
from harness.errors import ConfigMistakesError, ErrorDescription
from harness.pipeline.quarantine import Place, check_entries, check_expiry, hold, unmatched
from harness.verdict import NOT_RUN, CheckResult, Closeness, Finding, FindingKind, JobResult, Severity, Verdict

TODAY = datetime.date(2026, 11, 21)
ROUTE = "5beb9b58bd12b691/0000010a--a51155e496"
MOVED = Finding(FindingKind.CHANGED, Severity.BLOCK, "action.x", "moved")
CHECKS = ("replay", "action", "plan")


def place(number: int, replayer: str = "driving_model", kind: DeviceKind = DeviceKind.MICI) -> Place:
    return Place(SegmentId(Route(*ROUTE.split("/")), number), replayer, kind, CHECKS)


PLACES = (
    place(2),
    place(3),
    place(3, kind=DeviceKind.TIZI),
    place(3, "driver_monitoring"),
    Place(SegmentId(Route("0" * 16, "2026-01-02--03-04-05"), 3), "driving_model", DeviceKind.MICI, CHECKS),
)


def entry(route: str = f"{ROUTE}/3", expires: datetime.date = TODAY, **rest) -> QuarantineEntry:
    return QuarantineEntry(route, "me", "https://example.org/7", "reason", expires, where="q.yaml:2", **rest)


def failed(where: Place, *checks: str, error: ErrorDescription | None = None) -> JobResult:
    found = tuple(
        CheckResult(name, *((Closeness.BEYOND, (MOVED,)) if name in checks else (Closeness.EXACT, ())), 3, 10)
        for name in (CHECKS if error is None else ())
    )
    verdict = Verdict.ERROR if error else Verdict.FAIL if checks else Verdict.PASS
    return JobResult(where.name, str(where.segment), where.replayer, where.device_kind, verdict, error, found)


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        (entry(), {1, 2, 3}),
        (entry(device_kinds=(DeviceKind.MICI,)), {1, 3}),
        (entry(replayers=("driving_*",)), {1, 2}),
        (entry(replayers=("driving_*", "driver_*"), device_kinds=(DeviceKind.TIZI, DeviceKind.MICI)), {1, 2, 3}),
        (entry(checks=("act*",)), {1, 2, 3}),
        (entry(checks=("lanes",)), set()),
        (entry(ROUTE), {0, 1, 2, 3}),
        (entry(f"{ROUTE}/2:3"), {0}),
        (entry(f"{ROUTE}/-1"), {1, 2, 3}),
        (entry(f"{ROUTE}/9"), set()),
        (entry(ROUTE.replace("/", "|")), {0, 1, 2, 3}),
        (entry("*"), {0, 1, 2, 3, 4}),
        (entry("*/3", replayers=("driving_model",)), {1, 2, 4}),
        (entry("5beb9b58bd12b691|*/2"), {0}),
    ],
)
def test_which_trials_an_entry_means(given: QuarantineEntry, numbers: set[int]) -> None:
    held = hold([given], PLACES, TODAY).held
    assert set(held) == {PLACES[number].name for number in numbers}
    assert unmatched([given], PLACES) == (() if numbers else (given,))


def test_its_trials_are_excused_and_no_others() -> None:
    quarantine = hold([entry(checks=("action",))], PLACES, TODAY)
    other, mine = PLACES[0], PLACES[1]
    assert quarantine.applied(failed(other, "action")) == failed(other, "action")
    excused = quarantine.applied(failed(mine, "action"))
    assert excused.verdict is Verdict.QUARANTINED
    assert excused.quarantine is not None
    assert (excused.quarantine.checks, excused.quarantine.excused) == (("action",), ("action",))
    assert quarantine.applied(failed(mine, "action", "plan")).verdict is Verdict.FAIL
    passed = quarantine.applied(failed(mine))
    assert (passed.verdict, passed.quarantine and passed.quarantine.excused) == (Verdict.PASS, ())
    lost = ErrorDescription("UnreachableError", "gone")
    assert quarantine.applied(failed(mine, error=lost)).verdict is Verdict.ERROR
    whole = hold([entry()], PLACES, TODAY)
    assert whole.applied(failed(mine, error=lost)).verdict is Verdict.QUARANTINED
    assert whole.applied(failed(mine, error=NOT_RUN)).verdict is Verdict.ERROR


def test_two_entries_cover_together() -> None:
    both = hold([entry(checks=("action",)), entry(ROUTE, checks=("plan",))], PLACES, TODAY)
    assert both.applied(failed(PLACES[1], "action", "plan")).verdict is Verdict.QUARANTINED
    assert both.applied(failed(PLACES[0], "action", "plan")).verdict is Verdict.FAIL


def test_it_holds_through_its_last_day_and_no_longer() -> None:
    last_day = hold([entry()], PLACES, TODAY)
    assert last_day.applied(failed(PLACES[1], "action")).verdict is Verdict.QUARANTINED
    day_after = hold([entry()], PLACES, TODAY + datetime.timedelta(days=1))
    result = day_after.applied(failed(PLACES[1], "action"))
    assert result.verdict is Verdict.FAIL
    assert result.quarantine is not None
    assert (result.quarantine.expired, result.quarantine.entries) == ((entry(),), ())
    check_expiry([entry()], TODAY)
    with pytest.raises(ConfigMistakesError, match=r"q\.yaml:2: the quarantine of .* expired 1 day ago") as caught:
        check_expiry([entry(), entry(ROUTE)], TODAY + datetime.timedelta(days=1))
    assert len(caught.value.errors) == 2


def test_a_route_that_is_none_is_a_mistake() -> None:
    check_entries([entry(), entry("*"), entry("5beb9b58bd12b691/*")])
    with pytest.raises(ConfigMistakesError) as caught:
        check_entries([entry("nonsense"), entry(), entry("also nonsense")])
    assert len(caught.value.errors) == 2
    assert caught.value.errors[0].where == "q.yaml:2"
