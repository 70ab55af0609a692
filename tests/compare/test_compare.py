from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.compare import compare_traces, describe_difference, runtime_difference
from harness.compare.compare import MAX_FINDINGS, MAX_INTERVALS
from harness.domain import Check, Tolerance
from harness.errors import DataError
from harness.trace import Channel
from harness.verdict import Closeness, FindingKind, Severity, Verdict, judge

N = 400
T = np.arange(N) * 0.05
CURVATURE = 0.003 * np.sin(T)
BASE = {
    "pictures.narrow.digest": np.arange(N, dtype=np.uint64),
    "features": np.tile(np.sin(T)[:, None], (1, 8)).astype(np.float32),
    "position.y": np.zeros((N, 33), np.float32),
    "action.desiredCurvature": CURVATURE,
    "action.shouldStop": np.zeros(N, bool),
    "vEgo": np.full(N, 20.0),
    "executionTime": np.zeros(N),
}
EXACT = ("pictures.narrow.digest", "action.shouldStop", "vEgo")
UNITS = {"action.desiredCurvature": "1/m", "position.y": "m", "vEgo": "m/s"}
ACTION = Check("action", ("action.*",), Tolerance(absolute=1e-4))
EVERYTHING = Check("everything", ("*",), Tolerance(absolute=1e-4))


@pytest.fixture
def trace(make_trace):
    def build(**changes):
        arrays = {name: values.copy() for name, values in BASE.items()}
        for name, (rows, change) in changes.pop("change", {}).items():
            arrays[name][rows] = change(arrays[name][rows])
        return make_trace(arrays, exact=EXACT, informative=("executionTime",), units=UNITS, **changes)

    return build


def blocking(result):
    return [found for found in result.findings if found.severity is Severity.BLOCK]


def test_equal_traces_are_exact(trace):
    (result,) = compare_traces(trace(), trace(), [EVERYTHING])
    assert (result.closeness, result.findings) == (Closeness.EXACT, ())
    assert (result.channels_compared, result.frames_compared) == (6, N)
    assert judge((result,), None) is Verdict.PASS


def test_within_tolerance_is_not_exact(trace):
    observed = trace(change={"action.desiredCurvature": (slice(100, 120), lambda v: v + 0.5e-4)})
    (result,) = compare_traces(trace(), observed, [ACTION])
    assert (result.closeness, result.findings) == (Closeness.WITHIN, ())


def test_a_divergence_is_told_in_full(trace):
    bump = 0.0027 * np.sin(np.linspace(0.1, np.pi - 0.1, 46))
    observed = trace(change={"action.desiredCurvature": (slice(212, 258), lambda v: v + bump)})
    (result,) = compare_traces(trace(), observed, [ACTION])
    (finding,) = blocking(result)
    assert result.closeness is Closeness.BEYOND
    assert finding.kind is FindingKind.CHANGED
    assert (finding.first_frame, finding.last_frame) == (212, 257)
    assert finding.peak_frame in {234, 235}
    assert (finding.first_s, finding.last_s) == (pytest.approx(10.6), pytest.approx(12.85))
    assert finding.excess == pytest.approx(27, rel=0.01)
    assert finding.unit == "1/m"
    lines = finding.words.split("\n")
    assert lines[0] == f"leaves at frame 212 (10.60 s), peak {finding.peak_frame}, back after 2.3 s"
    assert lines[1].startswith(f"expected {finding.expected} 1/m, observed {finding.observed} 1/m = 1.1 m/s² ")
    assert lines[1].endswith("of lateral acceleration to the other side, 27 × the tolerance")
    assert judge((result,), None) is Verdict.FAIL


def test_frames_are_camera_ids_not_rows(trace):
    later = {"first_frame": 5000}
    observed = trace(change={"action.shouldStop": (slice(7, 8), lambda v: ~v)}, **later)
    (result,) = compare_traces(trace(**later), observed, [ACTION])
    assert blocking(result)[0].first_frame == 5007
    assert blocking(result)[0].words.split("\n")[0] == "different at frame 5007 (0.35 s)"


def test_a_check_that_does_not_block_only_notes(trace):
    observed = trace(change={"action.shouldStop": (slice(7, 8), lambda v: ~v)})
    (result,) = compare_traces(trace(), observed, [dataclasses.replace(ACTION, blocks=False)])
    assert result.closeness is Closeness.BEYOND
    assert result.findings
    assert not blocking(result)
    assert judge((result,), None) is Verdict.PASS


