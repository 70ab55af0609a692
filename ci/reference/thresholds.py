"""The limits of the engagement rules, and the events with their types, from the tables that are replayed."""

from __future__ import annotations

from ci.reference.text import GENERATED, table
from harness.replay.selfdrive.thresholds import THRESHOLDS, Threshold


def render() -> str:
    """The page."""
    rows = [
        (f"`{each.name}`", each.unit, f"{each.value:g}", _older(each), each.meaning) for each in THRESHOLDS.values()
    ]
    return (
        f"{GENERATED}# Thresholds of the engagement rules\n\n"
        "What `thresholds:` of a rule set can change ([changing a safety threshold](../safety.md)), each with number\n"
        "and unit: `longitudinal_accel_min: -7.7 m/s²`. Values are those of the newest release; where older ones had\n"
        "another, it stands with the last release that had it.\n\n"
        f"{table(['threshold', 'unit', 'value', 'before', 'meaning'], rows)}"
    )


def _older(threshold: Threshold) -> str:
    return ", ".join(f"{value:g} up to {release}" for release, value in threshold.older)
