"""Segments that moved alike, each group as one sentence with one exemplar: a person reads five stories, not 500 plots.

Groups come from average linkage over the shapes, in the order of the segments' names: what order they are given in
changes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from harness.compare.shapes import SPEED_STEP_MPS, Shape
from harness.explanation import Cause, Story

Floats = npt.NDArray[np.float64]

MOST_STORIES = 8
_APART = 1.0  # a profile that is wholly elsewhere is √2 away, one that is wholly opposite 2
_MAINLY, _NEARLY_ALL = 0.6, 0.8
_FEWEST = 0.1  # share of energy at either end of the range of speeds that is left out

_FROM = {
    Cause.PICTURES: "from other pictures",
    Cause.VISION: "from vision",
    Cause.POLICY: "from the policy",
    Cause.BOTH: "from vision and policy",
    Cause.STATE: "from state carried over",
    Cause.UNKNOWN: "cause not told",
}


def find_stories(shapes: Sequence[Shape], most: int = MOST_STORIES) -> tuple[Story, ...]:
    """At most `most` groups, the largest first; every shape is in one of them."""
    ordered = sorted(shapes, key=lambda shape: shape.name)
    if not ordered:
        return ()
    groups = _grouped(ordered, most)
    groups.sort(key=lambda group: (-len(group), -_badness(group), group[0].name))
    return tuple(_story(group) for group in groups)


def _grouped(shapes: list[Shape], most: int) -> list[list[Shape]]:
    if len(shapes) == 1:
        return [shapes]
    tree = scipy.cluster.hierarchy.linkage(_distances(shapes), "average")
    labels = scipy.cluster.hierarchy.fcluster(tree, _APART, "distance")
    if labels.max() > most:
        labels = scipy.cluster.hierarchy.fcluster(tree, most, "maxclust")
    groups: dict[int, list[Shape]] = {}
    for label, shape in zip(labels.tolist(), shapes, strict=True):
        groups.setdefault(label, []).append(shape)
    return list(groups.values())


def _story(group: list[Shape]) -> Story:
    exemplar = _medoid(group)
    count = "1 segment" if len(group) == 1 else f"{len(group)} segments"
    cause, told = _cause_words(group)
    what, worst = _words(group)
    words = f"{count}: {what}, {told}{worst} · exemplar {exemplar.segment}"
    return Story(words, tuple(shape.name for shape in group), exemplar.name, cause)


def _medoid(group: list[Shape]) -> Shape:
    if len(group) < 3:
        return max(group, key=lambda shape: abs(shape.lateral_m) + abs(shape.longitudinal_m))
    apart = scipy.spatial.distance.squareform(_distances(group))
    return group[int(np.argmin(np.round(apart.sum(axis=1), 6)))]


def _distances(shapes: list[Shape]) -> npt.NDArray[np.float64]:
    """(n (n − 1) / 2,) of each pair. Rounded, so that the last bits of a sum decide no tie."""
    return np.round(scipy.spatial.distance.pdist(np.stack([shape.vector for shape in shapes])), 9)


def _badness(group: list[Shape]) -> float:
    return max(math.hypot(shape.lateral_m, shape.longitudinal_m) for shape in group)


def _cause_words(group: list[Shape]) -> tuple[Cause, str]:
    counts = Counter(shape.cause for shape in group if shape.cause is not Cause.UNKNOWN)
    if not counts:
        return Cause.UNKNOWN, _FROM[Cause.UNKNOWN]
    cause, count = min(counts.items(), key=lambda entry: (-entry[1], entry[0].value))
    return cause, _FROM[cause] + ("" if count == len(group) else f" ({count} of {len(group)})")


def _words(group: list[Shape]) -> tuple[str, str]:
    """What the group has in common, and how far it goes at worst."""
    broken = [shape for shape in group if shape.broken_frames]
    if 2 * len(broken) > len(group):
        frames = max(shape.broken_frames for shape in broken)
        return f"not a number on one side, in up to {frames} frame{'s' if frames > 1 else ''}", ""
    sideways = np.mean([shape.sideways for shape in group], axis=0)
    along = np.mean([shape.along for shape in group], axis=0)
    if not sideways[:, 1].sum() and not along[:, 1].sum():
        return "the plan 2 s ahead did not move", ""
    if sideways[:, 1].sum() >= along[:, 1].sum():
        direction, worst = _sideways_words(sideways), max(abs(shape.lateral_m) for shape in group)
    else:
        direction, worst = _along_words(along), max(abs(shape.longitudinal_m) for shape in group)
    lead = " behind a car" if float(np.mean([shape.behind_lead for shape in group])) >= _NEARLY_ALL else ""
    return f"{direction}{lead}{_speed_words(group)}", f"; worst {worst:.2g} m at 2 s"


def _sideways_words(energy: Floats) -> str:
    left, right, straight, changing = energy
    whole = energy[:, 1].sum()
    outward = left[0] - right[0]
    if abs(energy[:, 0].sum()) >= _MAINLY * whole:
        side = f"{'right' if energy[:, 0].sum() > 0 else 'left'} of the baseline"
    elif abs(outward) >= _MAINLY * whole:
        return f"to the {'outside' if outward > 0 else 'inside'} of curves"
    else:
        side = "to both sides of the baseline"
    for there, where in (
        (left[1], " in left curves"),
        (right[1], " in right curves"),
        (straight[1], " on straights"),
        (changing[1], " in lane changes"),
        (left[1] + right[1], " in curves"),
    ):
        if there >= _NEARLY_ALL * whole:
            return side + where
    return side


def _along_words(energy: Floats) -> str:
    braking, accelerating, steady = energy
    whole = energy[:, 1].sum()
    later = braking[0] - accelerating[0]
    both = min(braking[1], accelerating[1]) >= (1 - _NEARLY_ALL) * whole
    if both and abs(later) >= _MAINLY * whole:
        return f"{'later' if later > 0 else 'earlier'} to brake and to accelerate"
    if abs(energy[:, 0].sum()) >= _MAINLY * whole:
        side = f"{'ahead of' if energy[:, 0].sum() > 0 else 'behind'} the baseline"
    else:
        side = "ahead of and behind the baseline"
    for there, where in (
        (braking[1], " when braking"),
        (accelerating[1], " when accelerating"),
        (steady[1], " at steady speed"),
    ):
        if there >= _NEARLY_ALL * whole:
            return side + where
    return side


def _speed_words(group: list[Shape]) -> str:
    speeds = np.cumsum(np.mean([shape.speeds for shape in group], axis=0))
    low = int(np.searchsorted(speeds, _FEWEST * speeds[-1], side="right"))
    high = int(np.searchsorted(speeds, (1 - _FEWEST) * speeds[-1], side="left"))
    return f" at {low * SPEED_STEP_MPS}–{(max(low, high) + 1) * SPEED_STEP_MPS} m/s"
