"""What a claim's numbers mean, in the words that a person reads first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.compare.statistics.signflip import routes_needed
from harness.intent import Answer, ClaimResult, Expectation, Range, Size

_MINUS = "−"
_LOST_SHOWN = 3
_LARGEST_SHARE = 10.0  # a thousand per cent: of a baseline that is next to nothing a share says nothing


def number(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """`0.214`, `−3.1`, `+1.6`, `1200`: so many digits that count, and a real minus sign."""
    if not math.isfinite(value):
        return f"{_MINUS if value < 0 else '+' if signed else ''}∞"
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0.0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    text = f"{abs(rounded):.{min(decimals, 12)}f}"
    if "." in text and digits < 3:
        text = text.rstrip("0").rstrip(".")
    return (_MINUS if rounded < 0 else "+" if signed else "") + text


def amount(value: float, unit: str, *, share: bool, digits: int = 2, signed: bool = False) -> str:
    """An amount with its unit, or as a percentage."""
    if share:
        return f"{number(value * 100, digits, signed=signed)} %"
    return f"{number(value, digits, signed=signed)} {unit}".strip()


def probability(p: float) -> str:
    """`p 0.012`, `p < 0.0001`."""
    return "p < 0.0001" if p < 0.0001 else f"p {number(p, 2)}"


def once(p: float) -> str:
    """How often a probability comes true, in words: `once in 43 times`."""
    if p < 0.0001:
        return "less than once in 10 000 times"
    return f"once in {float(f'{1 / p:.2g}'):.0f} times"


def about(count: int) -> str:
    """A count as exact as it is known: `7`, `about 60`, `about 130`."""
    if count < 10:
        return str(count)
    step = 10 ** (len(str(count)) - (1 if count < 100 else 2))
    return f"about {math.ceil(count / step) * step}"


def counted(count: int, noun: str) -> str:
    """`1 segment`, `24 segments`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def figures(result: ClaimResult) -> str:
    """Both sides, the difference with its interval, and of how many segments, in a line."""
    if result.candidate is None or result.baseline is None or result.effect is None:
        return ""
    sides = f"candidate {_side(result, result.candidate)}, baseline {_side(result, result.baseline)}"
    if result.share is not None and abs(result.share) <= _LARGEST_SHARE:
        moved = f"{amount(result.share, '', share=True, signed=True)}{_ends(result, result.share_interval, 100.0)}"
    else:
        moved = f"{amount(result.effect, result.unit, share=False, signed=True)}{_ends(result, result.interval, 1.0)}"
    return f"{sides} · {moved}, {counted(result.segments, 'segment')} of {counted(result.routes, 'route')}"


def claim_words(result: ClaimResult, asked_for: Size, level: float, lost: int, asked: int) -> str:
    """Why the answer is what it is; `level` is how small p had to be, `lost` how many segments lost their value."""
    share = asked_for.relative
    size = amount(asked_for.amount, result.unit, share=share)
    among = f" among {counted(asked, 'question')}" if asked > 1 else ""
    seen = f", look {result.looks}" if result.looks > 1 else ""
    p, alike_p = result.adjusted_p or 0.0, result.equivalence_p or 0.0
    sure = f"chance alone would do as much {once(p)} ({probability(p)}{among}{seen})"
    alike = f"were it more, it would look like this {once(alike_p)} ({probability(alike_p)}{seen})"
    if result.answer is Answer.BETTER:
        return f"{size} or more was asked for; {sure}"
    if result.answer in {Answer.WORSE, Answer.CHANGED}:
        return f"{size} matters; {sure}"
    if result.answer is Answer.EQUIVALENT:
        return f"within ±{size}; {alike}"
    if result.answer is Answer.NOT_WORSE:
        return f"by less than {size}{seen}"
    parts = []
    if lost:
        parts.append(f"{counted(lost, 'segment')} lost the value that the baseline has")
    differs = result.adjusted_p is not None and result.adjusted_p <= 1.0 - result.confidence
    least = result.smallest_share if share else result.smallest
    if differs:
        parts.append(f"it surely differs ({probability(p)}{among}{seen}), whether by {size} is open")
    elif least is None:
        parts.append(too_few(result.expect, result.segments, result.routes, level, 1.0 - result.confidence, among))
    else:
        parts.append(f"could have shown {shown(result.expect, amount(least, result.unit, share=share))}")
    if result.more_segments:
        noun = "segment" if result.more_segments == 1 else "segments"
        parts.append(f"{about(result.more_segments)} more {noun} would settle {'it' if differs else size}")
    return "; ".join(parts)


def shown(expect: Expectation, least: str) -> str:
    """What a smallest effect or margin means, after "could show"."""
    return {
        Expectation.UNCHANGED: f"that it stays within ±{least}",
        Expectation.GUARD: f"that it is not worse by {least}",
    }.get(expect, f"{least} or more")


def too_few(expect: Expectation, segments: int, routes: int, level: float, alpha: float, among: str = "") -> str:
    """Why so few routes prove nothing: all of them one way would still be chance."""
    counts = f"{counted(segments, 'segment')} of {counted(routes, 'route')}"
    if expect is Expectation.IMPROVE:
        words, needed = f"{counts} can show no difference, however large", routes_needed(level)
        words += f",{among}" if among else ""
    else:
        words, needed = f"{counts} cannot show that it stays within any margin", routes_needed(alpha, sides=1)
    return words if routes >= needed else f"{words}: at least {needed} routes are needed"


def lost_where(segments: Sequence[str]) -> str:
    """Which segments lost the value that the baseline has, as a line of its own; empty where none did."""
    if not segments:
        return ""
    more = f" and {len(segments) - _LOST_SHOWN} more" if len(segments) > _LOST_SHOWN else ""
    return f"\nlost in {', '.join(segments[:_LOST_SHOWN])}{more}"


def moved_most(result: ClaimResult) -> str:
    """Where it moved most to the bad side, as a line of its own; empty where nothing did."""
    if not result.worst:
        return ""
    places = (f"{segment} {amount(by, result.unit, share=False, signed=True)}" for segment, by in result.worst)
    return f"\nmost in {', '.join(places)}"


def _side(result: ClaimResult, value: float) -> str:
    """A mean, or what was counted."""
    if result.expect is Expectation.BUDGET and value.is_integer():
        return f"{value:.0f} {result.unit.removesuffix('s') if value == 1 else result.unit}"
    return amount(value, result.unit, share=False, digits=3)


def _ends(result: ClaimResult, interval: Range, scale: float) -> str:
    if interval == (None, None):
        return ""
    low, high = (
        number(side * math.inf if end is None else end * scale, 2, signed=True)
        for end, side in zip(interval, (-1, 1), strict=True)
    )
    return f" ({result.confidence * 100:g} % {low} … {high})"
