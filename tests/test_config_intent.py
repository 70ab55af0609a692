"""Intents as files: what they mean, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_suite
from harness.config.intent import load_intent
from harness.errors import ConfigMistakesError
from harness.intent import NIGHTLY_POLICY, RELEASE_POLICY, Action, Claim, Expectation, GatePolicy, Pooled, Size

ROOT = Path(__file__).parents[1]
WHOLE = """\
intent: better lanes
expect: improve
metrics:
  lateral_error_2s: {size: 3 %, where: [all, curve], spread: 10 %}
  ade_5s: 0.02
  comfort:
  lead_brier_0s:
    - {where: lead, size: 0.01}
    - {where: night, direction: lower}
guard:
  longitudinal_error_2s: 5 %
  lateral_jerk: {margin: 0.1, where: straight}
budgets:
  soft disables: {types: [softDisable], new: 0}
  lane-change aborts: {names: [laneChangeBlocked], more: 10 %}
  disengagements: {pooled: disengagements_per_100_km, more: 5 %}
  time engaged: {pooled: engaged_share, less: 1 %}
instead_of: [driving_model.action, plan]
policy: {worse: block, inconclusive: block}
sequential: true
discovery: bh
confidence: 0.9
"""
MISTAKES = """\
expect: better
metrics:
  a: {size: -3, wher: x}
  b: 0 %
  c: {size: 3 percent}
guard:
  d: {margin: .nan}
budgets:
  e: {types: [soft], new: 0}
  f: {pooled: engaged_share, more: 3 %}
  g: {names: [x]}
  h: {new: 1}
  i: {names: [x], new: -1}
  j: {pooled: engaged_share, types: [softDisable], less: 1 %}
  k: {pooled: driver_disengagements, new: 1}
policy: pf
instead_of: 3
confidence: 1
"""


def write(folder: Path, text: str, name: str = "intent.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_whole_intent(tmp_path: Path):
    path = write(tmp_path, WHOLE)
    intent = load_intent(path)
    improve, guard = Expectation.IMPROVE, Expectation.GUARD
    three, tenth = Size(0.03, relative=True), Size(0.1, relative=True)
    assert intent.claims == (
        Claim(improve, "lateral_error_2s", "all", three, "", tenth, f"{path}:4"),
        Claim(improve, "lateral_error_2s", "curve", three, "", tenth, f"{path}:4"),
        Claim(improve, "ade_5s", "all", Size(0.02), "", None, f"{path}:5"),
        Claim(improve, "comfort", "all", None, "", None, f"{path}:6"),
        Claim(improve, "lead_brier_0s", "lead", Size(0.01), "", None, f"{path}:7"),
        Claim(improve, "lead_brier_0s", "night", None, "lower", None, f"{path}:7"),
        Claim(guard, "longitudinal_error_2s", "all", Size(0.05, relative=True), "", None, f"{path}:11"),
        Claim(guard, "lateral_jerk", "straight", Size(0.1), "", None, f"{path}:12"),
    )
    soft, aborts, ends, engaged = intent.budgets
    assert soft.rules is not None
    assert (soft.rules.types, soft.rules.names, soft.new) == (("softDisable",), ("*",), 0)
    assert aborts.rules is not None
    assert aborts.rules.names == ("laneChangeBlocked",)
    assert "warning" in aborts.rules.types
    assert aborts.more == tenth
    assert (ends.pooled, ends.rules) == (Pooled.DISENGAGEMENTS, None)
    assert engaged.less == Size(0.01, relative=True)
    assert intent.instead_of == ("driving_model.action", "plan")
    assert intent.policy == GatePolicy("own", Action.BLOCK, Action.BLOCK, Action.WARN, Action.WARN)
    assert (intent.name, intent.sequential, intent.discovery, intent.confidence) == ("better lanes", True, "bh", 0.9)
    assert not intent.all_metrics


def test_every_mistake_is_told_with_its_line(tmp_path: Path):
    path = write(tmp_path, MISTAKES)
    with pytest.raises(ConfigMistakesError) as caught:
        load_intent(path)
    told = [(int(error.where.rsplit(":", 1)[1]), error.problem.split(":", 1)[0]) for error in caught.value.errors]
    assert told == [
        (1, "expect"),
        (3, "metrics.a.0.size"),
        (3, "metrics.a.0.wher"),
        (4, "metrics.b.0.size"),
        (5, "metrics.c.0.size"),
        (7, "guard.d.0.margin"),
        *((line, f"budgets.{name}") for line, name in zip(range(9, 13), "efgh", strict=True)),
        (13, "budgets.i.new"),
        (14, "budgets.j"),
        (15, "budgets.k"),
        (16, "policy"),
        (17, "instead_of"),
        (18, "confidence"),
    ]


def test_an_improvement_says_of_what_and_nothing_twice(tmp_path: Path):
    with pytest.raises(ConfigMistakesError, match="improve what"):
        load_intent(write(tmp_path, "expect: improve\n"))
    twice = "expect: improve\nmetrics: {ade_5s: {where: [curve, curve]}}\nguard: {ade_5s: {where: curve}}\n"
    with pytest.raises(ConfigMistakesError) as caught:
        load_intent(write(tmp_path, twice))
    assert [error.problem for error in caught.value.errors] == ["ade_5s where curve is claimed twice"] * 2


def test_unchanged_without_metrics_asks_for_all(tmp_path: Path):
    intent = load_intent(write(tmp_path, "expect: unchanged\ninstead_of: all\npolicy: release\n", "name.yaml"))
    assert intent.all_metrics
    assert intent.name == "name"
    assert intent.instead_of == ("*",)
    assert intent.policy == RELEASE_POLICY
    assert not load_intent(write(tmp_path, "expect: unchanged\nmetrics: {ade_5s: }\n")).all_metrics


SUITE = """\
suite: s
routes: [routes]
replayers: {{driving_model: {{checks: {{a: {{channels: [a]}}}}}}}}
{more}
"""


def test_a_suite_declares_in_place_and_in_files(tmp_path: Path):
    (tmp_path / "intents").mkdir()
    write(tmp_path / "intents", "expect: unchanged\n", "same.yaml")
    more = "intent: {expect: improve, metrics: {ade_5s: 3 %}}\nintents: [intents/same.yaml]\npolicy: nightly"
    suite = load_suite(write(tmp_path, SUITE.format(more=more), "suite.yaml"))
    assert [intent.name for intent in suite.intents] == ["s", "same"]
    assert suite.intents[0].claims[0].where == f"{tmp_path}/suite.yaml:4"
    assert suite.policy == NIGHTLY_POLICY
    plain = load_suite(write(tmp_path, SUITE.format(more=""), "suite.yaml"))
    assert (plain.intents, plain.policy) == ((), None)


def test_a_suites_mistakes_in_its_intent_have_their_line(tmp_path: Path):
    more = "intent:\n  expect: improve\n  metrics:\n    ade_5s: {sizes: 3 %}\npolicy: {worst: block}"
    with pytest.raises(ConfigMistakesError) as caught:
        load_suite(write(tmp_path, SUITE.format(more=more), "suite.yaml"))
    assert [str(error) for error in caught.value.errors] == [
        f"{tmp_path}/suite.yaml:7: intent.metrics.ade_5s.0.sizes: unknown key",
        f"{tmp_path}/suite.yaml:8: policy.worst: unknown key",
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures" / "intents").glob("*.yaml")), ids=lambda path: path.stem)
def test_those_of_the_stories_are_intents(path: Path):
    assert load_intent(path).name
