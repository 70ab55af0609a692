"""Fixtures for a person's own checks: each test that asks for one of them runs for every trial of the suites named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.domain import Device, DeviceKind
from harness.errors import ClosetError
from harness.pytest_plugin.choosing import TrialOfSuite
from harness.pytest_plugin.session import SESSION, ClosetSession
from harness.recording.layout import Recording
from harness.trace import Trace
from harness.verdict import JobResult


@pytest.fixture
def closet_trial(request: pytest.FixtureRequest) -> TrialOfSuite:
    """The trial that the others are of."""
    trial: TrialOfSuite = request.param
    return trial


@pytest.fixture
def closet_result(closet_trial: TrialOfSuite, request: pytest.FixtureRequest) -> JobResult:
    """What came of the trial: its verdict, findings, attempts. Waits until it is judged."""
    session = _session(request)
    if session.results is None:
        raise ClosetError("no run was started for it", where=request.node.nodeid)
    return session.results.result(closet_trial.suite.path, closet_trial.trial.name)


@pytest.fixture
def trace(closet_result: JobResult, request: pytest.FixtureRequest) -> Iterator[Trace]:
    """The candidate's trace. Where it could not be replayed the test ends in an error that says why."""
    yield from _loaded(closet_result.candidate_trace, "the candidate", closet_result, request)


@pytest.fixture
def baseline_trace(closet_result: JobResult, request: pytest.FixtureRequest) -> Iterator[Trace]:
    """The trace it is held against: replayed beside it, or approved."""
    yield from _loaded(closet_result.baseline_trace, "the baseline", closet_result, request)


@pytest.fixture
def recording(closet_trial: TrialOfSuite) -> Recording:
    """The files of the segment that were replayed, by stem: rlog, fcamera and so on."""
    paths = closet_trial.suite.prepared.blob_paths
    files = closet_trial.trial.candidate.recording
    return Recording(
        closet_trial.trial.segment, {each.name.partition(".")[0]: paths[each.blob.sha256] for each in files}
    )


@pytest.fixture
def closet_device(closet_trial: TrialOfSuite, closet_result: JobResult, request: pytest.FixtureRequest) -> Device:
    """The device that made the candidate's trace, in this run or, where the trace was stored, then.

    Of an emulated worker that the run started itself only name and kind are known.
    """
    name = next(
        (entry.device for entry in reversed(closet_result.attempts) if entry.side == "candidate" and not entry.error),
        "",
    )
    if not name and (stored := _session(request).suites.store.find_trace(closet_trial.trial.candidate.id)) is not None:
        name = stored.facts.get("device", "")
    if not name:
        pytest.fail(f"no device made a trace: {_why(closet_result)}", pytrace=False)
    known = {device.name: device for device in closet_trial.suite.prepared.fleet.devices}
    kind = DeviceKind(closet_result.device_kind)
    return known.get(name) or Device(name, kind, "", 0, "", "", "", "", "")


def _session(request: pytest.FixtureRequest) -> ClosetSession:
    return request.config.stash[SESSION]


def _loaded(sha256: str, side: str, result: JobResult, request: pytest.FixtureRequest) -> Iterator[Trace]:
    """A stored trace, for as long as a test needs it: an assertion on one of its channels is told by its frames."""
    if not sha256:
        pytest.fail(f"{side} has no trace: {_why(result)}", pytrace=False)
    session = _session(request)
    trace = session.suites.store.load_trace(sha256)
    session.traces.append(trace)
    yield trace
    session.traces[:] = [other for other in session.traces if other is not trace]


def _why(result: JobResult) -> str:
    return f"{result.verdict.value}, {result.error.problem}" if result.error else result.verdict.value
