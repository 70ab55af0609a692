"""A run's claims from logs and traces to record, gate and reports: models whose faults are known, over a real store."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from harness.errors import ConfigMistakesError, ExitCode
from harness.intent import Answer, ClaimResult, Standing
from harness.pipeline import execute_run
from harness.pipeline.claims import judge_run
from harness.pipeline.resume import check_same_run
from harness.pipeline.runs import JUNIT, SUMMARY, load_run
from harness.pipeline.spreads import load_spreads
from harness.verdict import BASELINE, CANDIDATE, Attempt, FindingKind, JobResult, RunRecord, Verdict, gate
from tests.pipeline.made_corpus import SUITE, Corpus, Fault, make_corpus, none, off_by

IMPROVE = "expect: improve\nmetrics: {lateral_error_2s: 10 %}\n"
UNCHANGED = "expect: unchanged\ninstead_of: all\nmetrics: {lateral_error_2s: 0.05}\n"


NEAR, FAR = off_by(0.2, 0.05), off_by(0.5, 0.1)
TWIN = off_by(0.201, 0.05)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Eight drives. What was measured of them once is recalled, as it is between runs."""
    return make_corpus(tmp_path_factory.mktemp("corpus"), 8)


def run(
    corpus: Corpus,
    intent: str,
    candidate: Fault,
    baseline: Fault = none,
    *,
    name: str = "run",
    text: str = SUITE,
    stopped: bool = False,
    **rest,
) -> RunRecord:
    path = corpus.folder / "intent.yaml"
    path.write_text(intent)
    request, prepared = corpus.prepared(path, text=text, only=rest.pop("only", ()), model=rest.pop("model", "new"))
    corpus.replay(prepared, candidate, baseline, **rest)
    stop = threading.Event()
    if stopped:
        stop.set()
    folder = corpus.folder / "runs" / name
    record = execute_run(request, prepared, corpus.store, folder=folder, observer=lambda _event: None, stop=stop)
    assert load_run(folder) == record
    return record


def only_claim(record: RunRecord) -> ClaimResult:
    assert len(record.claims) == 1
    return record.claims[0]


def test_nearer_to_the_driven_path_is_proved_better(corpus: Corpus):
    record = run(corpus, IMPROVE, NEAR, FAR)
    claim = only_claim(record)
    assert claim.answer is Answer.BETTER
    assert claim.candidate == pytest.approx(0.2, abs=0.05)
    assert claim.baseline == pytest.approx(0.5, abs=0.05)
    assert (claim.segments, claim.routes) == (8, 8)
    decided = gate(record)
    assert decided.exit_code is ExitCode.GATE_OPEN
    assert decided.reason == "8 jobs passed, 1 claim held"
    for result in record.results:  # the plan moved in every segment, and that is noted
        assert result.verdict is Verdict.PASS
        assert any(found.kind is FindingKind.CHANGED for check in result.checks for found in check.findings)
    folder = corpus.folder / "runs" / "run"
    assert "PROVED better: 10 % or more was asked for" in (folder / SUMMARY).read_text()
    assert 'name="lateral error at 2 s"' in (folder / JUNIT).read_text()


def test_the_other_way_is_proved_worse_and_closes_the_gate(corpus: Corpus):
    record = run(corpus, IMPROVE, FAR, NEAR, model="other")
    claim = only_claim(record)
    assert claim.answer is Answer.WORSE
    assert len(claim.worst) == 3
    assert gate(record).exit_code is ExitCode.REGRESSION


def test_a_twin_is_proved_equivalent(corpus: Corpus):
    record = run(corpus, UNCHANGED, TWIN, NEAR)
    assert only_claim(record).answer is Answer.EQUIVALENT
    assert gate(record).is_open


def test_exact_checks_stay_where_nothing_replaces_them(corpus: Corpus):
    record = run(corpus, UNCHANGED.replace("instead_of: all\n", ""), TWIN, NEAR)
    assert only_claim(record).standing is Standing.HOLDS
    assert {result.verdict for result in record.results} == {Verdict.FAIL}
    assert gate(record).exit_code is ExitCode.REGRESSION


