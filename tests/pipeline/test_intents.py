"""What is declared: names held against what there is, checks replaced, policies put together, looks, power."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.metrics import METRICS
from harness.config import load_suite
from harness.errors import ConfigMistakesError, DataError
from harness.intent import NIGHTLY_POLICY, PR_POLICY, RELEASE_POLICY, Action, Answer, Size
from harness.pipeline.intents import EVERY_METRIC, Declared, declare
from harness.pipeline.looks import open_looks
from harness.pipeline.power import foresee, refuse
from harness.pipeline.questions import title
from harness.pipeline.spreads import SPREADS_FILE, Spread, load_spreads

SUITE = """\
suite: s
routes: [routes]
replayers:
  driving_model:
    checks:
      pictures: {channels: [pictures.*, vEgo]}
      action: {channels: [action.*]}
      plan: {channels: [position.*, vEgo]}
      happened: {events: {types: [softDisable]}}
  driver_monitoring:
    checks: {face: {channels: [face*]}}
"""
IMPROVE = "expect: improve\nmetrics: {lateral_error_2s: 3 %}\n"


def declared(folder: Path, *intents: str, suite: str = SUITE) -> Declared:
    (folder / "suite.yaml").write_text(suite)
    files = []
    for number, text in enumerate(intents):
        files.append(folder / f"intent{number}.yaml")
        files[-1].write_text(text)
    return declare(load_suite(folder / "suite.yaml"), files)


def replaced(folder: Path, *intents: str) -> set[str]:
    found = declared(folder, *intents)
    suite = load_suite(folder / "suite.yaml")
    return {
        f"{config.name}.{check.name}" for config in suite.replayers for check in found.checks(config) if check.replaced
    }


def test_nothing_declared(tmp_path: Path):
    found = declared(tmp_path)
    assert (found.digest, found.planned, found.planned_names, found.policy) == ("", (), (), PR_POLICY)
    assert replaced(tmp_path) == set()


def test_metrics_are_named_as_people_say_them():
    assert title(METRICS["lateral_error_2s"]) == "lateral error at 2 s"
    assert title(METRICS["control_cost"]) == "control cost"


def test_questions(tmp_path: Path):
    text = "expect: improve\nmetrics:\n  lateral_error_2s: {where: [all, curve_sharp]}\n  comfort: {size: 1 %}\n"
    found = declared(tmp_path, text)
    ((first, sharp, comfort),) = found.questions
    assert (first.words, first.unit, first.worse) == ("lateral error at 2 s", "m", 1)
    assert first.size == Size(METRICS["lateral_error_2s"].practical_size)
    assert sharp.words == "lateral error at 2 s, curve sharp"
    assert (comfort.worse, comfort.size) == (-1, Size(0.01, relative=True))
    assert found.planned_names == tuple(f"intent0: {each.words}" for each in (first, sharp, comfort))
    assert {claim.answer for claim in found.planned} == {Answer.NO_DATA}
    chosen = declared(tmp_path, "expect: improve\nmetrics: {lateral_bias_2s: {direction: lower}}\n").questions[0][0]
    assert (chosen.worse, chosen.words) == (1, "lateral bias at 2 s (lower is better, as declared)")


REFUSED = [
    (
        "metrics: {comfort: {direction: lower}}",
        "comfort is better higher: with `direction: lower` what got",
    ),
    ("metrics: {lateral_error_2s: 200 %}", "lateral_error_2s is never below 0 and cannot fall by 200 %"),
    ("metrics: {comfort: 1.5}", "comfort is a share, from 0 to 1, and cannot change by 1.5"),
    (
        "metrics: {model_execution_mean: {where: curve}}",
        "model_execution_mean is measured over whole segments, not where curve",
    ),
    (
        "metrics: {lateral_error_2s: 3 %}\nbudgets: {soft: {names: [steerSaturatd], new: 0}}",
        r"there is no event steerSaturatd \(did you mean steerSaturated",
    ),
]


@pytest.mark.parametrize(("text", "told"), REFUSED, ids=[told.split()[0] for _, told in REFUSED])
def test_what_could_never_be_answered_rightly_is_refused(tmp_path: Path, text: str, told: str):
    with pytest.raises(ConfigMistakesError, match=told):
        declared(tmp_path, f"expect: improve\n{text}\n")


def test_what_only_looks_like_that_is_not(tmp_path: Path):
    text = (
        "expect: improve\nmetrics: {lateral_error_2s: {size: 100 %, direction: lower}, comfort: 300 %}\n"
        "guard: {ade_5s: 200 %}\nbudgets: {soft: {names: ['steer*'], types: [warning], new: 0}}\n"
    )
    assert len(declared(tmp_path, text).questions[0]) == 3


def test_times_are_asked_by_kind_of_device(tmp_path: Path):
    suite = SUITE + "devices: {kinds: [mici, tizi]}\n"
    found = declared(tmp_path, "expect: improve\nmetrics: {model_execution_mean: 5 %}\n", suite=suite)
    assert found.planned_names == ("intent0: model execution mean, mici", "intent0: model execution mean, tizi")
    assert {each.column[0] for each in found.questions[0]} == {
        "model_execution_mean on mici",
        "model_execution_mean on tizi",
    }


def test_names_that_are_none_are_all_told(tmp_path: Path):
    text = """\
