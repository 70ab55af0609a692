"""What a claim's numbers mean, in the words that a person reads first."""

from __future__ import annotations

import math

_MINUS = "−"


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


def about(count: int) -> str:
    """A count as exact as it is known: `7`, `about 60`, `about 130`."""
    if count < 10:
        return str(count)
    step = 10 ** (len(str(count)) - (1 if count < 100 else 2))
    return f"about {math.ceil(count / step) * step}"


def counted(count: int, noun: str) -> str:
    """`1 segment`, `24 segments`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
