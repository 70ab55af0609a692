"""Why trials moved, as text: the stories first, then each of the worst by itself."""

from __future__ import annotations

from harness.explanation import Course, Explained, Explanation, Growth, Moved, Swap
from harness.report.budget import clean
from harness.report.trials import columns, counted

_WIDTH = 9
_GROUPS_THAT_DRIVE = ("plan", "action")


def render_why(explained: Explained) -> str:
    """Stories, then explanations; empty where there is nothing to tell."""
    blocks = [*_stories(explained), *(render_explanation(each) for each in explained.explanations)]
    if explained.note:
        blocks.append("\n".join(f"NOTE   {clean(line, 500)}" for line in explained.note.split("\n")))
    return "\n\n".join(blocks)


def render_explanation(told: Explanation) -> str:
    """One trial: what moved first, what made it, how it goes on."""
    lines = [f"WHY    {told.segment} · {told.device_kind}"]
    for name, words in (
        ("cause", told.words),
        ("first", told.first),
        ("moved", _moved_words(told.groups)),
        ("size", _size_words(told)),
        ("course", _growth_words(told.growth)),
        ("swapped", "\n".join(_swap_words(swap) for swap in told.swaps)),
        ("note", told.note),
    ):
        if words:
            lines += columns(name, words, _WIDTH)
    return "\n".join(lines)


def _stories(explained: Explained) -> list[str]:
    if not explained.failed:
        return [f"no {explained.replayer} trial of {explained.run} FAILed"] if not explained.explanations else []
    if not explained.stories:
        return []
    count = f"{len(explained.stories)} stories" if len(explained.stories) > 1 else "1 story"
    lines = [f"why {counted(explained.failed, 'trial')} of {explained.replayer} moved, in {count}"]
    lines += [f"{number:>3}  {clean(story.words, 500)}" for number, story in enumerate(explained.stories, 1)]
    return ["\n".join(lines)]


def _moved_words(groups: tuple[Moved, ...]) -> str:
    """`features, plan and action at frame 412 (20.60 s), then meta at 430`; and whether what drives stayed."""
    by_frame: dict[int, list[Moved]] = {}
    for moved in groups:
        by_frame.setdefault(moved.first_frame, []).append(moved)
    parts = []
    for number, (frame, together) in enumerate(by_frame.items()):
        at = f" ({together[0].first_s:.2f} s)" if not number else ""
        parts.append(f"{_listed([moved.group for moved in together])} at frame {frame}{at}")
    still = [name for name in _GROUPS_THAT_DRIVE if name not in {moved.group for moved in groups}]
    stayed = f"; {_listed(still)} never" if still and groups else ""
    return ", then ".join(parts) + stayed


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _size_words(told: Explanation) -> str:
    words = []
    for metres, more, less in (
        (told.lateral_m, "right", "left"),
        (told.longitudinal_m, "ahead", "behind"),
    ):
        if abs(metres) >= 0.005:
            words.append(f"{abs(metres):.2f} m {more if metres > 0 else less}")
    plan = [f"plan at 2 s up to {' and '.join(words)}"] if words else []
    if told.action_mps2:
        plan.append(f"wanted acceleration {told.action_mps2:.2g} m/s² apart (root of mean square)")
    if told.not_a_number_frames:
        plan.append(f"not a number on one side in {counted(told.not_a_number_frames, 'frame')}")
    return ", ".join(plan)


def _swap_words(swap: Swap) -> str:
    sides = f"the {swap.policy}'s policy over the {swap.features}'s features"
    if swap.left is None:
        return f"{sides}: not replayed: {swap.error}"
    if swap.policy == swap.features:
        same = (
            "the same again, bit by bit" if swap.left == 0 else f"{100 * swap.left:.1f} % of the difference from before"
        )
        return f"{sides}: {same}"
    axes = [
        f"{100 * share:.1f} % {name}"
        for share, name in ((swap.sideways, "sideways"), (swap.along, "along"))
        if share is not None
    ]
    apart = f" ({', '.join(axes)})" if len(axes) > 1 else ""
    return f"{sides}: {100 * swap.left:.1f} % of the difference is left{apart}"


def _growth_words(growth: Growth) -> str:
    """`dies away: halves every 0.4 s, gone at frame 431 (21.55 s)`."""
    if growth.course is Course.NOTHING:
        return "no difference"
    if growth.course is Course.MOMENTARY:
        return "for single frames only" if growth.spells > 1 else f"for a moment at frame {growth.first_frame}"
    words: list[str] = []
    if growth.course is Course.GROWS and growth.doubling_s is not None:
        words.append(f"doubles every {_duration(growth.doubling_s)}")
    if growth.course is Course.DIES and growth.half_life_s is not None:
        words.append(f"halves every {_duration(growth.half_life_s)}")
    if growth.course is Course.RETURNS:
        words.append(f"{growth.spells} spells, in {100 * growth.share:.0f} % of frames")
    if growth.gone_frame is not None:
        words.append(f"converged again at frame {growth.gone_frame} ({growth.gone_s:.2f} s)")
    elif growth.course in {Course.STAYS, Course.GROWS}:
        words.append("not back by the end")
    return growth.course.value + (f": {', '.join(words)}" if words else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.995 else f"{seconds * 1000:.0f} ms"