def test_three_drives_are_inconclusive_and_a_release_needs_more(corpus: Corpus):
    three = [drive.route.log_id for drive in corpus.drives[:3]]
    record = run(corpus, IMPROVE, NEAR, FAR, only=three)
    assert only_claim(record).answer is Answer.INCONCLUSIVE
    assert gate(record).exit_code is ExitCode.GATE_OPEN
    assert gate(record).warnings == ("1 claim inconclusive",)
    release = run(corpus, IMPROVE + "policy: release\n", NEAR, FAR, only=three, name="release")
    assert gate(release).exit_code is ExitCode.NO_VERDICT


def test_no_number_closes_the_gate_whatever_the_claims_say(corpus: Corpus):
    record = run(corpus, IMPROVE, NEAR, FAR, broken=True)
    assert [result.verdict for result in record.results].count(Verdict.FAIL) == 1
    assert gate(record).exit_code is ExitCode.REGRESSION


def test_what_the_candidate_has_no_trace_of_is_not_left_out(corpus: Corpus):
    """Better on all that it answered, and nobody knows of the rest."""
    record = run(corpus, IMPROVE, NEAR, FAR)
    assert only_claim(record).answer is Answer.BETTER
    _, prepared = corpus.prepared(corpus.folder / "intent.yaml")
    crashed = [replace(record.results[0], candidate_trace=""), *record.results[1:]]
    (claim,) = judge_run(prepared, {result.name: result for result in crashed}, corpus.store, run="crashed")
    assert (claim.answer, claim.segments) == (Answer.INCONCLUSIVE, 7)
    assert f"\nlost in {record.results[0].segment}" in claim.words
    assert "1 segment lost the value that the baseline has" in claim.words


def timed(result: JobResult, candidate_ms: float, baseline_ms: float, **more: float) -> JobResult:
    """The result as if both sides had been replayed just now."""
    measured = {"frames": 80.0, "model_execution_max_ms": 9.0, **more}
    attempts = tuple(
        Attempt(side, "mici-01", 1, 0.0, 1.0, measurements={**measured, "model_execution_mean_ms": mean_ms})
        for side, mean_ms in ((CANDIDATE, candidate_ms), (BASELINE, baseline_ms))
    )
    return replace(result, attempts=attempts)


def test_times_of_attempts_are_claimed_by_kind_of_device(corpus: Corpus):
    intent = "expect: improve\nmetrics: {model_execution_mean: 10 %}\nguard: {model_execution_worst: 5 %}\n"
    recalled = run(corpus, intent, NEAR, FAR)
    assert [claim.name for claim in recalled.claims] == [
        f"model execution {part}, emulated" for part in ("mean", "worst")
    ]
    assert {claim.answer for claim in recalled.claims} == {Answer.NO_DATA}
    assert recalled.claims[0].words == (
        "no time was measured on both sides: the baseline of 8 segments was recalled from the store (--fresh replays "
        "it); the candidate of 8 segments was recalled from the store (--fresh replays it)"
    )
    assert gate(recalled).exit_code is ExitCode.NO_VERDICT
    _, prepared = corpus.prepared(corpus.folder / "intent.yaml")
    faster = {each.name: timed(each, 8.0 + 0.1 * n, 10.0) for n, each in enumerate(recalled.results)}
    mean, worst = judge_run(prepared, faster, corpus.store, run="timed")
    assert (mean.answer, mean.segments, mean.unit) == (Answer.BETTER, 8, "ms")
    assert mean.candidate == pytest.approx(8.35)
    assert worst.answer is Answer.EQUIVALENT
    name = recalled.results[0].name
    policy_alone = {**faster, name: timed(recalled.results[0], 8.0, 10.0, features_reused=1.0)}
    mean, _ = judge_run(prepared, policy_alone, corpus.store, run="timed")
    assert mean.segments == 7
    assert "not timed: the baseline of 1 segment was replayed on vision features that were kept" in mean.words
    crashed = {**faster, name: replace(faster[name], candidate_trace="")}
    mean, _ = judge_run(prepared, crashed, corpus.store, run="timed")
    assert (mean.answer, mean.segments) == (Answer.INCONCLUSIVE, 7)
    assert "1 segment lost the value that the baseline has" in mean.words