def test_one_new_nan_is_its_own_finding_and_no_tolerance_lets_it_through(trace):
    observed = trace(change={"position.y": (slice(300, 301), lambda v: v * np.nan)})
    (result,) = compare_traces(trace(), observed, [Check("plan", ("position.*",), Tolerance(1e9, 1e9))])
    (finding,) = blocking(result)
    assert finding.kind is FindingKind.NOT_A_NUMBER
    assert (finding.first_frame, finding.last_frame, finding.excess) == (300, 300, None)
    assert (finding.expected, finding.observed) == ("0", "NaN")
    assert finding.words.startswith("NaN, which was a number, at frame 300")


def test_a_vanished_nan_is_a_finding_too(trace):
    with_nan = trace(change={"action.desiredCurvature": (slice(300, 310), lambda v: v * np.nan)})
    (result,) = compare_traces(with_nan, trace(), [ACTION])
    (finding,) = blocking(result)
    assert finding.words.startswith("a number, which was NaN, from frame 300 (15.00 s) to 309, 10 frames")


def test_nan_on_both_sides_is_equal(trace):
    change = {"action.desiredCurvature": (slice(300, 310), lambda v: v * np.nan)}
    (result,) = compare_traces(trace(change=change), trace(change=change), [ACTION])
    assert result.closeness is Closeness.EXACT


def test_infinity_beyond_a_relative_tolerance(trace):
    observed = trace(change={"action.desiredCurvature": (slice(300, 301), lambda v: v + np.inf)})
    (result,) = compare_traces(trace(), observed, [Check("a", ("action.*",), Tolerance(relative=0.5))])
    (finding,) = blocking(result)
    assert (finding.excess, finding.observed) == (None, "∞")


def test_exact_channels_know_no_tolerance(trace):
    observed = trace(change={"vEgo": (slice(10, 11), lambda v: v + 1e-9)})
    (result,) = compare_traces(trace(), observed, [Check("speed", ("vEgo",), Tolerance(absolute=1.0))])
    (finding,) = blocking(result)
    assert finding.excess is None
    assert finding.expected != finding.observed


def test_informative_channels_are_never_judged(trace):
    observed = trace(change={"executionTime": (slice(0, N), lambda v: v + 9)})
    (result,) = compare_traces(trace(), observed, [EVERYTHING])
    assert result.closeness is Closeness.EXACT


def test_a_candidate_cannot_declare_itself_informative(trace, make_trace):
    expected = make_trace({"a": np.zeros(20), "b": np.zeros(20)})
    observed = make_trace({"a": np.ones(20), "b": np.zeros(20)}, informative=("a",))
    (result,) = compare_traces(expected, observed, [Check("all", ("*",))])
    assert blocking(result)


def test_different_pictures_are_said_to_be_that(trace):
    observed = trace(change={"pictures.narrow.digest": (slice(50, N), lambda v: v + np.uint64(1))})
    (result,) = compare_traces(trace(), observed, [EVERYTHING])
    digest, note = result.findings
    assert digest.words.startswith("different pictures from frame 50 (2.50 s) to 399, 350 frames")
    assert note.channel == "first to move"
    assert "the pixels moved before the model" in note.words


def test_model_drift_on_the_same_pictures(trace):
    observed = trace(
        change={
            "features": (slice(100, 140), lambda v: v + np.float32(1)),
            "action.desiredCurvature": (slice(101, 140), lambda v: v + 0.01),
        }
    )
    (result,) = compare_traces(trace(), observed, [ACTION])
    assert result.findings[-1].words == "vision features at frame 100 (5.00 s) (same pictures); the policy follows"
    assert result.findings[-1].severity is Severity.NOTE


def test_lag_is_recognised(trace):
    late = 0.003 * np.sin(T - 0.15)
    observed = trace(change={"action.desiredCurvature": (slice(50, 390), lambda _: late[50:390])})
    (result,) = compare_traces(trace(), observed, [ACTION])
    assert blocking(result)[0].words.split("\n")[-1] == "lags by 3 frames (150 ms)"


def test_plan_words_are_part_of_the_finding(trace):
    step = np.full(33, 0.38, np.float32)
    observed = trace(change={"position.y": (slice(100, 140), lambda v: v + step)})
    (result,) = compare_traces(trace(), observed, [Check("plan", ("position.*",), Tolerance(0.1))])
    assert "plan at 2 s: 0.38 m right" in blocking(result)[0].words.split("\n")


