from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.trace import Channel, Exactness, Trace

MakeTrace = Callable[..., Trace]


def make(
    channels: dict[str, Any],
    *,
    first_frame: int = 0,
    frame_ids: Any = None,
    exact: tuple[str, ...] = (),
    informative: tuple[str, ...] = (),
    units: dict[str, str] | None = None,
    segment: str = "dongle/log/0",
    replayer: str = "driving_model",
    provenance: dict[str, Any] | None = None,
) -> Trace:
    """A trace at 20 Hz from arrays; `frame_ids` default to consecutive ones from `first_frame`."""
    arrays = {name: np.asarray(values) for name, values in channels.items()}
    count = len(next(iter(arrays.values())))
    ids = np.arange(first_frame, first_frame + count) if frame_ids is None else np.asarray(frame_ids)
    kinds = dict.fromkeys(exact, Exactness.EXACT) | dict.fromkeys(informative, Exactness.INFORMATIVE)
    return Trace(
        replayer,
        segment,
        ids.astype(np.int64),
        (10**12 + ids * 50_000_000).astype(np.int64),
        {
            name: Channel(name, (units or {}).get(name, ""), values, kinds.get(name, Exactness.NUMERIC))
            for name, values in arrays.items()
        },
        provenance or {},
    )


@pytest.fixture
def make_trace() -> MakeTrace:
    return make