def test_a_condition_of_the_suites_own_is_claimed_like_any_other(corpus: Corpus):
    rain = [drive.route.log_id for drive in corpus.drives[:7]]
    suite = f"{SUITE}conditions: {{rain: [{', '.join(rain)}]}}\n"
    intent = "expect: improve\nmetrics: {lateral_error_2s: {size: 10 %, where: rain}}\n"
    claim = only_claim(run(corpus, intent, NEAR, FAR, text=suite))
    assert (claim.answer, claim.segments, claim.name) == (Answer.BETTER, 7, "lateral error at 2 s, rain")
    (corpus.folder / "weather.yaml").write_text(f"rain: [{rain[0]}]\n")
    claim = only_claim(run(corpus, intent, NEAR, FAR, text=f"{SUITE}conditions: weather.yaml\n"))
    assert (claim.answer, claim.segments) == (Answer.INCONCLUSIVE, 1)
    with pytest.raises(ConfigMistakesError, match="night is a condition already"):
        run(corpus, intent, NEAR, FAR, text=f"{SUITE}conditions: {{night: [x], rain: [x]}}\n")


def test_why_there_are_no_data_is_told(corpus: Corpus):
    intent = "expect: improve\nmetrics: {lateral_error_2s: {where: standstill}, lane_keeping: }\n"
    still, lanes = run(corpus, intent, NEAR, FAR).claims
    assert still.words.startswith("no segment has a value: in none is there a frame of `standstill`; add segments")
    assert lanes.words.startswith("no segment has a value: the traces or the logs have not what it takes")


def test_two_intents_are_one_family(corpus: Corpus):
    """The same question twice is one; another one makes both harder, in whichever file it stands."""
    alone = only_claim(run(corpus, IMPROVE, NEAR, FAR))
    files = []
    for number, text in enumerate((IMPROVE, IMPROVE, IMPROVE.replace("lateral_error_2s", "fde_2s"))):
        files.append(corpus.folder / f"one of {number}.yaml")
        files[-1].write_text(text)
    _, prepared = corpus.prepared(*files[:2])
    results = {result.name: result for result in run(corpus, IMPROVE, NEAR, FAR).results}
    same = judge_run(prepared, results, corpus.store, run="same")
    assert [claim.adjusted_p for claim in same] == [alone.adjusted_p] * 2
    _, prepared = corpus.prepared(*files)
    both = judge_run(prepared, results, corpus.store, run="both")
    assert both[0].p == alone.p
    assert both[0].adjusted_p == pytest.approx(1.5 * (alone.p or 0.0))  # of two alike, by Benjamini and Yekutieli
    assert "among 2 questions" in both[0].words


OWN = """
from closet import metric

@metric(unit="m", direction="lower", aggregation="mean", practical_size=0.05)
def beside_at_2s(trace, truth):
    return abs(trace["position.y"][:, 14] - truth["path.y"][:, 14])
"""


def test_a_metric_of_ones_own_is_claimed_like_any_other(corpus: Corpus):
    (corpus.folder / "own.py").write_text(OWN)
    suite = f"{SUITE}metrics: own.py\n"
    intent = "expect: improve\nmetrics: {beside_at_2s: 10 %}\nguard: {lateral_error_2s: 0.1}\n"
    record = run(corpus, intent, NEAR, FAR, text=suite)
    assert [claim.answer for claim in record.claims] == [Answer.BETTER, Answer.BETTER]
    assert record.claims[0].candidate == pytest.approx(0.2, abs=0.06)
    assert "beside_at_2s · all" in load_spreads(corpus.store.home)
    (corpus.folder / "own.py").write_text(OWN.replace("    return", "    raise ValueError('no')\n    return"))
    broken = run(corpus, intent, NEAR, FAR, text=suite, name="broken")
    assert [claim.answer for claim in broken.claims] == [Answer.NO_DATA, Answer.NO_DATA]
    assert "raised ValueError: no (own.py line 6, in beside_at_2s)" in broken.claims[0].words
    assert gate(broken).exit_code is ExitCode.NO_VERDICT
    (corpus.folder / "own.py").unlink()
    with pytest.raises(ConfigMistakesError, match="no file of metrics"):
        run(corpus, intent, NEAR, FAR, text=suite)


def test_without_data_there_is_no_verdict(corpus: Corpus):
    record = run(corpus, "expect: improve\nmetrics: {lead_distance_error: }\n", NEAR, FAR)
    claim = only_claim(record)
    assert claim.answer is Answer.NO_DATA
    assert gate(record).exit_code is ExitCode.NO_VERDICT


