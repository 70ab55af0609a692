"""Single changes of the statistics and of the gate's policy, each of which must turn at least one trial's answer."""

from __future__ import annotations

from dataclasses import dataclass

_STATISTICS = "compare/statistics"


@dataclass(frozen=True, slots=True)
class StatisticsMutant:
    """A text that stands once in a module of harness, and what is put in its place."""

    name: str
    module: str
    find: str
    replace: str


def _of(module: str, *changes: tuple[str, str, str]) -> tuple[StatisticsMutant, ...]:
    return tuple(StatisticsMutant(name, module, find, replace) for name, find, replace in changes)


STATISTICS_MUTANTS: tuple[StatisticsMutant, ...] = (
    *_of(
        f"{_STATISTICS}/signflip.py",
        ("one-sided", "flipped = np.abs(", "flipped = ("),
        ("what was observed does not count", "(exceeded + 1.0) / (draws + 1.0)", "exceeded / draws"),
        (
            "as far out is not far enough",
            "share: Floats = (flipped >= _reached(sums))",
            "share: Floats = (flipped > _reached(sums) * 1.001)",
        ),
        ("a bound without its half", "bound = 2.0 * np.exp(", "bound = 1e9 * np.exp("),
        ("only the first of all ways", "rest = max(len(sums) - 1, 0)", "rest = max(len(sums) - 2, 0)"),
        ("draws of one side", "exceeded += (np.abs(signs @ sums)", "exceeded += ((signs @ sums)"),
    ),
    *_of(
        f"{_STATISTICS}/pairs.py",
        (
            "segments are routes",
            "routes: npt.NDArray[np.int64] = self.present.sum(axis=0)",
            "routes: npt.NDArray[np.int64] = self.count.sum(axis=0).astype(np.int64)",
        ),
        (
            "baseline minus candidate",
            "(candidate - baseline, candidate, baseline, both)",
            "(baseline - candidate, candidate, baseline, both)",
        ),
        ("what one side lacks is nothing", "both = ours & theirs", "both = ours | theirs"),
        ("what was lost is not counted", "(theirs & ~ours).sum(axis=0)", "(theirs & ~theirs).sum(axis=0)"),
    ),
    *_of(
        f"{_STATISTICS}/student.py",
        ("n where n − 1 is meant", "variance = routes / (routes - 1.0) *", "variance = 1.0 *"),
        ("one side of two", "inside: Floats = np.maximum(", "inside: Floats = np.minimum("),
        (
            "a few equal ones prove it",
            "np.where(routes > 1, np.maximum(p, 0.5**routes), np.nan)",
            "np.where(routes > 1, p, np.nan)",
        ),
        ("power of a half", "POWER = 0.8", "POWER = 0.5"),
        (
            "any few routes can show it",
            "reachable = (routes > 1) & (2.0 ** (1.0 - routes) <= alpha)",
            "reachable = routes > 1",
        ),
        ("a margin of one side", "surely = (1.0 + POWER) / 2 if both_sides else POWER", "surely = POWER"),
    ),
    *_of(
        f"{_STATISTICS}/bootstrap.py",
        ("an interval of five routes", "LEAST_ROUTES = 6", "LEAST_ROUTES = 2"),
        (
            "the inner of both ends",
            "np.fmin(one, other), np.fmax(one, other)",
            "np.fmax(one, other), np.fmin(one, other)",
        ),
        ("no acceleration", "bend = float((apart**3).sum()) / (6.0 * spread**1.5)", "bend = 0.0 / (6.0 * spread**1.5)"),
        ("it leans the other way", "apart = left_out.mean() - left_out", "apart = left_out - left_out.mean()"),
        ("a share of nothing", "for number, below in ((0, 1), (2, 2)):", "for number, below in ((0, 1), (2, 1)):"),
    ),
    *_of(
        f"{_STATISTICS}/discovery.py",
        ("no price for dependence", 'if method == "by" else 1.0', "if False else 1.0"),
        ("no price at all", "scaled = p[order] * len(asked) *", "scaled = p[order] *"),
        ("an adjusted p may fall", "np.minimum.accumulate(scaled[::-1])[::-1]", "scaled"),
        (
            "nobody else was found",
            "level: Floats = alpha * (others + 1.0)",
            "level: Floats = alpha * (0.0 * others + 1.0)",
        ),
    ),
    *_of(
        f"{_STATISTICS}/family.py",
        ("what is asked twice is two questions", "if hypothesis not in places:", "if True:"),
        ("each intent is a family", "level_for_one(adjusted, member.alpha, method)[rows]", "adjusted[rows]"),
        ("all are as sure as the first", "member.alpha, method)", "members[0].alpha, method)"),
    ),
    *_of(
        f"{_STATISTICS}/rates.py",
        (
            "McNemar of one side",
            "return min(2.0 * float(scipy.special.bdtr(",
            "return min(1.0 * float(scipy.special.bdtr(",
        ),
        ("exposure is ignored", "odds = allowed_ratio * exposure_ratio", "odds = allowed_ratio"),
        ("one fewer is as good", "bdtrc(candidate - 1,", "bdtrc(candidate,"),
    ),
    *_of(
        f"{_STATISTICS}/sequential.py",
        (
            "no price for looking",
            "evidence = 0.5 * math.log(scale / (scale + squares)) + total**2 / (2.0 * (scale + squares))",
            "evidence = total**2 / (2.0 * squares)",
        ),
        ("only the last look", "most = max(most, evidence)", "most = evidence"),
        ("either side is above", "if total > 0.0 or not only_above:", "if True:"),
        ("only this look's evidence", "total += float(left.sum())", "total = float(left.sum())"),
    ),
    *_of(
        f"{_STATISTICS}/claims.py",
        (
            "sure is enough",
            "if adjusted_p <= alpha and abs(effect) >= size and effect != 0.0:",
            "if adjusted_p <= alpha and effect != 0.0:",
        ),
        (
            "large is enough",
            "if adjusted_p <= alpha and abs(effect) >= size and effect != 0.0:",
            "if abs(effect) >= size and effect != 0.0:",
        ),
        ("better and worse exchanged", "if effect * question.worse > 0:", "if effect * question.worse < 0:"),
        (
            "no better side is a good one",
            "if not question.worse:\n            return Answer.CHANGED\n",
            "if not question.worse:\n            return Answer.BETTER\n",
        ),
        (
            "what was lost is forgiven",
            "    if lost:\n        return Answer.INCONCLUSIVE\n    if equivalence_p",
            "    if equivalence_p",
        ),
        ("lost and better", "return Answer.INCONCLUSIVE if lost else Answer.BETTER", "return Answer.BETTER"),
        (
            "no difference found is equivalent",
            "if equivalence_p <= alpha:",
            "if equivalence_p <= alpha or adjusted_p > alpha:",
        ),
        (
            "not worse is enough for all",
            "if not_worse_p <= alpha and question.claim.expect is Expectation.GUARD:",
            "if not_worse_p <= alpha:",
        ),
        (
            "no value is a value",
            "    if not segments:\n        return found\n",
            "    if not segments:\n        return replace(found, answer=Answer.EQUIVALENT)\n",
        ),
    ),
    *_of(
        f"{_STATISTICS}/questions.py",
        (
            "a guard of the wrong side",
            "[towards > 0, towards < 0], [below, above]",
            "[towards > 0, towards < 0], [above, below]",
        ),
        (
            "questions are not adjusted",
            "        p,\n        adjusted.p,\n",
            "        p,\n        p,\n",
        ),
        (
            "an amount is a share",
            "amounts = np.array([0.0 if each.size.relative else each.size.amount for each in questions])",
            "amounts = np.array([0.0 for each in questions])",
        ),
    ),
    *_of(
        "compare/compare.py",
        ("infinity is a movement", "return Severity.NOTE if finite else Severity.BLOCK", "return Severity.NOTE"),
        ("a movement closes the gate", "return Severity.NOTE if finite else Severity.BLOCK", "return Severity.BLOCK"),
        (
            "only the first stretch",
            "for interval in (found.interval, *found.later)]",
            "for interval in (found.interval,)]",
        ),
    ),
    *_of(
        "compare/budgets.py",
        ("one new one is free", "over = new > budget.new", "over = new > budget.new + 1"),
        (
            "new is what there is more of",
            "new = sum(each.new for each in spent)",
            "new = sum(each.candidate for each in spent)",
        ),
        (
            "over is over",
            "answer = Answer.OVER_BUDGET if p <= 1.0 - result.confidence else Answer.INCONCLUSIVE",
            "answer = Answer.OVER_BUDGET",
        ),
        (
            "no segment keeps it",
            "    if not spent:\n        return result\n",
            "    if not spent:\n        return replace(result, answer=Answer.WITHIN_BUDGET)\n",
        ),
        ("no more at all", "allowed = 1.0 + more.amount", "allowed = 1.0"),
    ),
    *_of(
        "intent.py",
        (
            "inconclusive holds",
            "    if answer is Answer.INCONCLUSIVE:\n        return Standing.INCONCLUSIVE\n",
            "    if answer is Answer.INCONCLUSIVE:\n        return Standing.HOLDS\n",
        ),
        (
            "equivalent is better",
            "Expectation.IMPROVE: (Answer.BETTER,)",
            "Expectation.IMPROVE: (Answer.BETTER, Answer.EQUIVALENT)",
        ),
        (
            "better is unchanged",
            "Expectation.UNCHANGED: (Answer.EQUIVALENT,)",
            "Expectation.UNCHANGED: (Answer.EQUIVALENT, Answer.BETTER)",
        ),
        (
            "changed is only changed",
            "if answer in {Answer.WORSE, Answer.CHANGED, Answer.OVER_BUDGET}:",
            "if answer in {Answer.WORSE, Answer.OVER_BUDGET}:",
        ),
        ("no data under a lax policy", "Standing.NO_DATA: Action.BLOCK,", "Standing.NO_DATA: self.inconclusive,"),
        (
            "a release warns",
            'GatePolicy("release", Action.BLOCK, Action.BLOCK,',
            'GatePolicy("release", Action.BLOCK, Action.WARN,',
        ),
        ("worse warns", "worse: Action = Action.BLOCK", "worse: Action = Action.WARN"),
        (
            "inconclusive closes a pull request",
            "inconclusive: Action = Action.WARN",
            "inconclusive: Action = Action.BLOCK",
        ),
        (
            "the laxer of two",
            "Action.BLOCK if Action.BLOCK in pair else Action.WARN",
            "Action.WARN if Action.WARN in pair else Action.BLOCK",
        ),
        (
            "a guard wants better",
            "Expectation.GUARD: (Answer.BETTER, Answer.EQUIVALENT, Answer.NOT_WORSE)",
            "Expectation.GUARD: (Answer.BETTER, Answer.EQUIVALENT)",
        ),
    ),
    *_of(
        "verdict/decision.py",
        ("worse is no regression", "Standing.WORSE: ExitCode.REGRESSION", "Standing.WORSE: ExitCode.NO_VERDICT"),
        (
            "inconclusive is a regression",
            "Standing.INCONCLUSIVE: ExitCode.NO_VERDICT",
            "Standing.INCONCLUSIVE: ExitCode.REGRESSION",
        ),
        ("no data is nothing", "    Standing.NO_DATA: ExitCode.NO_VERDICT,\n", ""),
        (
            "a claim may vanish",
            "if lost := sum(name not in judged for name in record.planned_claims):",
            "if lost := 0:",
        ),
        ("nothing is warned of", "            warnings.append(words)\n", "            pass\n"),
    ),
)

# These run with the other tests, all of them with `-m mutants`.
QUICK = {"segments are routes", "sure is enough", "inconclusive holds"}
