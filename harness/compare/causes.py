"""Which input made a candidate differ: pictures, vision features, its policy, or what it remembers of earlier frames.

Told from the traces alone as far as they can tell it, and for certain from swaps: the candidate's policy over the
baseline's features, and the other way round.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.compare.align import Alignment, align
from harness.compare.first import first_row
from harness.compare.growth import GONE
from harness.compare.motion import Motion, find_motion, rms, sizes
from harness.explanation import Cause, Moved, Swap
from harness.trace import Exactness, Trace

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CANDIDATE, BASELINE = "candidate", "baseline"
_POLICY_FILE = "driving_policy.onnx"
_MOSTLY, _HARDLY = 0.9, 0.1  # of a difference that is left
_CARRIED = 0.5  # of its energy
_LEAST_MPS2, _LEAST_M = 0.01, 0.01  # root of mean square: less on one axis is not told of by itself
_UNSTEADY = 0.01  # of the difference: how far a policy over its own features may be from what it did

GROUPS: Mapping[str, tuple[str, ...]] = {
    "pictures": ("pictures.*",),
    "features": ("features",),
    "plan": ("position.*", "velocity.*", "acceleration.*", "orientation.*", "orientationRate.*"),
    "action": ("action.*",),
    "lanes": ("laneLine*", "roadEdge*"),
    "leads": ("leadsV3.*",),
    "meta": ("meta.*",),
    "pose": ("pose.*", "roadTransform.*", "simPose.*", "wideFromDeviceEuler*"),
}
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The cause in words, the share of the difference's energy that is carried over, and from which row on."""

    cause: Cause
    words: str
    carried: float = 0.0
    carried_from: int | None = None


def find_groups(expected: Trace, observed: Trace) -> tuple[Moved, ...]:
    """The groups of channels that differ in any bit, first to move first, in the order of GROUPS where together."""
    alignment = align(expected, observed)
    names: dict[str, list[str]] = {group: [] for group in (*GROUPS, _OTHER)}
    for name, channel in expected.channels.items():
        if channel.exactness is not Exactness.INFORMATIVE:
            names[_group(name)].append(name)
    found = []
    for group, members in names.items():
        row = first_row(expected, observed, alignment, members)
        if row is not None:
            found.append(Moved(group, int(alignment.frame_ids[row]), round(alignment.seconds(row), 6)))
    return tuple(sorted(found, key=lambda moved: moved.first_frame))


def _group(name: str) -> str:
    for group, patterns in GROUPS.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            return group
    return _OTHER


def hold_swap(expected: Trace, trace: Trace, motion: Motion, swap: Swap) -> Swap:
    """`swap`, whose trace this is, with how far it is from `expected` as shares of `motion`."""
    other = find_motion(expected, trace)
    whole, part = (each.action if motion.by_action else each.plan for each in (motion, other))
    floor = _LEAST_MPS2 if motion.by_action else _LEAST_M
    axes = [
        rms(part[:, axis]) / size if (size := rms(whole[:, axis])) >= floor else None for axis in range(whole.shape[1])
    ]
    size = rms(sizes(whole))
    return replace(swap, left=rms(sizes(part)) / size if size else 0.0, sideways=axes[0], along=axes[1])


def attribute(
    expected: Trace, observed: Trace, motion: Motion, swaps: Sequence[Swap], mine: Trace | None
) -> Attribution:
    """The cause of `motion`, expected to observed; `mine` is the candidate's policy over the baseline's features."""
    alignment = align(expected, observed)
    pictures = _equal(expected, observed, alignment, "pictures.*")
    features = _equal(expected, observed, alignment, "features")
    if not motion.size.any():
        return Attribution(*_without_plan(expected, observed, alignment))
    if pictures is not None and not pictures.all():
        at = alignment.frame_ids[int(np.argmin(pictures))]
        return Attribution(Cause.PICTURES, f"different pictures from frame {at} on: the models were not shown the same")
    shown = "same pictures" if pictures is not None else "pictures not recorded"
    known = {(swap.policy, swap.features): swap.left for swap in swaps}
    control = known.get((CANDIDATE, CANDIDATE))
    if control is not None and control > _UNSTEADY:
        words = f"not told: over its own features the policy came out {_percent(control)} of the difference otherwise"
        return Attribution(Cause.UNKNOWN, words)
    mixed = known.get((CANDIDATE, BASELINE))
    other = known.get((BASELINE, CANDIDATE))
    same_policy = _same_policy(expected, observed)
    carried, since = _carried(motion, features, _effect(observed, motion, mine, same_policy=same_policy))
    told = None if since is None else int(motion.frame_ids[since])
    if mixed is None:
        return Attribution(*_unswapped(features, shown, same_policy=same_policy), carried, told)
    words = _swap_words(mixed, other)
    cause = _cause(mixed, other)
    axes = _axes(swaps)
    if len({each for each, _ in axes}) > 1:
        parts = "\n".join(said for _, said in axes)
        return Attribution(Cause.BOTH, f"vision and policy ({shown})\n{parts}", carried, told)
    if cause is Cause.VISION and carried >= _CARRIED:
        where = f"{_percent(carried)} of the difference is in frames with equal features"
        return Attribution(Cause.STATE, f"state carried from frame {told} on: {where}; {words}", carried, told)
    if cause is Cause.VISION:
        remembered = f", {_percent(carried)} of it by what is remembered" if carried >= _HARDLY else ""
        words = f"vision features ({shown}); the policy follows{remembered}: {words}"
    elif cause is Cause.POLICY:
        words = f"policy: with the baseline's features it still differs by {_percent(mixed)}"
    else:
        words = f"vision and policy ({shown}): {words}"
    return Attribution(cause, words, carried, told)


