"""What the shelf remembers of runs, in each kind of database."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from harness.domain import DeviceKind
from harness.shelf import (
    ENDED,
    RUNNING,
    ClaimEntry,
    Counts,
    FlakyPlace,
    RunEntry,
    RunFilter,
    Shelf,
    TrialEntry,
)

DAY_S = 86_400.0
NOW_S = 1.8e9


def trial(segment: str = "a/b/0", verdict: str = "PASS", **told: str) -> TrialEntry:
    return TrialEntry(segment, "driving_model", "mici", verdict, "mici-01", "exact", **told)  # type: ignore[arg-type]


def claim(candidate: float | None, metric: str = "error") -> ClaimEntry:
    numbers = (candidate, 0.2, 0.01, -0.01, 0.03)
    told = ("unchanged", "PROVED equivalent", "holds", "within")
    return ClaimEntry("steady", f"{metric} at 2 s", metric, "all", "m", *told, 24, *numbers)


def entry(number: int = 1, **changed: object) -> RunEntry:
    trials = (trial(), trial("a/b/1"))
    plain = RunEntry(
        host="lab",
        folder=f"/runs/{number:03d}",
        name=f"run-{number:03d}",
        suite="nightly",
        candidate="models/next",
        baseline="models/release",
        started_s=NOW_S + number * DAY_S,
        duration_s=60.0,
        state=ENDED,
        exit_code=0,
        reason="2 jobs passed",
        counts=Counts(2, 2),
        devices=3,
        seen="1:1",
        trials=trials,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


def test_a_run_written_again_is_the_same_run(shelf: Shelf) -> None:
    archive = shelf.archive
    first = archive.write_run(entry(state=RUNNING, trials=(), counts=Counts(2, waiting=2), exit_code=3))
    assert [run.state for run in archive.running()] == [RUNNING]
    archive.write_progress(first, Counts(2, 1, waiting=1), 5.0, "2:2")
    (run,) = archive.runs()
    assert (run.counts, run.duration_s) == (Counts(2, 1, waiting=1), 5.0)
    assert archive.seen_records("lab") == {"/runs/001": "2:2"}
    assert archive.write_run(entry(claims=(claim(0.21),))) == first
    assert archive.write_run(entry(claims=(claim(0.21),))) == first
    (run,) = archive.runs()
    assert (run.slug, run.state, run.segments, run.claims, run.claims_held) == ("run-001", ENDED, 2, 1, 1)
    assert [each.segment for each in archive.trials(run.id)] == ["a/b/0", "a/b/1"]
    assert len(archive.claims(run.id)) == 1
    assert archive.running() == ()


def test_runs_of_one_name_in_two_closets_are_two(shelf: Shelf) -> None:
    archive = shelf.archive
    archive.write_run(entry())
    archive.write_run(entry(host="attic"))
    archive.write_run(entry(host="attic"))
    slugs = sorted(run.slug for run in archive.runs())
    assert slugs[0] == "run-001"
    assert slugs[1].startswith("run-001~")
    assert len(slugs) == 2
    other = archive.run(slugs[1])
    assert other is not None
    assert other.host == "attic"
    assert archive.run("none") is None


def test_lists_go_on_where_the_last_page_ended(shelf: Shelf) -> None:
    for number in range(7):
        shelf.archive.write_run(entry(number, started_s=NOW_S, suite="pr" if number % 2 else "nightly"))
    found: list[str] = []
    before = None
    while page := shelf.archive.runs(before=before, limit=3):
        found += [run.slug for run in page]
        before = page[-1].started_s, page[-1].id
    assert found == [f"run-{number:03d}" for number in reversed(range(7))]
    assert [run.slug for run in shelf.archive.runs(RunFilter("pr"))] == ["run-005", "run-003", "run-001"]
    assert shelf.archive.suites() == ("nightly", "pr")
    newest = shelf.archive.run("run-006")
    assert newest is not None
    earlier = shelf.archive.run_before(newest)
    assert earlier is not None
    assert earlier.slug == "run-004", "of the same suite"
    assert [run.slug for run in shelf.archive.latest_of_each_suite()] in (
        ["run-006", "run-005"],
        ["run-005", "run-006"],
    )


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (RunFilter(gate="open"), ["run-001"]),
        (RunFilter(gate="closed"), ["run-002"]),
        (RunFilter(gate="running"), ["run-003"]),
        (RunFilter(text="100%_x"), ["run-002"]),
        (RunFilter(text="0%_"), ["run-002"]),
        (RunFilter(text="%"), ["run-002"]),
    ],
)
def test_filters(shelf: Shelf, chosen: RunFilter, found: list[str]) -> None:
    shelf.archive.write_run(entry(1))
    shelf.archive.write_run(entry(2, exit_code=1, candidate="models/100%_x"))
    shelf.archive.write_run(entry(3, exit_code=3, state=RUNNING))
    assert [run.slug for run in shelf.archive.runs(chosen)] == found


def test_trials_by_verdict_text_and_place(shelf: Shelf) -> None:
    trials = (trial("a/b/0"), trial("a/b/1", "FAIL", blame="a device"), trial("a/c/0", "ERROR"))
    first = shelf.archive.write_run(entry(1))
    run = shelf.archive.write_run(entry(2, trials=trials))
    assert [each.ordinal for each in shelf.archive.trials(run, verdict="FAIL")] == [1]
    assert [each.segment for each in shelf.archive.trials(run, text="a/b")] == ["a/b/0", "a/b/1"]
    assert [each.ordinal for each in shelf.archive.trials(run, after=0, limit=1)] == [1]
    one = shelf.archive.trial(run, 1)
    assert one is not None
    assert one.name == "a/b/1 · driving_model · mici"
    past = shelf.archive.past_trials(one.place)
    assert [(each.slug, each.verdict) for each in past] == [("run-002", "FAIL"), ("run-001", "PASS")]
    moved = shelf.archive.moved(first, run)
    assert [(each.segment, each.before, each.after) for each in moved] == [
        ("a/b/1", "PASS", "FAIL"),
        ("a/c/0", "", "ERROR"),
    ]
    back = shelf.archive.moved(run, first)
    assert [(each.segment, each.after, each.ordinal) for each in back] == [("a/b/1", "PASS", 1), ("a/c/0", "", None)]


def test_a_metric_over_nights(shelf: Shelf) -> None:
    for number in range(1, 6):
        value = None if number == 3 else 0.2 + number / 100
        shelf.archive.write_run(entry(number, claims=(claim(value), claim(1.0, "jerk"))))
    rows = shelf.archive.series("nightly")
    assert [(row.metric, row.unit) for row in rows] == [("error", "m"), ("jerk", "m")]
    points = shelf.archive.series_points(rows[0].id)
    assert [(point.slug, point.value) for point in points] == [
        (f"run-00{number}", pytest.approx(0.2 + number / 100)) for number in (1, 2, 4, 5)
    ]
    recent = shelf.archive.recent_points("nightly", 2)
    assert [point.slug for point in recent[rows[0]]] == ["run-004", "run-005"]
    assert shelf.archive.one_series(rows[1].id) == rows[1]
    assert shelf.archive.one_series(10_000) is None
    assert shelf.archive.series("pr") == ()


def test_what_is_not_steady(shelf: Shelf) -> None:
    asked = ["j1", "j1", "j1", "j2", "j2"]
    shaky = [
        ("PASS", "t1", ""),
        ("FAIL", "t1", "not reproducible"),
        ("PASS", "t2", ""),
        ("FAIL", "t3", ""),
        ("FAIL", "t3", ""),
    ]
    for number, (job, (verdict, trace, blame)) in enumerate(zip(asked, shaky, strict=True)):
        steady = trial("a/b/1", job=job, trace="t")
        shelf.archive.write_run(
            entry(number, trials=(trial("a/b/0", verdict, job=job, trace=trace, blame=blame), steady))
        )
    worst = FlakyPlace("a/b/0", "driving_model", "mici", runs=5, failed=3, errors=0, flips=2, moved=1, alone=1)
    assert shelf.archive.flaky_places() == (worst,)
    assert shelf.archive.flaky_places(last_runs=2) == ()
    assert shelf.archive.flaky_places("pr") == ()


def test_coverage_counts_what_was_judged(shelf: Shelf) -> None:
    import time  # noqa: PLC0415

    now_s = time.time()
    shelf.archive.write_run(entry(1, started_s=now_s - 20 * DAY_S, trials=(trial("a/b/0"), trial("a/b/1"))))
    shelf.archive.write_run(entry(2, started_s=now_s - 3600, trials=(trial("a/b/1", "FAIL"),)))
    unheard = replace(trial("a/b/2", "ERROR"), judged=False)
    shelf.archive.write_run(entry(3, started_s=now_s - 60, trials=(unheard,)))
    (covered,) = shelf.archive.coverage()
    assert (covered.places, covered.day, covered.week, covered.month) == (3, 1, 1, 2)
    assert [(each.segment, each.verdict) for each in shelf.archive.longest_unseen()] == [
        ("a/b/2", ""),
        ("a/b/0", "PASS"),
        ("a/b/1", "FAIL"),
    ]
    shelf.archive.write_run(entry(1, started_s=now_s - 20 * DAY_S, trials=(trial("a/b/1"),)))
    assert shelf.archive.longest_unseen()[-1].verdict == "FAIL", "an older run that is indexed late changes nothing"


def test_how_devices_did(shelf: Shelf) -> None:
    import time  # noqa: PLC0415

    now_s = time.time()
    for days_ago, kind in ((0, ""), (0, ""), (0, "UnreachableError"), (2, "DeviceTimeoutError"), (90, "")):
        ended_s = now_s - days_ago * DAY_S
        told = {"run": "r", "kind": DeviceKind.MICI, "cost_key": "k", "canary": False}
        shelf.record_attempt(device="mici-01", started_s=ended_s - 10, ended_s=ended_s, error_kind=kind, **told)  # type: ignore[arg-type]
    (did,) = shelf.archive.devices_since(30)
    assert (did.attempts, did.failed, did.share, did.busy_s) == (4, 2, 0.5, pytest.approx(40))
    assert dict(did.kinds) == {"UnreachableError": 1, "DeviceTimeoutError": 1}
    by_day = shelf.archive.device_errors_by_day("mici-01")
    assert [(attempts, errors) for _, attempts, errors in by_day] == [(1, 1), (3, 1)]


def test_the_audit_log_is_only_added_to(shelf: Shelf) -> None:
    first = shelf.archive.begin_change(who="lena", via="here", action="release", subject="mici-01", reason="a new fan")
    assert shelf.archive.changes()[0].outcome == "asked"
    shelf.archive.end_change(first, "done")
    shelf.archive.end_change(first, "forged")
    second = shelf.archive.begin_change(who="mia", via="here", action="x", subject="", reason="")
    new, old = shelf.archive.changes()
    assert (old.who, old.reason, old.outcome) == ("lena", "a new fan", "done")
    assert new.outcome == "asked"
    assert [each.id for each in shelf.archive.changes(before=second)] == [first]


def test_runs_that_end_at_once_are_all_kept(shelf: Shelf) -> None:
    trials = tuple(trial(f"a/b/{number}") for number in range(20))
    entries = [
        entry(number, trials=trials if number % 2 else trials[::-1], claims=(claim(0.1),)) for number in range(8)
    ]
    threads = [threading.Thread(target=shelf.archive.write_run, args=(each,)) for each in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.archive.runs()) == 8
    assert sum(len(shelf.archive.trials(run.id)) for run in shelf.archive.runs()) == 160
    assert len(shelf.archive.longest_unseen(100)) == 20
