from __future__ import annotations

import math

import pytest

from harness.closet.answers import seconds
from harness.closet.ending import Ending, judge_ending
from harness.domain import Blob
from harness.errors import DeviceError, from_description


def ended(exit_code: int, stderr: str = "", files: tuple[str, ...] = ()) -> Ending:
    blobs = {name: Blob("0" * 64, 1) for name in files}
    return Ending(exit_code, False, False, 0, (), stderr, 1.0, blobs, None)


def test_a_result_that_could_not_be_written_is_the_devices_fault_and_is_tried_elsewhere() -> None:
    said = "out: the traces cannot be written: No space left on device (make room there)\n"
    error = judge_ending(ended(3, said), "mici-01", 60.0)
    assert error is not None
    assert error.kind == "DeviceUnhealthyError"
    assert "No space left on device" in error.problem
    assert from_description(error).retry_elsewhere


def test_a_result_that_was_written_speaks_for_itself() -> None:
    assert judge_ending(ended(3, "the recording has no rlog", ("result.json",)), "mici-01", 60.0) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, "ClosetError"),
        (2, "ClosetError"),
        (4, "ClosetError"),
        (7, "ProductCrashError"),
        (255, "ProductCrashError"),
        (126, "DeviceUnhealthyError"),
        (127, "DeviceUnhealthyError"),
    ],
)
def test_an_exit_code_that_is_none_of_ours_is_no_bug_of_ours(code: int, kind: str) -> None:
    error = judge_ending(ended(code, "a library said its last word\n"), "mici-01", 60.0)
    assert error is not None
    assert error.kind == kind
    assert "a library said its last word" in error.problem


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 10**400, True, "1"])
def test_a_time_that_cannot_be_is_the_devices_error(value: object) -> None:
    with pytest.raises(DeviceError):
        seconds(value, "there")
