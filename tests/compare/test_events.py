from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.compare import compare_traces
from harness.compare.events import MAX_EVENT_FINDINGS
from harness.domain import Check, EventRules
from harness.trace import Channel, Exactness, Trace
from harness.verdict import CheckResult, Closeness, FindingKind, Severity, Verdict, judge
from tests.compare.made_events import made, soft_disable

SOFT = ("softDisable", "steerTempUnavailable")


def compared(expected: Trace, observed: Trace, *, blocks: bool = True, **rules: object) -> CheckResult:
    check = Check("events", (), blocks=blocks, events=EventRules(**rules))  # type: ignore[arg-type]
    (result,) = compare_traces(expected, observed, (check,))
    return result


def told(result: CheckResult) -> list[tuple[str, str]]:
    """Severity and first line of every finding but the totals."""
    return [
        (found.severity.value, found.words.split("\n", 1)[0])
        for found in result.findings
        if found.channel != "engagement"
    ]


def events_told(result: CheckResult) -> list[str]:
    return [words.split(" ")[2] for _, words in told(result)]


def test_equal_events_are_exact_and_say_how_much_was_compared():
    result = compared(soft_disable(12.0, 1.2), soft_disable(12.0, 1.2))
    assert (result.closeness, result.findings) == (Closeness.EXACT, ())
    assert result.frames_compared == 6000
    assert result.channels_compared == 2  # the state, and one event
    assert judge((result,), None) is Verdict.PASS


def test_new_is_told_with_its_span_and_outcome_and_blocks():
    result = compared(made(), soft_disable(23.41, 0.69))
    assert told(result) == [("BLOCK", "NEW softDisable steerTempUnavailable 23.41–24.10 s, recovered after 0.69 s")]
    (found,) = (entry for entry in result.findings if entry.channel != "engagement")
    assert (found.kind, found.channel) == (FindingKind.EVENT, "events.steerTempUnavailable")
    assert (found.first_frame, found.last_frame, found.first_s, found.last_s) == (2341, 2409, 23.41, 24.1)
    assert (found.expected, found.observed) == ("absent", "23.41–24.10 s, recovered after 0.69 s")
    assert judge((result,), None) is Verdict.FAIL


def test_gone_is_noted():
    result = compared(soft_disable(23.41, 0.69), made())
    assert told(result) == [("NOTE", "GONE softDisable steerTempUnavailable 23.41–24.10 s, recovered after 0.69 s")]
    assert result.closeness is Closeness.BEYOND
    assert judge((result,), None) is Verdict.PASS


def test_moved_within_the_collar_is_noted_with_how_far():
    result = compared(soft_disable(12.0, 1.2), soft_disable(12.15, 1.2))
    assert told(result) == [
        ("NOTE", "MOVED softDisable steerTempUnavailable 12.15–13.35 s, 0.15 s later than the baseline's 12.00–13.20 s")
    ]


def test_moved_beyond_the_collar_is_new_and_gone_and_says_so():
    result = compared(soft_disable(12.0, 1.2), soft_disable(12.5, 1.2))
    assert [words.split(" ")[0] for _, words in told(result)] == ["NEW", "GONE"]
    assert "the baseline has one at 12.00 s, 0.50 s earlier, beyond the collar of 0.2 s" in result.findings[0].words
    wider = compared(soft_disable(12.0, 1.2), soft_disable(12.5, 1.2), collar_s=0.5)
    assert [words.split(" ")[0] for _, words in told(wider)] == ["MOVED"]


@pytest.mark.parametrize(("length_s", "word", "severity"), [(1.5, "LONGER", "BLOCK"), (0.9, "SHORTER", "NOTE")])
def test_another_length_is_told(length_s: float, word: str, severity: str):
    result = compared(soft_disable(12.0, 1.2), soft_disable(12.0, length_s))
    ((found, words),) = told(result)
    assert found == severity
    assert words == (
        f"{word} softDisable steerTempUnavailable 12.00–{12 + length_s:.2f} s, {length_s:.2f} s instead of 1.20 s "
        f"({length_s - 1.2:+.2f} s)"
    )


def test_one_row_is_enough_and_a_tolerance_forgives_it():
    one_more = soft_disable(12.0, 1.21)
    assert [words.split(" ")[0] for _, words in told(compared(soft_disable(12.0, 1.2), one_more))] == ["LONGER"]
    forgiven = compared(soft_disable(12.0, 1.2), one_more, tolerance_s=0.01)
    assert forgiven.closeness is Closeness.EXACT