def test_missing_and_extra_frames_are_findings_not_exceptions(make_trace):
    kept = [n for n in range(100) if not 12 <= n <= 15]
    expected = make_trace({"action.x": np.arange(100.0)})
    observed = make_trace({"action.x": np.array([*kept, 100, 101], float)}, frame_ids=[*kept, 100, 101])
    (result,) = compare_traces(expected, observed, [Check("a", ("action.*",))])
    missing, extra = blocking(result)
    assert (missing.kind, missing.first_frame, missing.last_frame) == (FindingKind.MISSING_FRAMES, 12, 15)
    assert missing.words == "the observed trace lacks 4 of 100 frames: frames 12–15"
    assert (missing.first_s, missing.last_s) == (pytest.approx(0.6), pytest.approx(0.75))
    assert (extra.kind, extra.first_frame, extra.last_frame) == (FindingKind.EXTRA_FRAMES, 100, 101)
    assert result.frames_compared == 96
    # The frames both have are equal by id; a comparison by position would differ from row 12 on.
    assert not [found for found in result.findings if found.kind is FindingKind.CHANGED]


def test_no_common_frame_says_nothing_was_compared(make_trace):
    expected = make_trace({"action.x": np.zeros(5)})
    observed = make_trace({"action.x": np.zeros(5)}, first_frame=100)
    for blocks, verdict in ((True, Verdict.FAIL), (False, Verdict.ERROR)):
        (result,) = compare_traces(expected, observed, [Check("a", ("action.*",), blocks=blocks)])
        assert result.closeness is Closeness.NOTHING
        assert judge((result,), None) is verdict


def test_what_is_no_number_on_either_side_is_not_green(make_trace):
    nothing = make_trace({"action.x": np.full(5, np.nan), "action.y": np.full((5, 3), np.nan, np.float32)})
    (result,) = compare_traces(nothing, nothing, [Check("a", ("action.*",))])
    assert result.closeness is Closeness.NOTHING
    assert judge((result,), None) is Verdict.ERROR
    partly = make_trace({"action.x": np.array([1.0, np.nan, 1.0]), "action.y": np.full(3, np.nan)})
    (result,) = compare_traces(partly, partly, [Check("a", ("action.*",))])
    assert result.closeness is Closeness.EXACT


def test_a_pattern_without_a_channel_is_not_hidden_by_another(trace):
    (result,) = compare_traces(trace(), trace(), [Check("a", ("action.*", "postion.*"))])
    assert result.closeness is Closeness.NOTHING
    assert [found.words for found in result.findings] == ["no channel matches postion.*: nothing was compared"]
    assert judge((result,), None) is Verdict.ERROR


def test_empty_traces_are_not_green(make_trace):
    empty = make_trace({"action.x": np.zeros(0)})
    results = compare_traces(empty, empty, [Check("a", ("action.*",))])
    assert judge(results, None) is Verdict.ERROR


@pytest.mark.parametrize(
    ("ours", "theirs", "kind", "words"),
    [
        ({"b": np.zeros(9)}, {}, FindingKind.MISSING_CHANNEL, "missing from the observed"),
        ({}, {"b": np.zeros(9)}, FindingKind.EXTRA_CHANNEL, "not in the expected"),
        ({"b": np.zeros((9, 3))}, {"b": np.zeros((9, 4))}, FindingKind.SHAPE, "expected (3,), observed (4,)"),
        ({"b": np.zeros(9)}, {"b": np.zeros((9, 1))}, FindingKind.SHAPE, "expected (), observed (1,)"),
        ({"b": np.zeros(9)}, {"b": np.zeros(9, bool)}, FindingKind.SHAPE, "expected numbers, observed true or false"),
    ],
)
def test_what_cannot_be_compared_is_a_finding(make_trace, ours, theirs, kind, words):
    expected, observed = make_trace({"a": np.zeros(9), **ours}), make_trace({"a": np.zeros(9), **theirs})
    (result,) = compare_traces(expected, observed, [Check("all", ("*",))])
    (finding,) = blocking(result)
    assert (finding.kind, finding.channel) == (kind, "b")
    assert words in finding.words
    assert result.channels_compared == 1


