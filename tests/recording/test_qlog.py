"""The qlog is what loggerd would have kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.recording.log import Log, load_log, parse_log
from harness.recording.log_writer import encode_event
from harness.recording.qlog import QlogRun, write_qlogs
from harness.recording.services import SERVICES

RATED = sorted(name for name, service in SERVICES.items() if service.qlog_decimation)


def log_of(services: list[str]) -> Log:
    blank = {"can": [], "sendcan": [], "pandaStates": [], "onroadEvents": [], "errorLogMessage": "", "touch": None}
    return parse_log(b"".join(encode_event(name, t, blank.get(name, {})) for t, name in enumerate(services)), where="x")


@pytest.mark.parametrize("name", ["carState", "gyroscope", "deviceState", "radarState", "can"])
@pytest.mark.parametrize("count", [1, 9, 10, 11, 105, 2100])
def test_the_expected_number_is_kept(name: str, count: int) -> None:
    decimation = SERVICES[name].qlog_decimation
    assert decimation is not None
    assert len(QlogRun().take(log_of([name] * count))) == (count - 1) // decimation + 1


def test_messages_are_counted_on_across_segments() -> None:
    run = QlogRun()
    first, second = run.take(log_of(["carState"] * 15)), run.take(log_of(["carState"] * 15))
    assert (first.tolist(), second.tolist()) == ([0, 10], [5])


def test_ends_of_segments_and_encode_indices_are_always_kept() -> None:
    services = ["initData", "sentinel", *["narrowRoadEncodeIdx", "qNarrowRoadEncodeIdx"] * 3, "sentinel"]
    assert QlogRun().take(log_of(services)).tolist() == [0, 1, 2, 4, 6, 8]


def test_what_has_no_decimation_is_left_out() -> None:
    assert QlogRun().take(log_of(["modelV2", "clocks", "rawAudioData", "clocks"])).tolist() == [1, 3]


@given(
    st.lists(st.sampled_from(["carState", "radarState", "modelV2", "deviceState", "sentinel"]), min_size=1, max_size=60)
)
def test_the_rule_message_by_message(services: list[str]) -> None:
    seen: dict[str, int] = {}
    kept = []
    for row, name in enumerate(services):
        decimation = 1 if name == "sentinel" else SERVICES[name].qlog_decimation
        if decimation and seen.get(name, 0) % decimation == 0:
            kept.append(row)
        seen[name] = seen.get(name, 0) + 1
    assert QlogRun().take(log_of(services)).tolist() == kept


def test_written_qlogs_hold_the_same_bytes_in_the_same_order(tmp_path: Path) -> None:
    rlogs = [log_of(["initData", "sentinel", *["carState", "radarState"] * 20, "sentinel"]) for _ in range(2)]
    write_qlogs((rlog, tmp_path / str(n) / "qlog.zst") for n, rlog in enumerate(rlogs))
    run = QlogRun()
    for n, rlog in enumerate(rlogs):
        qlog = load_log(tmp_path / str(n) / "qlog.zst")
        rows = run.take(rlog).tolist()
        assert [qlog.event_bytes(row) for row in range(len(qlog.index))] == [rlog.event_bytes(row) for row in rows]
        assert qlog.counts() == {"carState": 2, "initData": 1, "radarState": 4, "sentinel": 2}
        assert np.all(np.diff(qlog.index.t_ns) > 0)


def test_every_rated_service_can_be_counted() -> None:
    assert (len(SERVICES), len(RATED)) == (69, 47)
    assert {"initData", "sentinel", "modelV2", "qNarrowRoadEncodeIdx"}.isdisjoint(RATED)
