"""Two traces as a table of channels: how many frames differ, where first, and by how much."""

from __future__ import annotations

import numpy as np

from harness.compare.align import align
from harness.compare.diff import diff_values
from harness.domain import Tolerance
from harness.trace import Trace


def describe_difference(expected: Trace, observed: Trace) -> list[dict[str, str]]:
    """One row of text a channel, sorted by the first frame that differs.

    Keys: channel, unit, differs (yes/no), frames (share that differ), first, at, largest, mean. Differences are
    absolute and in the channel's unit; a channel that only one side has, or of another shape, says so in `frames`.
    """
    alignment = align(expected, observed)
    count = len(alignment.frame_ids)
    rows: list[tuple[int, str, dict[str, str]]] = []
    for name in sorted(expected.channels.keys() | observed.channels.keys()):
        e, o = expected.channels.get(name), observed.channels.get(name)
        if e is None or o is None:
            rows.append((-1, name, _row(name, "", "yes", "only in the " + ("candidate" if e is None else "baseline"))))
            continue
        if e.values.shape[1:] != o.values.shape[1:]:
            rows.append(
                (-1, name, _row(name, e.unit, "yes", f"shape {e.values.shape[1:]} became {o.values.shape[1:]}"))
            )
            continue
        e_values, o_values = alignment.of_expected(e.values), alignment.of_observed(o.values)
        differs = diff_values(e_values, o_values, Tolerance()).differs
        if not differs.any():
            rows.append((count, name, _row(name, e.unit, "no", "0")))
            continue
        first = int(np.argmax(differs))
        row = _row(name, e.unit, "yes", f"{int(differs.sum())} of {count}")
        row["first"], row["at"] = str(int(alignment.frame_ids[first])), f"{alignment.seconds(first):.2f} s"
        if np.issubdtype(e_values.dtype, np.floating):
            with np.errstate(invalid="ignore"):
                sizes = np.abs(o_values.astype(np.float64) - e_values.astype(np.float64))
            finite = sizes[np.isfinite(sizes)]
            if finite.size:
                row["largest"], row["mean"] = f"{finite.max():.3g}", f"{finite.mean():.3g}"
        rows.append((first, name, row))
    return [row for _, _, row in sorted(rows, key=lambda entry: entry[:2])]


def _row(channel: str, unit: str, differs: str, frames: str) -> dict[str, str]:
    return {
        "channel": channel,
        "unit": unit,
        "differs": differs,
        "frames": frames,
        "first": "",
        "at": "",
        "largest": "",
        "mean": "",
    }
