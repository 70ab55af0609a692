"""Single changes of harness/compare, each of which must turn at least one verdict over made traces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComparisonMutant:
    """A text that stands once in a module of harness/compare, and what is put in its place."""

    name: str
    module: str
    find: str
    replace: str


COMPARISON_MUTANTS: tuple[ComparisonMutant, ...] = (
    # Values.
    ComparisonMutant(
        "NaN is equal to everything",
        "diff",
        "diff.nan_mismatch[rows] = one_nan.any(axis=1)",
        "diff.nan_mismatch[rows] = False",
    ),
    ComparisonMutant(
        "NaN differs from NaN", "diff", "unequal = (e != o) & ~(_is_nan(e) & _is_nan(o))", "unequal = e != o"
    ),
    ComparisonMutant("tolerance doubled", "diff", "beyond = (error > limit)", "beyond = (error > 2 * limit)"),
    ComparisonMutant("at the tolerance is beyond", "diff", "beyond = (error > limit)", "beyond = (error >= limit)"),
    ComparisonMutant(
        "tolerance relative to the smaller",
        "diff",
        "size = np.maximum(np.abs(e.astype(np.float64)), np.abs(o.astype(np.float64)))",
        "size = np.minimum(np.abs(e.astype(np.float64)), np.abs(o.astype(np.float64)))",
    ),
    ComparisonMutant(
        "absolute and relative added",
        "diff",
        "np.maximum(tolerance.absolute, tolerance.relative * size)",
        "tolerance.absolute + tolerance.relative * size",
    ),
    ComparisonMutant("infinity within tolerance", "diff", " | np.isinf(error)\n", "\n"),
    ComparisonMutant(
        "only the first element", "diff", "diff.beyond[rows] = beyond.any(axis=1)", "diff.beyond[rows] = beyond[:, 0]"
    ),
    ComparisonMutant(
        "huge integers as floats", "diff", 'if e.dtype.kind == o.dtype.kind and e.dtype.kind in "iu":', "if False:"
    ),
    ComparisonMutant(
        "exact channels get the tolerance",
        "compare",
        "        if exactness is Exactness.EXACT:\n            tolerance = Tolerance()\n",
        "",
    ),
    ComparisonMutant(
        "the laxer side decides",
        "compare",
        "return min(sides, key=_STRICTEST.index)",
        "return max(sides, key=_STRICTEST.index)",
    ),
    ComparisonMutant("units not compared", "compare", '("unit", ours.unit or "none", theirs.unit or "none"),\n', ""),
    # Frames and channels.
    ComparisonMutant(
        "missing frames ignored",
        "compare",
        '(FindingKind.MISSING_FRAMES, self.alignment.missing, self.expected, "the observed trace lacks"),\n',
        "",
    ),
    ComparisonMutant(
        "extra frames ignored",
        "compare",
        '(FindingKind.EXTRA_FRAMES, self.alignment.extra, self.observed, "the expected trace has not"),\n',
        "",
    ),
    ComparisonMutant(
        "frames by number, not by id",
        "align",
        "if np.array_equal(expected.frame_ids, observed.frame_ids):",
        "if len(expected.frame_ids) == len(observed.frame_ids):",
    ),
    ComparisonMutant(
        "missing channels ignored",
        "compare",
        "            if problem is not None:\n                structural.append(problem)\n",
        "            if problem is not None:\n",
    ),
    ComparisonMutant(
        "blocking findings noted", "compare", "Severity.BLOCK if check.blocks", "Severity.NOTE if check.blocks"
    ),
    ComparisonMutant(
        "nothing compared is fine",
        "compare",
        "return CheckResult(check.name, Closeness.NOTHING, (_nothing_matched(check.channels, names),))",
        "return CheckResult(check.name, Closeness.EXACT, (), 1, 1)",
    ),
    ComparisonMutant(
        "half a comparison is one",
        "compare",
        "found = [_nothing_matched(unmatched, [])] if unmatched else []",
        "found: list[Finding] = []",
    ),
    ComparisonMutant("nothing but NaN is a comparison", "compare", "np.isnan(values).all() for", "False for"),
    # Events.
    ComparisonMutant(
        "a collar that swallows NEW", "events", "round(rules.collar_s * 1e9)", "round(25 * rules.collar_s * 1e9)"
    ),
    ComparisonMutant("a collar of nothing", "events", "round(rules.collar_s * 1e9)", "0"),
    ComparisonMutant(
        "the collar excludes its end", "event_matching", "if apart_ns <= collar_ns:", "if apart_ns < collar_ns:"
    ),
    ComparisonMutant(
        "first come, first matched",
        "event_matching",
        "            cost, how = min(options)\n",
        "            cost, how = options[-1]\n",
    ),
    ComparisonMutant("NEW ignored", "events", 'yield from (EventChange("NEW"', 'yield from () and (EventChange("NEW"'),
    ComparisonMutant(
        "GONE ignored", "events", 'yield from (EventChange("GONE"', 'yield from () and (EventChange("GONE"'
    ),
    ComparisonMutant("MOVED ignored", "events", "if abs(o.start_ns - e.start_ns) > tolerance_ns:", "if False:"),
    ComparisonMutant(
        "only later is MOVED", "events", "if abs(o.start_ns - e.start_ns) >", "if (o.start_ns - e.start_ns) >"
    ),
    ComparisonMutant("LONGER dropped", "events", "if abs(longer_ns) > tolerance_ns:", "if -longer_ns > tolerance_ns:"),
    ComparisonMutant("SHORTER dropped", "events", "if abs(longer_ns) > tolerance_ns:", "if longer_ns > tolerance_ns:"),
    ComparisonMutant("LONGER is SHORTER", "events", "if longer_ns > 0 else", "if longer_ns < 0 else"),
    ComparisonMutant(
        "OUTCOME dropped",
        "events",
        "if e.effect is not o.effect:\n        return True",
        "if False:\n        return True",
    ),
    ComparisonMutant("run-out time ignored", "events", "return e.effect is Effect.RAN_OUT and", "return False and"),
    ComparisonMutant(
        "the tolerance is the collar", "events", "round(rules.tolerance_s * 1e9)", "round(rules.collar_s * 1e9)"
    ),
    ComparisonMutant(
        "soft disables noted",
        "events",
        'for kind in ("softDisable", "immediateDisable")',
        'for kind in ("immediateDisable",)',
    ),
    ComparisonMutant(
        "immediate disables noted",
        "events",
        'for kind in ("softDisable", "immediateDisable")',
        'for kind in ("softDisable",)',
    ),
    ComparisonMutant(
        "flags noted", "events", '*((CHANNEL, change) for change in ("NEW", "GONE", "LONGER", "SHORTER")),', ""
    ),
    ComparisonMutant("new states noted", "events", '    (STATE, "NEW"),\n', ""),
    ComparisonMutant(
        "the suite is not asked",
        "events",
        "        if severity is not None:\n            return None",
        "        if False:\n            return None",
    ),
    ComparisonMutant(
        "general before special",
        "events",
        'for what in (interval.name, interval.kind, ""):',
        'for what in ("", interval.kind):',
    ),
    ComparisonMutant("event frames ignored", "events", "findings = [*structural, *channels", "findings = [*channels"),
    ComparisonMutant("a lost state is no finding", "events", "*channels.one_sided(severity), ", ""),
    ComparisonMutant(
        "no events is no comparison needed",
        "events",
        "return CheckResult(check.name, Closeness.NOTHING, (finding,))",
        "return CheckResult(check.name, Closeness.EXACT, (), 1, frames)",
    ),
    ComparisonMutant(
        "event types one bit off",
        "event_intervals",
        "(mask >> EVENT_TYPES.index(kind)) & 1",
        "(mask >> (EVENT_TYPES.index(kind) + 1)) & 1",
    ),
    ComparisonMutant(
        "any event is every type", "event_intervals", "(mask >> EVENT_TYPES.index(kind)) & 1 != 0", "mask != 0"
    ),
    ComparisonMutant(
        "names not asked", "event_intervals", "        if not _matches(name, rules.names):\n            continue\n", ""
    ),
    ComparisonMutant("gaps always merged", "event_intervals", "rules.merge_s * 1e9", "(rules.merge_s + 1) * 1e9"),
    ComparisonMutant(
        "an event that is cut short ran out",
        "event_intervals",
        "Effect.CUT_SHORT if self._disengaging[end] else Effect.RAN_OUT",
        "Effect.RAN_OUT",
    ),
    ComparisonMutant("whatever ends it recovers", "event_intervals", "if self._state[end] != DISABLED:", "if True:"),
    ComparisonMutant(
        "the last row is not looked at",
        "event_intervals",
        "np.concatenate(([False], holds, [False]))",
        "np.concatenate(([False], holds[:-1], [False, False]))",
    ),
)

QUICK = ("a collar that swallows NEW", "NaN is equal to everything", "missing frames ignored")
