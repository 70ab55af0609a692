"""Where a list turns from good to bad, when an answer may be wrong: what to ask next, and how sure one is. Pure.

The list is good up to some place and bad from there on. Each answer moves the belief about that place by Bayes' rule;
the next question is the one that halves the belief best, so that with answers that never err it is a plain bisection.
(Noisy bisection: Horstein 1963; Ben-Or and Hassidim 2008.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ABOUT = 0.01


class Search:
    """Over `count` things in order, of which the first is good and the last is bad.

    `miss` is the chance that something bad is told to be good (it showed its fault only now and then), `false_alarm`
    the other way round. The search is over when one place holds `sure` of the belief.
    """

    def __init__(self, count: int, *, miss: float, false_alarm: float, sure: float) -> None:
        # belief[i]: that the first bad one is number i + 1.
        self._belief: npt.NDArray[np.float64] = np.full(count - 1, 1.0 / (count - 1))
        self._miss, self._false_alarm, self._sure = miss, false_alarm, sure
        self._skipped: set[int] = set()
        self._last = count - 1

    @property
    def first_bad(self) -> int:
        """The most likely place."""
        return int(np.argmax(self._belief)) + 1

    @property
    def belief(self) -> float:
        """How sure that is, from 0 to 1."""
        return float(self._belief.max())

    @property
    def suspects(self) -> tuple[int, ...]:
        """The places that together hold `sure` of the belief, likeliest first: one when the search is over."""
        order = np.argsort(-self._belief, kind="stable")
        held = np.cumsum(self._belief[order])
        return tuple(int(place) + 1 for place in order[: int(np.searchsorted(held, self._sure)) + 1])

    def expect_misses(self, miss: float) -> None:
        """From now on bad ones are taken to pass by chance at least this often."""
        self._miss = max(self._miss, miss)

    def ask(self) -> int | None:
        """The number to try next; None when one is sure enough, or all that could tell are skipped."""
        if self.belief >= self._sure:
            return None
        # To ask number k splits the places into those up to k (then it is bad) and those after it. One that does not
        # split those which are still in question would only tell what is known.
        bad = np.cumsum(self._belief)[:-1]
        suspects = self.suspects
        usable = [number - 1 for number in range(min(suspects), max(suspects)) if number not in self._skipped]
        if not usable:
            return None
        # Of about equal ones the later: where the last of all is to blame, it has still to be tried itself.
        nearest = min(abs(bad[index] - 0.5) for index in usable)
        return 1 + max(index for index in usable if abs(bad[index] - 0.5) <= nearest + _ABOUT)

    def answer(self, number: int, *, is_bad: bool) -> None:
        """Number `number` was tried."""
        places = np.arange(1, self._last + 1)
        truly_bad = places <= number
        if is_bad:
            likelihood = np.where(truly_bad, 1.0 - self._miss, self._false_alarm)
        else:
            likelihood = np.where(truly_bad, self._miss, 1.0 - self._false_alarm)
        self._belief = self._belief * likelihood
        self._belief /= self._belief.sum()

    def skip(self, number: int) -> None:
        """Number `number` cannot be tried; others are asked instead."""
        self._skipped.add(number)
