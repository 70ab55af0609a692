"""Pools that share devices through one shelf: turns, lost leases, quarantine, canaries, a database that is locked."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from harness.closet.canary import Canary, passed_with
from harness.closet.emulator import emulated_closet
from harness.closet.events import Ask, Denied, HealthSeen, SetHealth
from harness.closet.leasing import Leasing
from harness.closet.upkeep import Upkeep
from harness.closet.work import DeviceConnected, DeviceLost, HealthChanged, JobFinished, JobStarted, WorkOutcome
from harness.config.upkeep import Limits
from harness.domain import Device, DeviceKind, Health, Lease, Priority
from harness.errors import ClosetError, DeviceUnhealthyError, ErrorDescription
from harness.shelf import Shelf
from tests.closet.conftest import Bench, eventually, processes_with

WRITES = "import pathlib; pathlib.Path('out/a.txt').write_text('done')"
SICK = DeviceUnhealthyError("the canary's answer is another one").describe()


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, ...]]:
    with emulated_closet(2, tmp_path_factory.mktemp("devices")) as closet:
        yield closet.devices


@pytest.fixture
def shelf(bench: Bench) -> Iterator[Shelf]:
    bench.shelf = Shelf(bench.folder / "shelf.db")
    return bench.shelf


class Judge:
    """A canary that leaves a file, and who says whether it is right."""

    def __init__(self, bench: Bench, shelf: Shelf, *wrong: str) -> None:
        self.bench, self.shelf, self.wrong = bench, shelf, set(wrong)
        self.asked: list[str] = []

    @property
    def upkeep(self) -> Upkeep:
        work = self.bench.work(WRITES, canary=True)
        return Upkeep(canaries={DeviceKind.EMULATED: Canary(work, self.verify)})

    def verify(self, device: Device, files: dict[str, Path]) -> ErrorDescription | None:
        self.asked.append(device.name)
        assert files["a.txt"].read_text() == "done"
        if device.name in self.wrong:
            return SICK
        self.shelf.canary_passed(device.name, passed_with("some", "0" * 64))
        return None


def holds(seconds: float) -> str:
    """A job that takes a slot for so long, noting that it did."""
    return f"import pathlib, time; time.sleep({seconds}); {WRITES}"


def test_what_a_run_did_is_remembered(bench: Bench, shelf: Shelf, emulated) -> None:
    work = bench.work(WRITES, history_key="like this")
    assert bench.run([work], emulated)[work.id].error is None
    (attempt,) = shelf.attempts(run="run")
    assert attempt.cost_key == "like this"
    assert attempt.error_kind == ""
    assert not attempt.canary
    assert abs(attempt.ended_s - time.time()) < 60.0
    assert attempt.started_s < attempt.ended_s
    assert set(shelf.costs(["like this"])) == {"like this"}
    assert shelf.uses()[attempt.device] == 1


def test_works_can_be_submitted_while_others_run(bench: Bench, emulated) -> None:
    first, second, third = (bench.work(WRITES) for _ in range(3))
    with bench.pool(emulated) as pool:
        pool.submit([first])
        seen = []
        for outcome in pool.outcomes():
            seen.append(outcome.work_id)
            if outcome.work_id == first.id:
                pool.submit([second])
        assert seen == [first.id, second.id], "the outcomes go on with what was submitted meanwhile"
        assert list(pool.outcomes()) == []
        pool.submit([third])
        assert [outcome.work_id for outcome in pool.outcomes()] == [third.id]


def test_two_runs_share_a_device_and_never_its_slot(bench: Bench, shelf: Shelf, emulated) -> None:
    ours, theirs = (Bench(bench.folder / name) for name in ("ours", "theirs"))
    found: dict[str, dict[str, WorkOutcome]] = {}

    def go(side: Bench, run: str) -> None:
        works = [side.work(holds(0.1)) for _ in range(4)]
        found[run] = side.run(works, emulated[:1], shelf=shelf, run=run)

    threads = [threading.Thread(target=go, args=(side, run)) for side, run in ((ours, "one"), (theirs, "two"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    attempts = [attempt for outcomes in found.values() for outcome in outcomes.values() for attempt in outcome.attempts]
    assert len(attempts) == 8
    assert all(attempt.error is None for attempt in attempts)
    epochs = [attempt.epoch for attempt in attempts]
    assert len(set(epochs)) == 8, "no epoch was given out twice"
    spans = sorted((attempt.started_s, attempt.ended_s) for attempt in shelf.attempts())
    assert all(before[1] <= after[0] + 0.05 for before, after in itertools.pairwise(spans))
    # Turn about, not one after the other.
    order = [attempt.run for attempt in reversed(shelf.attempts())]
    assert sum(a != b for a, b in itertools.pairwise(order)) >= 3, order


def test_somebody_who_waits_is_served_before_the_night(bench: Bench, shelf: Shelf, emulated) -> None:
    night, day = (Bench(bench.folder / name) for name in ("night", "day"))
    begun = threading.Event()

    def tell(event: object) -> None:
        if isinstance(event, JobStarted):
            begun.set()

    def go() -> None:
        works = [night.work(holds(0.3)) for _ in range(6)]
        night.run(works, emulated[:1], shelf=shelf, run="night", priority=Priority.NIGHTLY, on_event=tell)

    thread = threading.Thread(target=go)
    thread.start()
    assert begun.wait(20)
    day.run([day.work(WRITES) for _ in range(3)], emulated[:1], shelf=shelf, run="day")
    assert thread.is_alive(), "it still has work, and was not killed for it"
    thread.join()
    order = [attempt.run for attempt in reversed(shelf.attempts())]
    assert Counter(order) == {"night": 6, "day": 3}
    last_of_the_day = max(number for number, run in enumerate(order) if run == "day")
    assert order[last_of_the_day + 1 :].count("night") >= 2
    assert all(attempt.error_kind == "" for attempt in shelf.attempts())


def test_a_slot_that_another_holder_has_is_waited_for(bench: Bench, shelf: Shelf, emulated) -> None:
    other = shelf.join("somebody", suite="", priority=Priority.PROMPT)
    kind, tags = emulated[0].kind, emulated[0].tags
    lease = shelf.acquire(other, emulated[0].name, 0, kind=kind, tags=tags, hard_end_s=600, least_epoch=0)
    assert lease is not None
    work = bench.work(WRITES)
    with bench.pool(emulated[:1]) as pool:
        pool.submit([work])
        assert eventually(lambda: any(state.wants for state in shelf.holders()))
        assert bench.seen(JobFinished) == []
        assert shelf.release(lease, "done")
        shelf.leave(other)
        (outcome,) = pool.outcomes()
    assert outcome.error is None
    assert outcome.attempts[0].epoch > lease.epoch


def test_a_lease_that_is_taken_away_ends_the_job_and_it_goes_elsewhere(bench: Bench, shelf: Shelf, emulated) -> None:
    taken: list[Lease] = []

    def take(event: object) -> None:
        if isinstance(event, JobStarted) and not taken:
            lease = shelf.revoke(event.device, event.slot, "a person wants it")
            assert lease is not None
            taken.append(lease)

    mark = bench.folder / "mark"
    program = (
        f"import pathlib, time; mark = pathlib.Path({str(mark)!r}); first = not mark.exists(); mark.touch(); "
        f"time.sleep(60 if first else 0); {WRITES}"
    )
    work = bench.work(program)
    outcome = bench.run([work], emulated, on_event=take)[work.id]
    assert outcome.error is None
    first, second = outcome.attempts
    assert first.error is not None
    assert first.error.kind == "LeaseLostError"
    assert (first.device, first.epoch) == (taken[0].device, taken[0].epoch)
    assert second.device != first.device
    assert first.ended_s - first.started_s < 20.0, "it is noticed with the next renewal"


def test_a_database_that_is_locked_for_a_while_fails_nothing(bench: Bench, shelf: Shelf, emulated) -> None:
    works = [bench.work(holds(0.05)) for _ in range(6)]
    locked = threading.Event()

    @contextmanager
    def held() -> Iterator[None]:
        with sqlite3.connect(bench.folder / "shelf.db", isolation_level=None) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        connection.close()

    def hold() -> None:
        with held():
            locked.set()
            time.sleep(2.0)

    holder = threading.Thread(target=hold)

    def lock(event: object) -> None:
        if isinstance(event, JobStarted) and not locked.is_set():
            holder.start()
            assert locked.wait(10)

    outcomes = bench.run(works, emulated, on_event=lock)
    holder.join()
    assert locked.is_set()
    assert all(outcome.error is None and len(outcome.attempts) == 1 for outcome in outcomes.values())


def test_a_first_canary_is_asked_of_each_device_and_remembered(bench: Bench, shelf: Shelf, emulated) -> None:
    judge = Judge(bench, shelf)
    outcomes = bench.run([bench.work(holds(0.3)) for _ in range(4)], emulated, upkeep=judge.upkeep)
    assert all(outcome.error is None for outcome in outcomes.values())
    assert sorted(judge.asked) == [device.name for device in emulated]
    assert {shelf.health(device.name).state for device in emulated} == {Health.HEALTHY}
    assert Counter(attempt.canary for attempt in shelf.attempts()) == {True: 2, False: 4}


def test_a_wrong_canary_quarantines_and_the_other_device_does_the_work(bench: Bench, shelf: Shelf, emulated) -> None:
    bad, good = emulated
    judge = Judge(bench, shelf, bad.name)
    outcomes = bench.run([bench.work(WRITES) for _ in range(3)], emulated, upkeep=judge.upkeep)
    assert {attempt.device for outcome in outcomes.values() for attempt in outcome.attempts} == {good.name}
    health = shelf.health(bad.name)
    assert health.state is Health.QUARANTINED
    assert SICK.problem in health.reason
    assert re.fullmatch(r"run run \([0-9a-f]{12}\)", health.by)
    changed = bench.seen(HealthChanged)
    assert [(event.device, event.state) for event in changed] == [(bad.name, Health.QUARANTINED)]
    # The next run does not even connect to it.
    bench.events.clear()
    bench.run([bench.work(WRITES)], emulated, upkeep=judge.upkeep, run="next")
    assert [event.device for event in bench.seen(DeviceConnected)] == [good.name]


def test_when_all_are_quarantined_it_is_said_with_the_reasons(bench: Bench, shelf: Shelf, emulated) -> None:
    for device in emulated:
        shelf.register(device)
        shelf.set_health(device.name, Health.QUARANTINED, reason=f"{device.name} smells", by="me", by_person=True)
    work = bench.work(WRITES)
    began = time.monotonic()
    outcome = bench.run([work], emulated)[work.id]
    assert time.monotonic() - began < 5.0
    assert outcome.error is not None
    assert outcome.error.kind == "DeviceUnhealthyError"
    assert all(f"{device.name} smells" in outcome.error.problem for device in emulated)


def test_after_an_error_of_its_own_a_device_proves_itself_before_its_next_job(
    bench: Bench, shelf: Shelf, emulated
) -> None:
    judge = Judge(bench, shelf)
    (device, _) = emulated
    lacks = bench.work("import not_there_at_all", cost_s=9.0)
    fine = bench.work(WRITES)
    outcomes = bench.run([lacks, fine], [device], upkeep=judge.upkeep)
    assert outcomes[lacks.id].error is not None
    assert outcomes[lacks.id].error.kind == "DeviceUnhealthyError"
    assert outcomes[fine.id].error is None
    assert len(judge.asked) >= 2, "at first, and after each error that was followed by work"
    assert shelf.health(device.name).state in {Health.HEALTHY, Health.SUSPECT}
    reasons = [change.reason for change in shelf.health_history(device.name)]
    assert any("not_there_at_all" in reason for reason in reasons)


def test_a_device_that_is_suspected_by_the_caller_proves_itself(bench: Bench, shelf: Shelf, emulated) -> None:
    judge = Judge(bench, shelf)
    with bench.pool(emulated[:1], upkeep=judge.upkeep) as pool:
        pool.submit([bench.work(WRITES)])
        assert [outcome.error for outcome in pool.outcomes()] == [None]
        pool.suspect(emulated[0].name, "differs alone")
        pool.submit([bench.work(WRITES)])
        assert [outcome.error for outcome in pool.outcomes()] == [None]
    assert len(judge.asked) == 2
    assert "differs alone" in [change.reason for change in shelf.health_history(emulated[0].name)]


def test_a_quarantined_device_that_a_hook_brought_back_is_used_again(bench: Bench, shelf: Shelf, emulated) -> None:
    judge = Judge(bench, shelf, emulated[0].name)
    tried: list[tuple[str, str]] = []

    def mend(device: Device, reason: str) -> ErrorDescription | None:
        tried.append((device.name, reason))
        judge.wrong.clear()
        return None

    upkeep = replace(judge.upkeep, recoveries={emulated[0].name: mend})
    work = bench.work(WRITES)
    assert bench.run([work], emulated[:1], upkeep=upkeep)[work.id].error is None
    assert [name for name, _ in tried] == [emulated[0].name]
    assert shelf.health(emulated[0].name).state is Health.HEALTHY


def test_what_one_run_quarantined_the_hook_of_the_next_brings_back(bench: Bench, shelf: Shelf, emulated) -> None:
    (device, _), judge = emulated, Judge(bench, shelf, emulated[0].name)
    work = bench.work(WRITES)
    assert bench.run([work], [device], upkeep=judge.upkeep, run="first")[work.id].error is not None
    assert shelf.health(device.name).quarantined_by_run
    tried: list[str] = []

    def mend(_device: Device, reason: str) -> ErrorDescription | None:
        tried.append(reason)
        judge.wrong.clear()
        return None

    work = bench.work(WRITES)
    upkeep = replace(judge.upkeep, recoveries={device.name: mend})
    assert bench.run([work], [device], upkeep=upkeep, run="next")[work.id].error is None
    assert len(tried) == 1
    assert SICK.problem in tried[0]
    assert shelf.health(device.name).state is Health.HEALTHY
    shelf.set_health(device.name, Health.QUARANTINED, reason="I have it open", by="ann", by_person=True)
    work = bench.work(WRITES)
    assert bench.run([work], [device], upkeep=upkeep, run="last")[work.id].error is not None
    assert len(tried) == 1, "a person's is for a person to end"


def test_a_hook_that_is_at_work_when_the_run_ends_comes_to_its_end(
    bench: Bench, shelf: Shelf, emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.closet.pool_loop._END_S", 0.5)
    bad, judge = emulated[0].name, Judge(bench, shelf, emulated[0].name)
    ended: list[str] = []

    def mend(_device: Device, _reason: str) -> ErrorDescription | None:
        assert upkeep.over.wait(30.0), "it is told"
        time.sleep(2.0)
        ended.append(bad)
        return SICK

    upkeep = replace(judge.upkeep, recoveries={bad: mend})
    works = [bench.work(WRITES, cost_s=cost_s) for cost_s in (2.0, 1.0)]
    assert {outcome.error for outcome in bench.run(works, emulated, upkeep=upkeep).values()} == {None}
    assert ended == [bad]


def test_a_device_that_is_cut_off_while_its_hook_is_at_work_is_connected_to_when_that_ends(
    bench: Bench, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.closet.connections._RETURN_PAUSES_S", ())
    monkeypatch.setattr("harness.closet.connections._LATER_PAUSES_S", (300.0,))
    with emulated_closet(1, bench.folder / "devices") as closet:
        (member,) = closet.members
        judge = Judge(bench, shelf, member.device.name)

        def mend(_device: Device, _reason: str) -> ErrorDescription | None:
            for pid in processes_with(f"CLOSET_EMULATED={member.root}"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert eventually(lambda: bool(bench.seen(DeviceLost)))
            judge.wrong.clear()
            return None

        upkeep = replace(judge.upkeep, recoveries={member.device.name: mend})
        work = bench.work(WRITES)
        assert bench.run([work], closet.devices, upkeep=upkeep)[work.id].error is None
    assert len(bench.seen(DeviceConnected)) == 2


@contextmanager
def holder(shelf: Shelf, device: Device, run: str, heard: SimpleQueue[object]) -> Iterator[Leasing]:
    leasing = Leasing(shelf, [device], run=run, suite="", priority=Priority.PROMPT, tell=heard.put)
    assert heard.get(timeout=10) == HealthSeen(device.name, Health.UNKNOWN)
    try:
        yield leasing
    finally:
        leasing.close()


def test_a_recovery_of_one_run_does_not_lift_the_quarantine_of_another_or_of_a_person(
    bench: Bench, shelf: Shelf, emulated
) -> None:
    name = emulated[0].name
    shelf.register(emulated[0])
    sick = SetHealth(name, Health.QUARANTINED, "wrong answer")
    well = SetHealth(name, Health.HEALTHY, "recovered", recovered=True)
    ours, theirs = SimpleQueue[object](), SimpleQueue[object]()
    with (
        Shelf(bench.folder / "shelf.db") as other,
        holder(shelf, emulated[0], "ours", ours) as here,
        holder(other, emulated[0], "theirs", theirs) as there,
    ):
        here.set_health(sick)
        assert eventually(lambda: shelf.health(name).by.startswith("run ours ("))
        there.set_health(sick)
        assert theirs.get(timeout=10) == HealthSeen(name, Health.QUARANTINED, "wrong answer"), "told at once"
        there.set_health(well)
        assert theirs.get(timeout=10) == HealthSeen(name, Health.QUARANTINED, "wrong answer"), "it is not theirs to end"
        here.set_health(replace(well, recovered=False))
        here.set_health(well)
        assert eventually(lambda: shelf.health(name).state is Health.HEALTHY)
        here.set_health(sick)
        assert eventually(lambda: shelf.health(name).state is Health.QUARANTINED)
        shelf.set_health(name, Health.QUARANTINED, reason="I have it open", by="ann", by_person=True)
        here.set_health(well)
        assert ours.get(timeout=10) == HealthSeen(name, Health.QUARANTINED, "I have it open")
    assert (shelf.health(name).state, shelf.health(name).by) == (Health.QUARANTINED, "ann")
    states = [change.state for change in reversed(shelf.health_history(name))]
    assert states == [Health.QUARANTINED, Health.HEALTHY, Health.QUARANTINED, Health.QUARANTINED]


def test_two_runs_of_one_name_hear_of_each_others_quarantine_when_they_ask(
    bench: Bench, shelf: Shelf, emulated
) -> None:
    name = emulated[0].name
    shelf.register(emulated[0])
    sick = HealthSeen(name, Health.QUARANTINED, "wrong answer")
    ours, theirs = SimpleQueue[object](), SimpleQueue[object]()
    with (
        Shelf(bench.folder / "shelf.db") as other,
        holder(shelf, emulated[0], "out", ours) as here,
        holder(other, emulated[0], "out", theirs) as there,
    ):
        here.set_health(SetHealth(name, Health.QUARANTINED, "wrong answer"))
        assert eventually(lambda: shelf.health(name).state is Health.QUARANTINED)
        there.ask(Ask(name, 0, DeviceKind.EMULATED, (), 60.0, 0))
        assert theirs.get(timeout=10) == sick, "a renewal may be long in coming"
        assert theirs.get(timeout=10) == Denied(name, 0)
        there.set_health(SetHealth(name, Health.HEALTHY, "recovered", recovered=True))
        assert theirs.get(timeout=10) == sick, "it is not theirs to end"
    assert shelf.health(name).state is Health.QUARANTINED


def test_what_could_not_be_told_is_tried_once_more_at_the_end(
    bench: Bench, shelf: Shelf, emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = emulated[0].name
    failed = threading.Event()
    truly = shelf.set_health

    def once(*arguments, **more) -> bool:
        if not failed.is_set():
            leasing._requests.put(None)  # nothing that is asked for comes between
            failed.set()
            raise ClosetError("the database is locked")
        return truly(*arguments, **more)

    monkeypatch.setattr(shelf, "set_health", once)
    shelf.register(emulated[0])
    with holder(shelf, emulated[0], "ours", SimpleQueue[object]()) as leasing:
        leasing.set_health(SetHealth(name, Health.SUSPECT, "differs alone"))
        assert failed.wait(10)
    assert shelf.health(name).state is Health.SUSPECT


def test_a_doubt_that_is_said_last_is_kept(
    bench: Bench, shelf: Shelf, emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, judge = emulated[0].name, Judge(bench, shelf)
    with bench.pool(emulated[:1], upkeep=judge.upkeep) as pool:
        pool.submit([bench.work(WRITES)])
        assert [outcome.error for outcome in pool.outcomes()] == [None]
        busy, left = threading.Event(), pool._loop._closed

        def handles_something() -> None:
            busy.set()
            assert left.wait(10.0)

        monkeypatch.setattr(pool._loop, "_next", handles_something)
        assert busy.wait(10.0)
        pool.suspect(name, "differs alone")
    assert (shelf.health(name).state, shelf.health(name).reason) == (Health.SUSPECT, "differs alone")


def test_a_device_beyond_its_limits_gets_no_job_and_says_why(bench: Bench, emulated) -> None:
    hot = emulated[0].name
    limits = Limits(1 << 60, None, None, None, None)
    upkeep = Upkeep(limits=lambda device: limits if device.name == hot else Limits(1, None, None, None, None))
    works = [bench.work(WRITES) for _ in range(2)]
    outcomes = bench.run(works, emulated, upkeep=upkeep)
    assert {attempt.device for outcome in outcomes.values() for attempt in outcome.attempts} == {emulated[1].name}
    (lost,) = bench.seen(DeviceLost)
    assert (lost.device, lost.error.kind) == (hot, "DeviceUnhealthyError")
    assert "min_free_bytes" in lost.error.problem


def test_only_and_not_devices_are_kept(bench: Bench, emulated) -> None:
    first, second = (device.name for device in emulated)
    here = [bench.work(WRITES, only_devices=(second,)) for _ in range(2)]
    there = bench.work(WRITES, not_devices=(second,))
    outcomes = bench.run([*here, there], emulated)
    assert {outcomes[work.id].attempts[0].device for work in here} == {second}
    assert outcomes[there.id].attempts[0].device == first


def test_a_shelf_that_never_answers_again_ends_the_run(
    tmp_path: Path, emulated: tuple[Device, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slot is denied, so that nothing waits for it; but what is denied for ever would make a run wait for ever."""
    monkeypatch.setattr("harness.closet.patience.PATIENCE_S", 0.0)
    heard: SimpleQueue[object] = SimpleQueue()
    ask = Ask(emulated[0].name, 0, DeviceKind.EMULATED, (), 60.0, 0)
    shelf = Shelf(tmp_path / "shelf.db")
    with holder(shelf, emulated[0], "cut off", heard) as leasing:
        shelf.close()
        Path(shelf.address).write_bytes(b"nothing of a database")
        answers = []
        for _ in range(3):
            leasing.ask(ask)
        while answers.count(Denied(ask.device, ask.slot)) < 3:
            answers.append(heard.get(timeout=10))
    errors = [answer for answer in answers if isinstance(answer, ClosetError)]
    assert errors
    assert "refuses" in errors[0].problem
