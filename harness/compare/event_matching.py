"""Which interval of one side is which of the other: one to one, by when they begin.

Of all ways to pair beginnings that lie at most a collar apart, the one that pairs the most, and among those the one
with the least total |Δt|. Points on a line can be paired without crossings at no loss: exchanging the partners of two
pairs that cross makes neither the sum nor the larger of the two distances greater. So a table over both sorted lists
finds the optimum exactly, which is what `scipy.optimize.linear_sum_assignment` finds with an unmatched cost that
outweighs every distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

_Cost: TypeAlias = tuple[int, int]  # −matched pairs, total |Δt| (ns): the lesser the better

_SKIP_EXPECTED, _SKIP_OBSERVED, _PAIR = range(3)


def match_onsets(expected_ns: Sequence[int], observed_ns: Sequence[int], collar_ns: int) -> list[tuple[int, int]]:
    """Pairs of indices into two rising lists of times, in order; what is in no pair has no partner."""
    pairs: list[tuple[int, int]] = []
    for (e_first, e_stop), (o_first, o_stop) in _clusters(expected_ns, observed_ns, collar_ns):
        found = _match(expected_ns[e_first:e_stop], observed_ns[o_first:o_stop], collar_ns)
        pairs += [(e_first + e, o_first + o) for e, o in found]
    return pairs


def _clusters(
    expected_ns: Sequence[int], observed_ns: Sequence[int], collar_ns: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Ranges of both lists between gaps wider than the collar, over which nothing can be paired."""
    merged = sorted([(t_ns, 0) for t_ns in expected_ns] + [(t_ns, 1) for t_ns in observed_ns])
    clusters = []
    first, stop = [0, 0], [0, 0]
    for place, (t_ns, side) in enumerate(merged):
        if place and t_ns - merged[place - 1][0] > collar_ns:
            clusters.append(((first[0], stop[0]), (first[1], stop[1])))
            first = stop.copy()
        stop[side] += 1
    clusters.append(((first[0], stop[0]), (first[1], stop[1])))
    return [(e, o) for e, o in clusters if e[0] < e[1] and o[0] < o[1]]


def _match(expected_ns: Sequence[int], observed_ns: Sequence[int], collar_ns: int) -> list[tuple[int, int]]:
    width = len(observed_ns) + 1
    above: list[_Cost] = [(0, 0)] * width
    choices: list[list[int]] = []
    for e_ns in expected_ns:
        row: list[_Cost] = [(0, 0)]
        choice = [_SKIP_EXPECTED]
        for o, o_ns in enumerate(observed_ns):
            apart_ns = abs(e_ns - o_ns)
            options = [(above[o + 1], _SKIP_EXPECTED), (row[o], _SKIP_OBSERVED)]
            if apart_ns <= collar_ns:
                matched, total_ns = above[o]
                options.append(((matched - 1, total_ns + apart_ns), _PAIR))
            cost, how = min(options)
            row.append(cost)
            choice.append(how)
        above = row
        choices.append(choice)
    pairs: list[tuple[int, int]] = []
    e, o = len(expected_ns), len(observed_ns)
    while e and o:
        how = choices[e - 1][o]
        if how == _PAIR:
            pairs.append((e - 1, o - 1))
        e -= how != _SKIP_OBSERVED
        o -= how != _SKIP_EXPECTED
    return pairs[::-1]