def test_running_out_where_the_baseline_recovered_is_a_finding_of_its_own():
    result = compared(soft_disable(12.0, 1.2), soft_disable(12.0, 3.5))
    outcome = "12.00–15.50 s ran out after 3.00 s and disengaged; the baseline recovered after 1.20 s"
    assert ("BLOCK", f"OUTCOME softDisable steerTempUnavailable {outcome}") in told(result)
    only = compared(soft_disable(12.0, 1.2), soft_disable(12.0, 3.5), severities=(("", "LONGER", "IGNORE"),))
    assert [words.split(" ")[0] for _, words in told(only)] == ["OUTCOME"]
    assert judge((only,), None) is Verdict.FAIL


def test_less_time_before_running_out_is_an_outcome_though_the_event_is_the_same():
    span = {SOFT: [(12.0, 20.0)]}
    states = [(0.0, "enabled"), (12.0, "softDisabling")]
    expected = made(span, states=[*states, (15.0, "disabled")])
    observed = made(span, states=[*states, (14.99, "disabled")])
    ((severity, words),) = told(compared(expected, observed))
    assert severity == "BLOCK"
    assert words == (
        "OUTCOME softDisable steerTempUnavailable 12.00–20.00 s ran out after 2.99 s and disengaged; "
        "the baseline ran out after 3.00 s and disengaged"
    )


def test_a_soft_disable_cut_short_is_not_one_that_ran_out():
    states = [(0.0, "enabled"), (12.0, "softDisabling"), (13.0, "disabled")]
    cut = made({SOFT: [(12.0, 20.0)], ("userDisable", "pedalPressed"): [(13.0, 13.5)]}, states=states)
    (words,) = [found.words for found in compared(made(), cut).findings if "softDisable" in found.words.split("\n")[0]]
    assert "disengaged by another event after 1.00 s" in words


def test_what_happens_while_disengaged_has_no_effect():
    off = ((0.0, "disabled"),)
    result = compared(made(states=off), made({SOFT: [(5.0, 6.0)]}, states=off))
    assert told(result) == [("BLOCK", f"NEW {' '.join(SOFT)} 5.00–6.00 s, had no effect on the engagement")]


def test_what_holds_to_the_end_says_so():
    states = [(0.0, "enabled"), (59.0, "softDisabling")]
    result = compared(made(), made({SOFT: [(59.0, 61.0)]}, states=states))
    assert told(result)[0][1] == (
        "NEW softDisable steerTempUnavailable 59.00 s to the end of the log, "
        "still soft disabling when the log ends, after 0.99 s"
    )


def test_immediate_disables_tell_whether_they_disengaged():
    event = {("immediateDisable", "accFaulted"): [(30.0, 30.5)]}
    result = compared(made(), made(event, states=[(0.0, "enabled"), (30.0, "disabled")]))
    assert told(result) == [("BLOCK", "NEW immediateDisable accFaulted 30.00–30.50 s, disengaged")]


def test_types_and_names_pick_what_is_compared():
    observed = made({SOFT: [(5.0, 6.0)], ("warning", "steerSaturated"): [(7.0, 8.0)]})
    assert len(told(compared(made(), observed))) == 1
    assert [words.split(" ")[2] for _, words in told(compared(made(), observed, types=("warning",)))] == [
        "steerSaturated"
    ]
    assert told(compared(made(), observed, names=("comm*",))) == []


def test_two_types_of_one_event_are_two_streams():
    both = made({SOFT: [(5.0, 6.0)], ("noEntry", SOFT[1]): [(5.0, 6.0)]})
    result = compared(made(), both, types=("softDisable", "noEntry"))
    assert [(severity, words.split(" ")[1]) for severity, words in told(result)] == [
        ("BLOCK", "softDisable"),
        ("NOTE", "noEntry"),
    ]


def test_severities_go_from_special_to_general():
    observed = made({SOFT: [(5.0, 6.0)], ("softDisable", "commIssue"): [(8.0, 9.0)]})
    rules = {"severities": (("", "NEW", "NOTE"), ("commIssue", "NEW", "BLOCK"))}
    assert [severity for severity, _ in told(compared(made(), observed, **rules))] == ["BLOCK", "NOTE"]
    ignored = {"severities": (("softDisable", "NEW", "IGNORE"),)}
    result = compared(made(), observed, **ignored)
    assert (told(result), result.closeness) == ([], Closeness.WITHIN)
    assert all(severity == "NOTE" for severity, _ in told(compared(made(), observed, blocks=False)))


