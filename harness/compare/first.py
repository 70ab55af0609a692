"""Which stage moved first: the pictures, the vision features, or the policy that follows them."""

from __future__ import annotations

import fnmatch

import numpy as np

from harness.compare.align import Alignment
from harness.trace import Exactness, Trace

_PICTURES = "pictures.*"
_FEATURES = "features"


def first_to_move(expected: Trace, observed: Trace, alignment: Alignment) -> tuple[int, str] | None:
    """Row of the first unequal frame and the sentence that names the stage; None when nothing differs.

    Any inequality counts here, tolerance or not: the first stage with another bit is where to look.
    """
    pictures = first_row(
        expected, observed, alignment, [n for n in expected.channels if fnmatch.fnmatchcase(n, _PICTURES)]
    )
    features = first_row(expected, observed, alignment, [n for n in expected.channels if n == _FEATURES])
    others = [
        name
        for name, channel in expected.channels.items()
        if name != _FEATURES and not fnmatch.fnmatchcase(name, _PICTURES) and channel.exactness is Exactness.NUMERIC
    ]
    outputs = first_row(expected, observed, alignment, others)
    rows = [row for row in (pictures, features, outputs) if row is not None]
    if not rows:
        return None
    first = min(rows)
    at = f"frame {alignment.frame_ids[first]} ({alignment.seconds(first):.2f} s)"
    knows_pictures = any(fnmatch.fnmatchcase(name, _PICTURES) for name in expected.channels)
    if pictures == first:
        return first, f"different pictures at {at}: the pixels moved before the model"
    same = "same pictures" if knows_pictures else "pictures not recorded"
    later = "" if pictures is None else f"; the pictures differ from frame {alignment.frame_ids[pictures]}"
    if features == first:
        follows = "; the policy follows" if outputs is not None else "; the policy does not follow"
        return first, f"vision features at {at} ({same}){follows}{later}"
    if _FEATURES in expected.channels:
        apart = "same features" if features is None else f"features only from frame {alignment.frame_ids[features]}"
        return first, f"the policy at {at} ({same}, {apart}){later}"
    return first, f"the outputs at {at} ({same}){later}"


def first_row(expected: Trace, observed: Trace, alignment: Alignment, names: list[str]) -> int | None:
    """The first common row in which any of the named channels, present on both sides, is unequal."""
    first: int | None = None
    for name in names:
        if name not in observed.channels:
            continue
        stop = first if first is not None else len(alignment.frame_ids)
        e = alignment.of_expected(expected.channels[name].values)[:stop]
        o = alignment.of_observed(observed.channels[name].values)[:stop]
        if e.shape != o.shape or not e.size:
            continue
        unequal = (e != o) & ~((e != e) & (o != o))  # noqa: PLR0124 only NaN is unequal to itself
        rows = np.flatnonzero(unequal.reshape(len(e), -1).any(axis=1))
        if len(rows):
            first = int(rows[0])
    return first
