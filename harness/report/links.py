"""Addresses within a run's page. They are a promise: a link in a pull request of last year still opens its frame.

| what | address below the page's folder |
|---|---|
| the overview | `index.html` |
| the overview, filtered | `index.html#verdict=FAIL&q=5beb9b58` |
| a segment | `segments/<dongle>_<log_id>--<n>.html` |
| a frame of it | `segments/<dongle>_<log_id>--<n>.html#frame=412` |
| a frame of one of its trials | `segments/<dongle>_<log_id>--<n>.html#frame=412&trial=driving_model+%C2%B7+mici` |

`frame` is the camera's frame id, as everywhere: never a place in a list.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, urlencode

OVERVIEW = "index.html"
SEGMENTS = "segments"

_SEGMENT = re.compile(r"(?P<dongle>[A-Za-z0-9]+)/(?P<log_id>[A-Za-z0-9-]+)/(?P<number>[0-9]+)")
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")
_LONGEST_SLUG = 80


def segment_slug(segment: str) -> str:
    """The name of a segment's page without suffix: `5beb9b58bd12b691_0000010a--a51155e496--3`, safe in any address.

    A name that is not `dongle/log_id/n` keeps what is harmless of it, and a digest so that no two are alike.
    """
    if (match := _SEGMENT.fullmatch(segment)) and len(segment) <= _LONGEST_SLUG:
        return f"{match['dongle']}_{match['log_id']}--{match['number']}"
    harmless = _UNSAFE.sub("_", segment).strip("_")[:_LONGEST_SLUG]
    return f"{harmless}_{hashlib.sha256(segment.encode()).hexdigest()[:8]}"


def trial_key(replayer: str, device_kind: str) -> str:
    """What a trial is called on its segment's page."""
    return f"{replayer} · {device_kind}"


def overview_link(base: str = "", *, verdict: str = "", search: str = "") -> str:
    """The overview below `base` (`https://ci.example/run-12/page`, "" for a relative link), filtered if asked for."""
    state = {name: value for name, value in (("verdict", verdict), ("q", search)) if value}
    return _below(base, OVERVIEW, state)


def segment_link(base: str, segment: str, frame: int | None = None, *, trial: str = "") -> str:
    """The page of `segment` below `base`, with the cursor at the camera frame `frame` of `trial` where given."""
    state = {name: value for name, value in (("frame", "" if frame is None else str(frame)), ("trial", trial)) if value}
    return _below(base, f"{SEGMENTS}/{quote(segment_slug(segment))}.html", state)


def _below(base: str, path: str, state: dict[str, str]) -> str:
    place = f"{base.rstrip('/')}/{path}" if base else path
    return f"{place}#{urlencode(state)}" if state else place
