"""Arrays as short text that a page unpacks without a library: base64 of whole numbers, or of single precision.

Metres are told in steps of a centimetre, what is farther than a whole number of 16 bits reaches is cut to its end; what
is not known is the least of them. A page of a minute with two sides stays near a megabyte so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

import numpy as np

from harness.domain import Json
from harness.report.page.values import Floats, Int64s

_UNKNOWN, _MOST = -32768, 32767


def pack_steps(values: Floats, step: float) -> Json:
    """{"q": base64 of int16, "step", "shape"}: each value to the nearest multiple of `step`; NaN stays unknown."""
    whole = np.rint(np.asarray(values, np.float64) / step)
    known = np.isfinite(whole)
    steps = np.where(known, np.clip(np.nan_to_num(whole), -_MOST, _MOST), _UNKNOWN).astype("<i2")
    return {"q": _base64(steps.tobytes()), "step": step, "shape": [*steps.shape]}


def pack_floats(values: Floats) -> Json:
    """{"f": base64 of float32, "shape"}; one number where all are the same, which is what a tolerance mostly is."""
    single = np.ascontiguousarray(values, "<f4")
    if single.size and np.all(single == single.flat[0]):
        return {"all": float(single.flat[0]), "shape": [*single.shape]}
    return {"f": _base64(single.tobytes()), "shape": [*single.shape]}


def pack_whole(values: Int64s) -> Json:
    """Rising or falling whole numbers as {"first", "runs": [[step, count], …]}: frame ids are mostly one long run."""
    if not len(values):
        return {"first": 0, "count": 0, "runs": []}
    steps = np.diff(values)
    breaks = np.flatnonzero(np.diff(steps)) + 1
    runs: list[Json] = [[int(run[0]), len(run)] for run in np.split(steps, breaks) if len(run)]
    return {"first": int(values[0]), "count": len(values), "runs": runs}


def script_of(name: str, content: Mapping[str, Json] | Sequence[Json]) -> str:
    """A script that hands `content` to the page: a page that was opened from a disk may read no other file.

    What could end a script or a comment is escaped, whatever stands in the content; NaN becomes null.
    """
    text = json.dumps(_finite(content), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f"closet.take({json.dumps(name)},{safe});\n"


def _finite(value: object) -> object:
    """The same with None for numbers that JSON has no word for."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