def _cause(mixed: float, other: float | None) -> Cause:
    """By what is left with the candidate's policy over the baseline's features, and the other way round."""
    if mixed <= _HARDLY and (other is None or other >= _MOSTLY):
        return Cause.VISION
    if mixed >= _MOSTLY and (other is None or other <= _HARDLY):
        return Cause.POLICY
    return Cause.BOTH


def _axes(swaps: Sequence[Swap]) -> list[tuple[Cause, str]]:
    """The cause of what differs sideways and of what differs along, each where it is worth telling."""
    found = []
    for name in ("sideways", "along"):
        known = {(swap.policy, swap.features): getattr(swap, name) for swap in swaps}
        mixed, other = known.get((CANDIDATE, BASELINE)), known.get((BASELINE, CANDIDATE))
        if mixed is not None:
            cause = _cause(mixed, other)
            found.append((cause, f"{name} from the {cause}, {_swap_words(mixed, other)}"))
    return found


def _swap_words(mixed: float, other: float | None) -> str:
    words = f"the baseline's features remove {_removed(mixed)} of the difference"
    return words if other is None else f"{words}, the baseline's policy {_removed(other)}"


def _removed(left: float) -> str:
    return _percent(1.0 - left) if left <= 1.0 else f"none (it grows to {_percent(left)})"


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"


def _without_plan(expected: Trace, observed: Trace, alignment: Alignment) -> tuple[Cause, str]:
    """Neither plan nor action differ where they are read."""
    groups = [moved.group for moved in find_groups(expected, observed)]
    if not groups:
        return Cause.UNKNOWN, "nothing differs"
    told = " and ".join([", ".join(groups[:-1]), groups[-1]] if len(groups) > 1 else groups)
    cause = Cause.PICTURES if groups[0] == "pictures" else Cause.VISION if groups[0] == "features" else Cause.UNKNOWN
    return (
        cause,
        f"only {told} moved; the plan 2 s ahead and the action are the same in all {len(alignment.frame_ids)} frames",
    )


def _unswapped(features: Bools | None, shown: str, *, same_policy: bool) -> tuple[Cause, str]:
    """What the traces alone tell."""
    if features is None:
        return Cause.UNKNOWN, f"not told: no features are recorded ({shown})"
    if features.all():
        return Cause.POLICY, f"policy: {shown} and the same features in every frame"
    if same_policy:
        return Cause.VISION, f"vision features ({shown}); the policy is the same file and follows"
    share = 1.0 - float(np.mean(features))
    return (
        Cause.UNKNOWN,
        f"features differ in {_percent(share)} of frames ({shown}); whether the policy differs too is not known",
    )


def _same_policy(expected: Trace, observed: Trace) -> bool:
    files = [trace.provenance.get("model_files") for trace in (expected, observed)]
    digests = [entry.get(_POLICY_FILE) if isinstance(entry, dict) else None for entry in files]
    return digests[0] is not None and digests[0] == digests[1]


def _equal(expected: Trace, observed: Trace, alignment: Alignment, pattern: str) -> Bools | None:
    """(n,) frames in which all channels of `pattern` are equal; None where there are none on both sides."""
    names = [name for name in expected.channels if fnmatch.fnmatchcase(name, pattern) and name in observed.channels]
    equal = np.ones(len(alignment.frame_ids), bool)
    for name in names:
        e = alignment.of_expected(expected.channels[name].values)
        o = alignment.of_observed(observed.channels[name].values)
        if e.shape != o.shape:
            return np.zeros(len(equal), bool)
        equal &= ((e == o) | ((e != e) & (o != o))).reshape(len(equal), -1).all(axis=1)  # noqa: PLR0124 NaN
    return equal if names else None


def _effect(observed: Trace, motion: Motion, mine: Trace | None, *, same_policy: bool) -> Floats | None:
    """(n,) what other features do to one and the same policy; None where that is not known."""
    if mine is not None:
        other = find_motion(mine, observed)
        parts = other.action if motion.by_action else other.plan
        found = np.zeros(len(motion.frame_ids))
        _, ours, theirs = np.intersect1d(motion.frame_ids, other.frame_ids, assume_unique=True, return_indices=True)
        found[ours] = sizes(parts)[theirs]
        return found
    return motion.size if same_policy else None


def _carried(motion: Motion, features: Bools | None, effect: Floats | None) -> tuple[float, int | None]:
    """The share of the energy that lies in frames with equal features, and the first of them after unequal ones."""
    whole = float(np.sum(motion.size**2))
    if features is None or effect is None or not whole:
        return 0.0, None
    held = features & (effect > GONE * effect.max())
    share = min(float(np.sum(effect[held] ** 2)) / whole, 1.0)
    return share, int(np.argmax(held)) if held.any() else None