expect: improve
metrics:
  lateral_eror_2s: 3 %
  ade_5s: {where: curves}
  lateral_bias_2s: 3 %
instead_of: [planned]
"""
    with pytest.raises(ConfigMistakesError) as caught:
        declared(tmp_path, text)
    told = [str(error) for error in caught.value.errors]
    at = f"{tmp_path}/intent0.yaml"
    assert told[0].startswith(f"{at}:3: there is no metric lateral_eror_2s (did you mean lateral_error_2s")
    assert told[1].startswith(f"{at}:4: there is no condition curves (did you mean curve")
    assert told[2] == f"{at}:5: lateral_bias_2s has no better side (say `direction: lower` or `higher`)"
    assert told[3].startswith(f"{at}:1: instead_of: suite s has no check of values called planned")
    with pytest.raises(ConfigMistakesError, match="two intents are called same"):
        declared(tmp_path, "intent: same\n" + IMPROVE, "intent: same\n" + IMPROVE)


def test_what_an_intent_replaces(tmp_path: Path):
    outputs = {"driving_model.action", "driving_model.plan"}
    unchanged = "expect: unchanged\nmetrics: {lateral_error_2s: 0.05}\n"
    assert replaced(tmp_path, IMPROVE) == outputs
    assert replaced(tmp_path, unchanged) == set()
    assert replaced(tmp_path, unchanged + "instead_of: all\n") == outputs
    assert replaced(tmp_path, unchanged + "instead_of: [plan]\n") == {"driving_model.plan"}
    assert replaced(tmp_path, IMPROVE + "instead_of: []\n") == set()
    assert replaced(tmp_path, IMPROVE + "instead_of: [driver_monitoring.*]\n") == {"driver_monitoring.face"}
    assert replaced(tmp_path, unchanged, IMPROVE) == outputs
    with pytest.raises(ConfigMistakesError, match="no check of values called happened"):  # events never are
        replaced(tmp_path, IMPROVE + "instead_of: [happened]\n")


def test_the_policy_is_the_strictest(tmp_path: Path):
    assert declared(tmp_path, IMPROVE).policy == PR_POLICY
    assert declared(tmp_path, IMPROVE, suite=SUITE + "policy: release\n").policy == RELEASE_POLICY
    assert declared(tmp_path, IMPROVE + "policy: nightly\n").policy == NIGHTLY_POLICY
    both = declared(tmp_path, IMPROVE + "policy: release\n", IMPROVE, suite=SUITE).policy
    assert both.inconclusive is Action.BLOCK
    lax = declared(tmp_path, IMPROVE + "policy: {worse: warn}\n", suite=SUITE + "policy: pr\n").policy
    assert lax.worse is Action.BLOCK


def test_nights_look_again_and_again(tmp_path: Path):
    for text, suite, sequential in (
        (IMPROVE, SUITE, False),
        (IMPROVE, SUITE + "policy: nightly\n", True),
        (IMPROVE + "policy: nightly\n", SUITE, True),
        (IMPROVE + "sequential: true\n", SUITE, True),
    ):
        found = declared(tmp_path, text, suite=suite)
        assert found.is_sequential(found.intents[0]) is sequential


def test_the_digest_is_of_what_is_asked(tmp_path: Path):
    found = declared(tmp_path, IMPROVE).digest
    assert declared(tmp_path, "# moved\n" + IMPROVE).digest == found
    assert declared(tmp_path, IMPROVE.replace("3 %", "4 %")).digest != found


def test_all_metrics_are_planned_as_one(tmp_path: Path):
    found = declared(tmp_path, "expect: unchanged\nbudgets: {soft: {types: [softDisable], new: 0}}\n")
    assert [claim.name for claim in found.planned] == [EVERY_METRIC, "soft"]
    assert found.planned_names == ("intent0: soft",)
    headline = {metric.name for metric in METRICS.values() if metric.headline and not metric.of_pair}
    assert {each.claim.metric for each in found.questions[0]} == headline - {"model_execution_mean"}
    mici = declared(tmp_path, "expect: unchanged\n", suite=SUITE + "devices: {kinds: [mici, emulated]}\n")
    assert {each.claim.metric for each in mici.questions[0]} == headline  # a device's time counts, this machine's not
    assert [each.words for each in mici.questions[0] if each.measured] == ["model execution mean, mici"]


def test_looks_are_kept_by_what_they_are_at(tmp_path: Path):
    one = {"candidate": "a"}
    with open_looks(tmp_path, one) as looks:
        assert len(looks.add("x", "monday", {"r1": (1.0, 10.0, 2)})) == 1
    with open_looks(tmp_path, one) as looks:
        first, second = looks.add("x", "tuesday", {"r1": (5.0, 10.0, 2), "r2": (2.0, 10.0, 1)})
        assert first.difference.tolist() == [1.0]
        assert second.difference.tolist() == [2.0]  # r1 was seen on monday
    with open_looks(tmp_path, one) as looks:
        again = looks.add("x", "tuesday", {"r3": (3.0, 10.0, 1)})
        assert [look.difference.tolist() for look in again] == [[1.0], [3.0]]
        assert len(looks.add("y", "tuesday", {})) == 1
    with open_looks(tmp_path, {"candidate": "b"}) as looks:
        assert looks.claims == {}


def test_looks_are_not_written_when_a_run_breaks(tmp_path: Path):

    def break_off() -> None:
        with open_looks(tmp_path, {}) as looks:
            looks.add("x", "monday", {"r1": (1.0, 10.0, 2)})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with open_looks(tmp_path, {}) as looks:
        assert looks.claims == {}


def test_what_is_no_looks_and_no_spreads(tmp_path: Path):
    with open_looks(tmp_path, {}):
        pass
    (path,) = (tmp_path / "looks").glob("*.json")
    for text, words in (("[]", "not the looks"), (path.read_text().replace('"format": 1', '"format": 2'), "format 2")):
        path.write_text(text)
        with pytest.raises(DataError, match=words), open_looks(tmp_path, {}):
            pass
    assert load_spreads(tmp_path) == {}
    (tmp_path / SPREADS_FILE).write_text("[1]")
    with pytest.raises(DataError, match="not the spreads"):
        load_spreads(tmp_path)


KNOWN = Spread(0.04, 0.2, 1.0, 40, 20, "run")


def outlook(folder: Path, text: str, segments: int, routes: int, spread: Spread | None = KNOWN):
    spreads = {} if spread is None else {"lateral_error_2s · all": spread}
    (found,) = foresee(declared(folder, text), segments, routes, spreads)
    return found


def test_what_so_many_segments_can_show(tmp_path: Path):
    few = outlook(tmp_path, IMPROVE, 40, 20)
    assert few.enough is False
    assert few.words == "40 segments of 20 routes can show 9.3 % or more, not 3 %: about 320 more segments would"
    assert outlook(tmp_path, IMPROVE, 400, 200).enough is True
    assert outlook(tmp_path, IMPROVE, 362, 181).enough is True  # as many as it said
    with pytest.raises(
        ConfigMistakesError, match=r"intent0.yaml:2: lateral error at 2 s: 40 segments .*--force-intent"
    ):
        refuse([few])
    refuse([outlook(tmp_path, IMPROVE, 400, 200)])


def test_too_few_routes_are_refused_without_any_spread(tmp_path: Path):
    assert "at least 6 routes" in outlook(tmp_path, IMPROVE, 60, 3, None).words
    unknown = outlook(tmp_path, IMPROVE, 60, 30, None)
    assert unknown.enough is None
    refuse([unknown])


def test_a_spread_that_is_declared_counts_first(tmp_path: Path):
    text = "expect: improve\nmetrics: {lateral_error_2s: {size: 3 %, spread: SPREAD}}\n"
    assert outlook(tmp_path, text.replace("SPREAD", "6 %"), 40, 20, None).enough is True
    assert outlook(tmp_path, text.replace("SPREAD", "40 %"), 40, 20).enough is False
    in_metres = outlook(tmp_path, text.replace("SPREAD", "0.01"), 40, 20)
    assert in_metres.words == "40 segments of 20 routes can show 2.3 % or more; 3 % is asked for"
    assert "its mean is not known yet" in outlook(tmp_path, text.replace("SPREAD", "0.01"), 40, 20, None).words


def test_margins_have_a_power_of_their_own(tmp_path: Path):
    unchanged = "expect: unchanged\nmetrics: {lateral_error_2s: 0.03}\n"
    assert outlook(tmp_path, unchanged, 40, 20).words == (
        "40 segments of 20 routes can show that it stays within ±0.019 m; 0.03 m is asked for"
    )
    guard = "expect: improve\nmetrics: {ade_5s: }\nguard: {lateral_error_2s: 0.01}\n"
    found = foresee(declared(tmp_path, guard), 40, 20, {"lateral_error_2s · all": KNOWN})[1]
    assert found.enough is False
    assert "can show that it is not worse by 0.016 m, not 0.01 m" in found.words


def test_a_suite_without_segments_is_refused(tmp_path: Path):
    none = outlook(tmp_path, IMPROVE, 0, 0)
    assert (none.enough, none.words) == (False, "the suite has no segment for driving_model")


def test_segments_without_an_answer_do_not_count(tmp_path: Path):
    half = replace(KNOWN, answered=0.25, deviation=None)
    assert "10 segments of 5 routes can show no difference" in outlook(tmp_path, IMPROVE, 40, 20, half).words


def test_a_condition_of_the_suite_counts_its_own_segments(tmp_path: Path):
    suite = SUITE + "conditions: {rain: [a], snow: [b]}\n"
    text = "expect: improve\nmetrics: {lateral_error_2s: {size: 40 %, spread: 40 %, where: [rain, snow, all]}}\n"
    found = declared(tmp_path, text, suite=suite)
    rain, snow, every = foresee(found, 40, 20, {}, {"rain": (10, 5), "snow": (0, 0)})
    assert rain.words.startswith("10 segments of 5 routes can show no difference")
    assert (snow.enough, snow.words) == (False, "the suite has no segment of `snow`")
    assert (every.enough, every.words.startswith("40 segments of 20 routes can show ")) == (True, True)


def test_two_intents_make_each_other_harder(tmp_path: Path):
    """What is foreseen is adjusted as the answers will be: for all questions of the run."""
    other = IMPROVE.replace("lateral_error_2s", "ade_5s").replace("improve", "unchanged")
    alone = foresee(declared(tmp_path, IMPROVE), 12, 6, {})
    both = foresee(declared(tmp_path, IMPROVE, other), 12, 6, {})
    same = foresee(declared(tmp_path, IMPROVE, "intent: again\n" + IMPROVE), 12, 6, {})
    assert [alone[0].enough, both[0].enough, same[0].enough] == [None, False, None]


def test_what_improves_together_is_found_together(tmp_path: Path):
    text = "expect: improve\nmetrics: {ade_5s: 3 %, lateral_error_2s: 3 %}\n"
    both = foresee(declared(tmp_path, text), 12, 7, {})
    assert all(found.enough is None for found in both)  # α for the second of two that are found
    guarded = text.replace(", lateral_error_2s: 3 %}", "}") + "guard: {lateral_error_2s: 0.04}\n"
    assert [found.enough for found in foresee(declared(tmp_path, guarded), 12, 6, {})] == [False, None]