def test_states_and_flags_become_intervals():
    expected = made(states=[(0.0, "enabled")], flags={"controlsAllowed": [(1.0, 50.0)]})
    observed = made(
        states=[(0.0, "enabled"), (20.0, "overriding"), (21.0, "enabled")], flags={"controlsAllowed": [(1.0, 49.0)]}
    )
    result = compared(expected, observed, types=(), states=("overriding",), channels=("controlsAllowed",))
    assert told(result) == [
        ("BLOCK", "SHORTER controlsAllowed 1.00–49.00 s, 48.00 s instead of 49.00 s (-1.00 s)"),
        ("BLOCK", "NEW state overriding 20.00–21.00 s"),
    ]


def test_flickering_flags_can_be_merged():
    flicker = [(second / 10, second / 10 + 0.05) for second in range(100, 120)]
    expected, observed = made(flags={"blocked.limit": []}), made(flags={"blocked.limit": flicker})
    apart = compared(expected, observed, types=(), channels=("blocked.*",))
    merged = compared(expected, observed, types=(), channels=("blocked.*",), merge_s=0.05)
    assert (len(told(apart)), told(merged)) == (20, [("BLOCK", "NEW blocked.limit 10.00–11.95 s")])


def test_an_address_that_is_never_blocked_has_no_channel_and_that_is_no_finding():
    quiet, loud = made(), made(flags={"blocked.0:0x2E4": [(5.0, 5.1)]})
    result = compared(quiet, loud, types=(), channels=("blocked.*",))
    assert told(result) == [("BLOCK", "NEW blocked.0:0x2E4 5.00–5.10 s")]
    assert compared(loud, quiet, types=(), channels=("blocked.*",)).channels_compared == 1


def test_a_missing_state_is_a_finding_not_silence():
    result = compared(soft_disable(12.0, 1.2), soft_disable(12.0, 1.2, without=("state",)))
    assert told(result) == [("BLOCK", "channel is missing from the observed trace")]


def test_nothing_to_compare_is_never_green():
    bare = made(without=("state", "enabled"))
    for rules in ({}, {"types": (), "channels": ("controlsAllowed",)}):
        result = compared(bare, bare, **rules)
        assert result.closeness is Closeness.NOTHING
        assert judge((result,), None) is Verdict.ERROR
    typo = compared(
        made(flags={"controlsAllowed": []}), made(flags={"controlsAllowed": []}), channels=("controlAllowed",)
    )
    assert typo.closeness is Closeness.NOTHING


def test_missing_frames_are_told_though_no_event_moved():
    keep = np.r_[0:100, 200:6000]
    result = compared(made(), made(keep=keep))
    assert result.findings[0].kind is FindingKind.MISSING_FRAMES
    assert judge((result,), None) is Verdict.FAIL


def test_many_findings_are_counted_and_none_that_blocks_is_hidden_by_notes():
    events = {
        ("warning", "steerSaturated"): [(n / 2, n / 2 + 0.1) for n in range(100)],
        SOFT: [(55.0, 55.5)],
    }
    result = compared(made(), made(events), types=("warning", "softDisable"))
    assert len(told(result)) == MAX_EVENT_FINDINGS + 1
    assert told(result)[0][0] == "BLOCK"
    assert told(result)[-1] == ("NOTE", "and 61 more NEW")


def test_informative_channels_are_never_judged():
    def with_flag(up: bool) -> Trace:
        trace = made()
        flag = Channel("recorded.flag", "", np.full(6000, up), Exactness.INFORMATIVE)
        return dataclasses.replace(trace, channels={**trace.channels, "recorded.flag": flag})

    assert told(compared(with_flag(False), with_flag(True), channels=("recorded.*",))) == []


def test_totals_are_noted_where_they_differ():
    result = compared(soft_disable(12.0, 1.2), soft_disable(12.0, 3.5))
    (totals,) = (found for found in result.findings if found.channel == "engagement")
    assert totals.severity is Severity.NOTE
    disabled = "disabled 44.99 s (was 0.00 s)"
    lines = [
        "engaged 15.00 s of 59.99 s, 0.30 km; the baseline 59.99 s of 59.99 s, 1.20 km",
        f"time in states: enabled 12.00 s (was 58.79 s), softDisabling 3.00 s (was 1.20 s), {disabled}",
        "disengagements 1, 333 per 100 km (95 % 8.44 … 1.86e+03); the baseline 0, 0 per 100 km (95 % 0 … 307)",
    ]
    assert totals.words.splitlines() == lines


def test_findings_come_blocking_first_then_by_time():
    observed = made({
        SOFT: [(30.0, 31.0)],
        ("userDisable", "pedalPressed"): [(10.0, 10.5)],
        ("softDisable", "doorOpen"): [(20.0, 21.0)],
    })  # fmt: skip
    assert events_told(compared(made(), observed)) == ["doorOpen", SOFT[1], "pedalPressed"]
