"""What the selected items need of a plan: that, all of it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import Fleet, Suite
from harness.domain import Check, DeviceKind
from harness.intent import Expectation, Intent
from harness.pipeline.intents import Declared
from harness.pipeline.prepare import Prepared
from harness.plan import make_plan
from harness.pytest_plugin.selection import Selection, check_id, narrowed, own_id, scope_of, select_by_ids
from tests.test_plan import RUNTIMES, case

INTENT = Intent("eyes", Expectation.UNCHANGED, ())
CHECKS = (Check("plan", ("position.*",)), Check("action", ("action.*",)))


@pytest.fixture
def prepared() -> Prepared:
    """Two segments on two kinds of device, with something declared."""
    plan = make_plan("pr", [case(0), case(1)], RUNTIMES, (), 60.0)
    suite = Suite("pr", Path("pr.yaml"), (), (), (), (), 60.0, "")
    return Prepared(suite, Fleet((), 1), plan, {}, {"driving_model": CHECKS}, {}, {}, Declared((INTENT,), ((),)))


def test_a_part_has_its_trials_tasks_and_checks_and_nothing_declared(prepared: Prepared) -> None:
    first, *_ = prepared.plan.trials
    part = narrowed(prepared, Selection(frozenset({first.name}), frozenset({("driving_model", "plan")}), claims=True))
    assert part.plan.trials == (first,)
    assert {job.id for task in part.plan.tasks for job in task.jobs} == {job.id for job in first.jobs}
    assert [check.name for check in part.checks["driving_model"]] == ["plan"]
    assert part.declared.intents == ()


def test_the_whole_is_the_whole(prepared: Prepared) -> None:
    names = frozenset(trial.name for trial in prepared.plan.trials)
    whole = narrowed(prepared, Selection(names, frozenset(), claims=False))
    assert whole.plan == prepared.plan
    assert whole.checks == prepared.checks, "somebody's own test waits for its traces: all checks are judged"
    assert whole.declared.intents == (INTENT,)


def test_ids_alone_say_the_same(prepared: Prepared) -> None:
    first, second, third, last = prepared.plan.trials
    suite_id = "suites/pr.yaml"
    ids = [
        check_id(suite_id, first, "plan"),
        f"{check_id(suite_id, second, 'action')}@group",
        f"test_mine.py::test_it[x-{own_id('pr', third)}-y]",
        f"{suite_id}::claims::eyes::lateral error at 2 s",
        check_id("suites/other.yaml", last, "plan"),
    ]
    selection = select_by_ids(prepared, suite_id, ids)
    assert selection.trials == {first.name, second.name, third.name}
    assert selection.checks == {("driving_model", "plan"), ("driving_model", "action")}
    assert selection.claims
    assert not select_by_ids(prepared, suite_id, ids[:3]).claims


def test_checks_of_a_trial_stay_together_and_other_tests_alone(prepared: Prepared) -> None:
    first, second, *_ = prepared.plan.trials
    assert {first.device_kind, second.device_kind} == {DeviceKind.EMULATED, DeviceKind.MICI}
    scopes = [scope_of(check_id("pr.yaml", trial, check)) for trial in (first, second) for check in ("plan", "action")]
    assert scopes[0] == scopes[1] != scopes[2] == scopes[3]
    for other in ("test_a.py::test_b", "pr.yaml::claims::eyes::error", "test_a.py::A::B::C::test_d"):
        assert scope_of(other) == other
