from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.closet.canary import passed_with
from harness.config import Fleet
from harness.domain import Device, DeviceKind, Health, ReplayJob, Route, RuntimeChoice, SegmentId
from harness.errors import ConfigError
from harness.pipeline.runtimes import UNKNOWN_RUNTIME, changed_runtime, check_choices, known_healths, planned_runtimes
from harness.pipeline.shelf import SHELF_FILE
from harness.replay.runtime import runtime_key
from harness.shelf import DeviceHealth, Shelf
from harness.trace import Trace, write_trace

OLD, NEW = "onnxruntime=1.22 numpy=2.1 av=15", "onnxruntime=1.23 numpy=2.1 av=15"


def device(name: str, kind: DeviceKind = DeviceKind.MICI) -> Device:
    return Device(name, kind, "127.0.0.1", 22, "comma", "key", "ssh-ed25519 AAAA", "work", "python")


FLEET = Fleet((device("m1"), device("m2"), device("t1", DeviceKind.TIZI)), 2)


def healthy(name: str, runtime: str, state: Health = Health.HEALTHY) -> DeviceHealth:
    return DeviceHealth(name, state, canary_at=1.0, runtime=passed_with(runtime, "c" * 64))


def planned(*healths: DeviceHealth) -> str:
    told = {health.device: health for health in healths}
    return planned_runtimes([DeviceKind.MICI], FLEET, told)[DeviceKind.MICI]


def test_a_kind_is_planned_with_what_its_healthy_devices_agree_on() -> None:
    assert planned() == UNKNOWN_RUNTIME
    assert planned(healthy("m1", OLD)) == OLD
    assert planned(healthy("m1", OLD), healthy("m2", OLD)) == OLD
    assert planned(healthy("m1", OLD), healthy("m2", NEW)) == UNKNOWN_RUNTIME
    assert planned(healthy("m1", OLD), healthy("m2", NEW, Health.QUARANTINED)) == OLD
    assert planned(healthy("m1", OLD), healthy("t1", NEW)) == OLD
    assert planned(healthy("m1", OLD), healthy("not ours", NEW)) == OLD
    assert planned(healthy("m1", OLD), DeviceHealth("m2", Health.HEALTHY)) == OLD


def test_emulated_devices_are_this_machine() -> None:
    assert planned_runtimes([DeviceKind.EMULATED], FLEET, {}) == {DeviceKind.EMULATED: runtime_key()}


def test_what_is_chosen_is_part_of_the_runtime() -> None:
    kinds, two = [DeviceKind.EMULATED, DeviceKind.MICI], RuntimeChoice(threads=2)
    known = {"m1": healthy("m1", f"{OLD} provider=cpu level=all")}
    qnn = RuntimeChoice("QNNExecutionProvider", 4)
    found = planned_runtimes(kinds, FLEET, known, {DeviceKind.EMULATED: two, DeviceKind.MICI: qnn})
    assert found[DeviceKind.EMULATED] == f"{runtime_key()} threads=2" == runtime_key(two)
    assert found[DeviceKind.MICI] == f"{OLD} provider=qnn level=all threads=4"
    unknown = planned_runtimes(kinds, FLEET, {}, {DeviceKind.MICI: qnn})
    assert unknown[DeviceKind.MICI] == f"{UNKNOWN_RUNTIME} provider=qnn threads=4"
    assert unknown[DeviceKind.EMULATED] == runtime_key(RuntimeChoice()) == runtime_key()


def test_a_provider_that_is_not_there_is_refused_with_those_that_are() -> None:
    check_choices({DeviceKind.EMULATED: RuntimeChoice(threads=3), DeviceKind.MICI: RuntimeChoice("QNN")}, "s.yaml:1")
    with pytest.raises(ConfigError, match=r"s.yaml:1: onnxruntime \S+ has no CUDAExecutionProvider here") as caught:
        check_choices({DeviceKind.EMULATED: RuntimeChoice("CUDAExecutionProvider")}, "s.yaml:1")
    assert "CPUExecutionProvider" in caught.value.remedy


def test_healths_are_looked_up_only_where_somebody_knows_any(tmp_path: Path) -> None:
    assert known_healths(tmp_path, FLEET, {}) == {}
    assert not (tmp_path / SHELF_FILE).exists(), "planning makes no shelf"
    with Shelf(tmp_path / SHELF_FILE) as shelf:
        shelf.set_health("m1", Health.QUARANTINED, reason="smells", by="somebody", by_person=True)
    assert known_healths(tmp_path, FLEET, {})["m1"].state is Health.QUARANTINED
    assert known_healths(tmp_path, Fleet((), 2), {}) == {}


JOB = ReplayJob(
    "driving_model", "1", SegmentId(Route("a" * 16, "00000001--" + "b" * 10), 0), (), (), "{}", DeviceKind.MICI, OLD
)


@pytest.mark.parametrize(
    ("planned_with", "made_by", "refused"),
    [
        (OLD, OLD, False),
        (OLD, NEW, True),
        (UNKNOWN_RUNTIME, NEW, False),
        (f"{UNKNOWN_RUNTIME} threads=2", NEW, False),
        (OLD, "python 3.12", False),  # a replayer that executes no model
    ],
)
def test_a_trace_of_another_runtime_is_refused(tmp_path: Path, planned_with: str, made_by: str, refused: bool) -> None:
    frames = np.arange(2, dtype=np.int64)
    write_trace(tmp_path / "t", Trace("driving_model", "s", frames, frames, {}, {"runtime": made_by}))
    error = changed_runtime(replace(JOB, runtime=planned_with), tmp_path / "t", "m1")
    assert (error is not None) is refused
    if error is not None:
        assert error.kind == "DeviceUnhealthyError"
        assert "runtime changed" in error.problem
        assert OLD in error.problem
        assert NEW in error.problem
        assert error.where == "m1"


def test_what_is_no_trace_is_left_to_who_judges_it(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"no trace")
    assert changed_runtime(JOB, tmp_path / "t", "m1") is None
