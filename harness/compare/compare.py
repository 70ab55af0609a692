"""Every check of a trial: channels picked by pattern, aligned, diffed, and the differences put into words."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from harness.compare.align import Alignment, align, frame_runs
from harness.compare.diff import ChannelDiff, diff_values, family, nan_element
from harness.compare.events import compare_events
from harness.compare.findings import Divergence, describe
from harness.compare.first import first_to_move
from harness.compare.intervals import find_intervals
from harness.compare.words import list_frames
from harness.domain import Check, Tolerance
from harness.errors import DataError
from harness.trace import Array, Exactness, Trace
from harness.verdict import FIRST_TO_MOVE, CheckResult, Closeness, Finding, FindingKind, Severity

COMPARE_VERSION = "3"  # part of the key under which results are kept: raise it when a result would come out different

MAX_FINDINGS = 20  # of one check; the rest is counted
MAX_INTERVALS = 3  # of one channel; the rest is counted in the last one's words

Floors = Mapping[str, Sequence[float]]
_NO_FLOORS: Floors = MappingProxyType({})
_STRICTEST = (Exactness.EXACT, Exactness.NUMERIC, Exactness.INFORMATIVE)


def compare_traces(
    expected: Trace, observed: Trace, checks: Sequence[Check], floors: Floors = _NO_FLOORS
) -> tuple[CheckResult, ...]:
    """Judge `observed` against `expected`, one result a check, in the order of `checks`.

    Findings come by first frame, then channel. `floors` are how far channels differ from themselves, along the last
    axis of a frame, where that was measured: it decides nothing here, and is told. DataError when the two are not of
    one segment and replayer.
    """
    for what, ours, theirs in (
        ("segment", expected.segment, observed.segment),
        ("replayer", expected.replayer, observed.replayer),
    ):
        if ours != theirs:
            raise DataError(
                f"traces of different {what}s: expected {ours}, observed {theirs}",
                where=f"comparison of {expected.segment}",
                remedy="compare traces of one segment and one replayer",
            )
    alignment = align(expected, observed)
    comparison = _Comparison(expected, observed, alignment, floors)
    return tuple(comparison.run(check) for check in checks)


def runtime_difference(expected: Trace, observed: Trace) -> str | None:
    """How the runtimes of two traces differ, in a sentence; None when they are the same or neither is known."""
    ours, theirs = expected.provenance.get("runtime"), observed.provenance.get("runtime")
    if ours == theirs:
        return None
    return f"different runtimes: expected made by {ours or 'an unknown one'}, observed by {theirs or 'an unknown one'}"


@dataclass(frozen=True, slots=True)
class _Comparison:
    expected: Trace
    observed: Trace
    alignment: Alignment
    floors: Floors

    def run(self, check: Check) -> CheckResult:
        severity = Severity.BLOCK if check.blocks else Severity.NOTE
        if check.events is not None:
            frames = len(self.alignment.frame_ids)
            structural = self._frame_findings(severity)
            return compare_events(self.expected, self.observed, check, check.events, structural, frames)
        names = sorted(
            name
            for name in self.expected.channels.keys() | self.observed.channels.keys()
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in check.channels)
        )
        judged = [name for name in names if self._exactness(name) is not Exactness.INFORMATIVE]
        if not judged:
            return CheckResult(check.name, Closeness.NOTHING, (_nothing_matched(check.channels, names),))
        structural = self._frame_findings(severity)
        divergences: list[Divergence] = []
        exact, compared = True, 0
        for name in judged:
            problem = self._channel_problem(name, severity)
            if problem is not None:
                structural.append(problem)
                continue
            compared += 1
            diff, found = self._diff(name, check.tolerance.of(name))
            exact = exact and not diff.differs.any()
            divergences += found
        by_noise = check.tolerance.noise is not None
        same = Closeness.EXACT if exact else Closeness.WITHIN_NOISE if by_noise else Closeness.WITHIN
        beyond = Closeness.BEYOND_NOISE if by_noise and not structural else Closeness.BEYOND
        closeness = beyond if divergences or structural else same
        vacuous = self._vacuous(check, names, judged)
        if vacuous or not len(self.alignment.frame_ids):
            closeness = Closeness.NOTHING
        findings = self._in_words(structural, divergences, check)
        return CheckResult(check.name, closeness, (*findings, *vacuous), compared, len(self.alignment.frame_ids))

    def _vacuous(self, check: Check, names: list[str], judged: list[str]) -> list[Finding]:
        """What a check asks that these traces cannot answer: a pattern without a channel, numbers that are none."""
        unmatched = [pattern for pattern in check.channels if not fnmatch.filter(names, pattern)]
        found = [_nothing_matched(unmatched, [])] if unmatched else []
        sides = [
            trace.channels[name].values
            for trace in (self.expected, self.observed)
            for name in judged
            if name in trace.channels
        ]
        if all(values.dtype.kind == "f" and np.isnan(values).all() for values in sides):
            words = "not one value on either side is a number: nothing was compared"
            found.append(Finding(FindingKind.NOT_A_NUMBER, Severity.NOTE, "", words))
        return found

    def _exactness(self, name: str) -> Exactness:
        """The stricter of the two sides', so that a candidate cannot declare itself out of judgement."""
        sides = [trace.channels[name].exactness for trace in (self.expected, self.observed) if name in trace.channels]
        return min(sides, key=_STRICTEST.index)

    def _diff(self, name: str, tolerance: Tolerance) -> tuple[ChannelDiff, list[Divergence]]:
        exactness = self._exactness(name)
        if exactness is Exactness.EXACT:
            tolerance = Tolerance()
        e, o = self._values(name)
        diff = diff_values(e, o, tolerance)
        ids = self.alignment.frame_ids
        flat = np.zeros(len(ids))
        found: list[Divergence] = []
        # Where only equality counts there is no "worst" of a digest or state: its peak is the first frame.
        score = flat if exactness is Exactness.EXACT else diff.score
        for kind, rows, ranking in (
            (FindingKind.CHANGED, diff.beyond, score),
            (FindingKind.NOT_A_NUMBER, diff.nan_mismatch, flat),
        ):
            intervals = find_intervals(rows, ranking, ids)
            for place, interval in enumerate(intervals[:MAX_INTERVALS]):
                peak = interval.peak
                element = nan_element(e[peak], o[peak]) if kind is FindingKind.NOT_A_NUMBER else int(diff.worst[peak])
                later = tuple(intervals[MAX_INTERVALS:]) if place == MAX_INTERVALS - 1 else ()
                frames = int(np.count_nonzero(rows[interval.first : interval.last + 1]))
                excess = float(diff.score[peak]) if kind is FindingKind.CHANGED and not tolerance.is_exact else None
                floors, told = _floors(excess, tolerance, element), None
                if floors is None:
                    floors, told = self._apart(name, kind, e[peak], o[peak], element), excess
                found.append(Divergence(name, kind, exactness, interval, element, frames, excess, later, floors, told))
        return diff, found

    def _apart(self, name: str, kind: FindingKind, e: Array, o: Array, element: int) -> float | None:
        """How many times the noise floor two values of one frame are apart; None where none is known above zero."""
        along = self.floors.get(name, ())
        if kind is not FindingKind.CHANGED or not along or e.dtype.kind != "f":
            return None
        floor = along[element % len(along)]
        apart = abs(float(np.ravel(o)[element]) - float(np.ravel(e)[element]))
        return apart / floor if floor > 0.0 and np.isfinite(apart) and np.isfinite(floor) else None

    def _values(self, name: str) -> tuple[Array, Array]:
        return (
            self.alignment.of_expected(self.expected.channels[name].values),
            self.alignment.of_observed(self.observed.channels[name].values),
        )

    def _channel_problem(self, name: str, severity: Severity) -> Finding | None:
        """Why two channels cannot be compared at all."""
        ours, theirs = self.expected.channels.get(name), self.observed.channels.get(name)
        if theirs is None:
            return Finding(FindingKind.MISSING_CHANNEL, severity, name, "channel is missing from the observed trace")
        if ours is None:
            return Finding(FindingKind.EXTRA_CHANNEL, severity, name, "channel is not in the expected trace")
        shapes = ours.values.shape[1:], theirs.values.shape[1:]
        for what, e, o in (
            ("shape of a frame", str(shapes[0]), str(shapes[1])),
            ("type", family(ours.values), family(theirs.values)),
            ("unit", ours.unit or "none", theirs.unit or "none"),
        ):
            if e != o:
                words = f"{what} is different: expected {e}, observed {o}"
                return Finding(FindingKind.SHAPE, severity, name, words, expected=e, observed=o)
        return None

    def _frame_findings(self, severity: Severity) -> list[Finding]:
        found = []
        for kind, ids, trace, said in (
            (FindingKind.MISSING_FRAMES, self.alignment.missing, self.expected, "the observed trace lacks"),
            (FindingKind.EXTRA_FRAMES, self.alignment.extra, self.observed, "the expected trace has not"),
        ):
            if not len(ids):
                continue
            runs = frame_runs(ids, trace.frame_ids)
            first_s, last_s = (
                float(int(trace.t_ns[np.searchsorted(trace.frame_ids, frame)]) - self.alignment.start_ns) / 1e9
                for frame in (ids[0], ids[-1])
            )
            words = f"{said} {list_frames(ids, trace.frame_ids, runs)}"
            found.append(
                Finding(
                    kind,
                    severity,
                    "",
                    words,
                    first_frame=int(ids[0]),
                    last_frame=int(ids[-1]),
                    first_s=first_s,
                    last_s=last_s,
                )
            )
        return found

    def _severity(self, found: Divergence, check: Check) -> Severity:
        if not check.blocks:
            return Severity.NOTE
        if not check.replaced:
            return Severity.BLOCK
        peaks = [interval.peak for interval in (found.interval, *found.later)]
        sides = [values[peaks] for values in self._values(found.channel)]
        finite = all(np.isfinite(values).all() for values in sides if values.dtype.kind == "f")
        return Severity.NOTE if finite else Severity.BLOCK

    def _in_words(self, structural: list[Finding], divergences: list[Divergence], check: Check) -> tuple[Finding, ...]:
        ids = self.alignment.frame_ids
        weights = {id(found): self._severity(found, check) for found in divergences}
        divergences = sorted(divergences, key=lambda found: (int(ids[found.interval.first]), found.channel, found.kind))
        shown = divergences[: max(MAX_FINDINGS - len(structural), 1)]
        findings = structural[:MAX_FINDINGS]
        findings += [
            describe(found, self.expected, self.observed, self.alignment, weights[id(found)]) for found in shown
        ]
        findings.sort(key=lambda found: (-1 if found.first_frame is None else found.first_frame, found.channel))
        hidden = len(divergences) - len(shown) + len(structural[MAX_FINDINGS:])
        if hidden:
            rest = [weights[id(found)] for found in divergences[len(shown) :]]
            rest += [found.severity for found in structural[MAX_FINDINGS:]]
            severity = Severity.BLOCK if Severity.BLOCK in rest else Severity.NOTE
            findings.append(_rest(divergences[len(shown) :], hidden, severity))
        if divergences:
            findings += self._notes()
        return tuple(findings)

    def _notes(self) -> list[Finding]:
        notes = []
        moved = first_to_move(self.expected, self.observed, self.alignment)
        if moved is not None:
            row, words = moved
            frame, at_s = int(self.alignment.frame_ids[row]), self.alignment.seconds(row)
            notes.append(
                Finding(FindingKind.CHANGED, Severity.NOTE, FIRST_TO_MOVE, words, first_frame=frame, first_s=at_s)
            )
        runtimes = runtime_difference(self.expected, self.observed)
        if runtimes is not None:
            notes.append(Finding(FindingKind.CHANGED, Severity.NOTE, "runtime", runtimes))
        return notes


def _floors(excess: float | None, tolerance: Tolerance, element: int) -> float | None:
    """`excess` in multiples of the noise floor; None where it was not the floor that gave the limit."""
    if excess is None or tolerance.noise is None or not tolerance.limits:
        return None
    limit = tolerance.limits[element % len(tolerance.limits)]
    return excess * tolerance.noise.times if limit > tolerance.noise.least else None


def _nothing_matched(patterns: Sequence[str], names: list[str]) -> Finding:
    said = ", ".join(patterns)
    words = f"no channel matches {said}" if not names else f"{said} matches only channels that are never judged"
    return Finding(FindingKind.MISSING_CHANNEL, Severity.NOTE, "", f"{words}: nothing was compared")


def _rest(hidden: list[Divergence], count: int, severity: Severity) -> Finding:
    channels = len({found.channel for found in hidden})
    words = f"and {count} more" + (f" in {channels} channels" if channels > 1 else "")
    known = [found for found in hidden if found.excess is not None and np.isfinite(found.excess)]
    if known:
        worst = max(known, key=lambda found: found.excess or 0.0)
        words += f", the worst in {worst.channel}, {worst.excess:.3g} × the tolerance"
    return Finding(FindingKind.CHANGED, severity, "", words)
