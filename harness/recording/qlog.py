"""The small log made from the big one, by loggerd's rule.

loggerd counts the messages of each service from the start of a run, across segments, and every so manieth goes to the
qlog as well (openpilot's services table has how manieth, or none). initData and sentinels always do, and so do the
encode indices of the cameras, which loggerd itself writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from harness.recording.log import Log
from harness.recording.log_frames import Int64s
from harness.recording.log_writer import write_log
from harness.recording.services import SERVICES, ordinal_of

_ALWAYS = (
    ordinal_of("initData"),
    ordinal_of("sentinel"),
    *(entry.ordinal for entry in SERVICES.values() if entry.name.endswith("EncodeIdx") and entry.qlog_decimation),
)
_DECIMATED = tuple(
    (service.ordinal, service.qlog_decimation)
    for service in SERVICES.values()
    if service.qlog_decimation is not None and service.ordinal not in _ALWAYS
)


class QlogRun:
    """The counters of one run of loggerd. Give it the logs of a route in order."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def take(self, log: Log) -> Int64s:
        """The rows (k,) of `log` that go to the qlog, in the order of the file; counts its messages as seen."""
        ordinals = log.index.ordinals
        kept = np.isin(ordinals, _ALWAYS)
        for ordinal, decimation in _DECIMATED:
            rows = np.flatnonzero(ordinals == ordinal)
            before = self._seen.get(ordinal, 0)
            kept[rows[(before + np.arange(len(rows))) % decimation == 0]] = True
            self._seen[ordinal] = before + len(rows)
        return np.flatnonzero(kept)


def write_qlogs(logs: Iterable[tuple[Log, Path]]) -> None:
    """Write the qlog of each segment of one run, given in order as (rlog, where the qlog goes)."""
    run = QlogRun()
    for log, path in logs:
        write_log(path, map(log.event_bytes, run.take(log).tolist()))