def test_a_run_that_is_stopped_has_judged_nothing(corpus: Corpus):
    record = run(corpus, IMPROVE, NEAR, FAR, stopped=True)
    assert only_claim(record).answer is Answer.NO_DATA
    assert only_claim(record).words == "not judged: the run ended before"
    assert gate(record).exit_code is ExitCode.NO_VERDICT


def test_unchanged_asks_for_all_that_can_be_answered(corpus: Corpus):
    record = run(corpus, "expect: unchanged\ninstead_of: all\n", TWIN, NEAR)
    names = {claim.metric for claim in record.claims}
    assert "lateral_error_2s" in names
    assert not names & {"lead_distance_error", "divergence"}
    assert all(claim.answer is Answer.EQUIVALENT for claim in record.claims if claim.metric == "lateral_error_2s")
    assert all(claim.segments for claim in record.claims)


def test_a_budget_without_events_is_no_verdict(corpus: Corpus):
    budget = "budgets: {soft disables: {types: [softDisable], new: 0}}\n"
    record = run(corpus, IMPROVE + budget, NEAR, FAR)
    assert [claim.answer for claim in record.claims] == [Answer.BETTER, Answer.NO_DATA]
    assert gate(record).exit_code is ExitCode.NO_VERDICT


def test_a_night_adds_to_the_nights_before(corpus: Corpus):
    nightly, intent = SUITE + "policy: nightly\n", "intent: a night\n" + IMPROVE
    halves = [[drive.route.log_id for drive in corpus.drives[part]] for part in (slice(0, 4), slice(2, 8))]
    first, second = (
        only_claim(run(corpus, intent, NEAR, FAR, name=name, text=nightly, only=half))
        for name, half in zip(("one", "two"), halves, strict=True)
    )
    assert (first.looks, second.looks) == (1, 2)
    assert first.p is not None
    assert second.p is not None
    assert second.p < first.p
    again = only_claim(run(corpus, intent, NEAR, FAR, name="two", text=nightly, only=halves[1]))
    assert again == second  # the same run once more is the same look
    other = only_claim(run(corpus, intent, NEAR, FAR, name="three", text=nightly, only=halves[1], model="other"))
    assert other.looks == 1


def test_broken_looks_are_told_and_nothing_is_green(corpus: Corpus):
    nightly, intent = SUITE + "policy: nightly\n", "intent: broken\n" + IMPROVE
    run(corpus, intent, NEAR, FAR, name="one", text=nightly)
    (path,) = (path for path in (corpus.store.home / "looks").glob("*.json") if '"broken"' in path.read_text())
    path.write_text("{}")
    record = run(corpus, intent, NEAR, FAR, name="two", text=nightly)
    assert only_claim(record).answer is Answer.NO_DATA
    assert "not the looks of earlier runs" in only_claim(record).words
    assert gate(record).exit_code is ExitCode.NO_VERDICT


def test_what_a_run_showed_of_the_spread_is_kept(corpus: Corpus):
    run(corpus, IMPROVE, NEAR, FAR, name="eight")
    spread = load_spreads(corpus.store.home)["lateral_error_2s · all"]
    assert spread.baseline == pytest.approx(0.5, abs=0.05)
    assert spread.deviation is not None
    assert 0.01 < spread.deviation < 0.15
    assert (spread.answered, spread.segments, spread.run) == (1.0, 8, "eight")
    three = [drive.route.log_id for drive in corpus.drives[:3]]
    run(corpus, IMPROVE, NEAR, FAR, only=three, name="few")
    assert load_spreads(corpus.store.home)["lateral_error_2s · all"].run == "eight"  # three tell less


def test_another_intent_is_another_run(corpus: Corpus):
    record = run(corpus, IMPROVE, NEAR, FAR)
    path = corpus.folder / "intent.yaml"
    check_same_run(record, corpus.prepared(path)[1])
    path.write_text(f"# the same, said anew\n{IMPROVE}")
    check_same_run(record, corpus.prepared(path)[1])
    path.write_text(IMPROVE.replace("10 %", "1 %"))
    with pytest.raises(ConfigMistakesError, match="declares was changed"):
        check_same_run(record, corpus.prepared(path)[1])
