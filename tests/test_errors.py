from __future__ import annotations

import errno
import itertools
import json
from dataclasses import asdict

import pytest

from harness import errors
from harness.errors import (
    ClosetError,
    ConfigError,
    ConfigMistakesError,
    DataError,
    ErrorDescription,
    ExitCode,
    from_description,
    refused_here,
)

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ClosetError) and kind is not ConfigMistakesError
]


def test_exit_codes_are_the_published_ones():
    assert {code.name: int(code) for code in ExitCode} == {
        "GATE_OPEN": 0,
        "REGRESSION": 1,
        "USAGE": 2,
        "NO_VERDICT": 3,
        "HARNESS_BUG": 4,
        "NOTHING_TO_RUN": 5,
    }


def test_worst_of_several_for_every_set_of_codes():
    priority = [4, 2, 1, 3, 5, 0]
    for size in range(7):
        for codes in itertools.permutations(ExitCode, size):
            expected = min(codes, key=priority.index) if codes else 0
            assert ExitCode.worst(list(codes)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_being_described(kind):
    error = kind("disk full", where="tizi-04:/data", remedy="free space")
    described = json.loads(json.dumps(asdict(error.describe())))
    back = from_description(ErrorDescription(**described))
    assert type(back) is kind
    assert (back.problem, back.where, back.remedy) == ("disk full", "tizi-04:/data", "free space")
    assert (back.exit_code, back.retry_elsewhere) == (kind.exit_code, kind.retry_elsewhere)


def test_many_mistakes_come_back_as_one_error_of_the_same_fault():
    mistakes = ConfigMistakesError((ConfigError("one", where="a:1"), ConfigError("two", where="a:2")))
    back = from_description(mistakes.describe())
    assert (type(back), str(back)) == (ConfigError, "a:1: one\na:2: two")
    assert mistakes.exit_code is back.exit_code is ExitCode.USAGE


def test_an_unknown_kind_is_our_bug():
    back = from_description(ErrorDescription("SomethingElse", "what"))
    assert type(back) is ClosetError
    assert back.exit_code is ExitCode.HARNESS_BUG


@pytest.mark.parametrize(
    ("kind", "exit_code", "retry"),
    [
        ("ClosetError", 4, False),
        ("ConfigError", 2, False),
        ("DataError", 3, False),
        ("DeviceError", 3, True),
        ("UnreachableError", 3, True),
        ("HostKeyError", 3, True),
        ("StagingFailedError", 3, True),
        ("LeaseLostError", 3, True),
        ("DeviceTimeoutError", 3, True),
        ("DeviceUnhealthyError", 3, True),
        ("ProductCrashError", 1, True),
        ("NothingToRunError", 5, False),
    ],
)
def test_whose_fault_it_is(kind, exit_code, retry):
    error = getattr(errors, kind)
    assert (int(error.exit_code), error.retry_elsewhere) == (exit_code, retry)


def test_text_says_where_what_and_what_to_do():
    assert str(ClosetError("disk full", where="/data", remedy="free space")) == "/data: disk full (free space)"
    assert str(ClosetError("disk full")) == "disk full"


def test_a_refusal_of_this_machine_is_told_and_any_other_error_of_the_system_is_ours():
    told = refused_here(OSError(errno.ENOSPC, "No space left on device", "store/x"))
    assert (type(told), told.problem, told.where) == (
        DataError,
        "this machine refused: No space left on device",
        "store/x",
    )
    assert "resume" in told.remedy
    assert refused_here(OSError(errno.EROFS, "Read-only")).where == "", "where is a text, even if nobody knows"
    assert refused_here(OSError(errno.EINVAL, "nonsense")) is None
    assert refused_here(OSError("no number")) is None