def test_another_unit_is_a_finding(make_trace):
    expected = make_trace({"a": np.zeros(9)}, units={"a": "m"})
    observed = make_trace({"a": np.zeros(9)}, units={"a": "ft"})
    (result,) = compare_traces(expected, observed, [Check("all", ("*",), Tolerance(1e9))])
    assert blocking(result)[0].kind is FindingKind.SHAPE


@pytest.mark.parametrize("pattern", ["actoin.*", "executionTime"])
def test_a_check_that_judges_nothing_is_an_error_though_others_pass(trace, pattern):
    results = compare_traces(trace(), trace(), [ACTION, Check("typo", (pattern,))])
    assert results[1].closeness is Closeness.NOTHING
    assert results[1].channels_compared == 0
    assert pattern in results[1].findings[0].words
    assert judge(results, None) is Verdict.ERROR


def test_findings_come_by_frame_then_channel(make_trace):
    base = {name: np.zeros(100) for name in "cab"}
    observed = {name: values.copy() for name, values in base.items()}
    observed["c"][10] = observed["a"][50] = observed["b"][50] = 1
    (result,) = compare_traces(make_trace(base), make_trace(observed), [Check("all", ("*",))])
    order = [(found.first_frame, found.channel) for found in blocking(result)]
    assert order == [(10, "c"), (50, "a"), (50, "b")]


def test_findings_are_bounded_and_the_rest_is_counted(make_trace):
    base = {f"c{n:03d}": np.zeros(100) for n in range(60)}
    observed = {name: values + 1.0 + n for n, (name, values) in enumerate(base.items())}
    check = Check("all", ("*",), Tolerance(absolute=0.5))
    (result,) = compare_traces(make_trace(base), make_trace(observed), [check])
    assert len(blocking(result)) == MAX_FINDINGS + 1
    assert blocking(result)[-1].words == "and 40 more in 40 channels, the worst in c059, 120 × the tolerance"


def test_intervals_of_a_channel_are_bounded_and_the_rest_is_counted(make_trace):
    observed = np.zeros(1000)
    observed[::100] = 1
    (result,) = compare_traces(make_trace({"a": np.zeros(1000)}), make_trace({"a": observed}), [Check("all", ("*",))])
    assert [found.first_frame for found in blocking(result)] == [0, 100, 200]
    assert len(blocking(result)) == MAX_INTERVALS
    assert blocking(result)[-1].words.endswith("and 7 more times up to frame 900")


@pytest.mark.parametrize("field", ["segment", "replayer"])
def test_traces_of_other_things_are_refused(trace, field):
    with pytest.raises(DataError, match=f"different {field}s"):
        compare_traces(trace(), trace(**{field: "other"}), [ACTION])


def test_a_runtime_that_differs_is_flagged(trace):
    ours, theirs = trace(provenance={"runtime": "ort 1.2 avx2"}), trace(provenance={"runtime": "ort 1.3 avx2"})
    assert runtime_difference(ours, ours) is None
    assert runtime_difference(trace(), trace()) is None
    assert "ort 1.2 avx2" in (runtime_difference(ours, theirs) or "")
    assert "unknown" in (runtime_difference(ours, trace()) or "")
    observed = dataclasses.replace(
        theirs, channels=dict(theirs.channels) | {"action.x": Channel("action.x", "", np.zeros(N))}
    )
    expected = dataclasses.replace(
        ours, channels=dict(ours.channels) | {"action.x": Channel("action.x", "", np.ones(N))}
    )
    (result,) = compare_traces(expected, observed, [ACTION])
    assert result.findings[-1].channel == "runtime"


def test_results_do_not_depend_on_the_order_of_channels(trace):
    observed = trace(change={"features": (slice(100, 140), lambda v: v + np.float32(1))})
    turned = dataclasses.replace(observed, channels=dict(reversed(list(observed.channels.items()))))
    assert compare_traces(trace(), observed, [EVERYTHING]) == compare_traces(trace(), turned, [EVERYTHING])


def test_table_names_every_channel(trace):
    observed = trace(change={"position.y": (slice(300, 310), lambda v: v + np.float32(0.5))})
    rows = {row["channel"]: row for row in describe_difference(trace(), observed)}
    assert rows.keys() == BASE.keys()
    assert [name for name, row in rows.items() if row["differs"] == "yes"] == ["position.y"]
    assert (rows["position.y"]["first"], rows["position.y"]["frames"]) == ("300", "10 of 400")
    assert rows["position.y"]["largest"] == "0.5"
