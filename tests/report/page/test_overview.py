"""The overview as values: what stands first, where links lead, and how a claim's interval is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.explanation import Cause, Explained, Story
from harness.pipeline.runs import load_run
from harness.report.page.measures import measure_families
from harness.report.page.overview import Written, overview_facts
from harness.report.page.segment import first_wrong_frame
from harness.report.page.values import Measurement
from harness.verdict import RunRecord, Severity, Verdict
from tests.report.page.conftest import MadePage
from tests.report.page.made_run import CLAIMS, HOSTILE, PASSED


@pytest.fixture
def record(made_page: MadePage) -> RunRecord:
    return load_run(made_page.run.folder)


def test_what_failed_stands_first_and_only_what_has_a_page_is_linked(made_page: MadePage, record: RunRecord) -> None:
    facts = overview_facts(record, None, (Written(made_page.run.segment),))
    assert [row.verdict for row in facts.rows] == ["FAIL", "FAIL", "ERROR", "PASS"]
    assert facts.first is facts.rows[0]
    assert [bool(row.page) for row in facts.rows] == [True, True, False, False]
    assert facts.rows[0].wrong.endswith(f"#frame={made_page.run.wrong_frame}&trial=driving_model+%C2%B7+mici")
    assert facts.rows[3].frame is None
    assert overview_facts(record, None, ()).first is None
    every = overview_facts(record, None, tuple(Written(result.segment) for result in record.results))
    assert [bool(row.wrong) for row in every.rows] == [True, True, False, False], "no frame, no link to one"


def test_devices_and_coverage_count_everything(record: RunRecord) -> None:
    facts = overview_facts(record, None, ())
    devices = {device.name: device for device in facts.devices}
    assert (devices["mici-01"].attempts, devices["mici-01"].errors) == (3, 0)
    assert (devices[HOSTILE].attempts, devices[HOSTILE].errors, devices[HOSTILE].kind) == (1, 1, "tizi")
    assert "StagingFailedError" in devices[HOSTILE].last_error
    assert dict(facts.coverage)["driving_model · mici"] == {"FAIL": 1, "PASS": 1, "ERROR": 0, "QUARANTINED": 0}
    assert sum(sum(counts.values()) for _, counts in facts.coverage) == len(record.results)
    assert (facts.segments, facts.routes) == (3, 2)


def test_an_interval_is_drawn_around_zero(record: RunRecord) -> None:
    (name, rows), *rest = overview_facts(record, None, ()).claims
    assert (name, rest) == ("closer", [])
    low, effect, high, size, zero = rows[0].plot or (0, 0, 0, 0, 0)
    assert low < effect < zero < high, "a little less, and perhaps a little more"
    assert zero - low == pytest.approx(110 / 1.15, abs=1), "the farthest end is just within"
    assert size == pytest.approx((zero - low) * 0.01 / 0.017, abs=1)
    assert rows[1].tone == "fail"
    unbounded = replace(CLAIMS[0], interval=(None, 0.004))
    assert overview_facts(replace(record, claims=(unbounded,)), None, ()).claims[0][1][0].plot is None


def test_a_story_leads_to_its_exemplar(made_page: MadePage, record: RunRecord) -> None:
    story = Story("moved alike", ("a", "b"), f"{made_page.run.segment} · driving_model · mici", Cause.VISION)
    explained = Explained(record.run, "driving_model", 2, (story, replace(story, exemplar=PASSED)))
    links = [link for _, link in overview_facts(record, explained, (Written(made_page.run.segment),)).stories]
    assert links[0].startswith("segments/")
    assert links[1] == ""


def test_the_first_wrong_frame_is_the_first_that_closes_the_gate(record: RunRecord) -> None:
    result = record.results[0]
    found = result.checks[1].findings[0]
    early = replace(result.checks[1], findings=(replace(found, severity=Severity.NOTE, first_frame=1), found))
    assert first_wrong_frame(replace(result, checks=(early,))) == found.first_frame
    noted = replace(early, findings=early.findings[:1])
    assert first_wrong_frame(replace(result, checks=(noted,))) == 1
    assert first_wrong_frame(replace(result, checks=(), verdict=Verdict.PASS)) is None


def _row(name: str, baseline: float, candidate: float, better: str = "lower", answer: str = "") -> Measurement:
    return Measurement("path", name, "over 2 s", "m", better, baseline, candidate, float("nan"), 0.1, answer, "−3 %")


def test_metrics_with_a_horizon_stand_in_one_table() -> None:
    rows = (_row("error_2s", 1.0, 1.2), _row("error_5s", 1.0, 0.8, answer="PROVED better"), _row("miss", 1.0, 1.05))
    (family,) = measure_families(rows)
    assert family.horizons is not None
    assert family.horizons.ahead == (2, 5)
    (line,) = family.horizons.lines
    assert [cell.way for cell in line.cells if cell] == ["worse", "better"]
    assert line.claims == ("at 5 s PROVED better: −3 %",)
    assert [(cell.name, cell.way, cell.human) for cell in family.rows] == [("miss", "same", "–")]
    assert measure_families((_row("bias", 0.0, 0.5, better="none"),))[0].rows[0].way == "moved"
    assert measure_families((_row("share", 0.5, 0.9, better="higher"),))[0].rows[0].way == "better"
