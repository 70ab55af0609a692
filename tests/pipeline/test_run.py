"""A run from its first record to its last: over stored traces, and over real SSH with a replayer made for the test."""

from __future__ import annotations

import errno
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from junitparser import JUnitXml

from fixtures.make import Demo
from harness.closet.emulator import emulate
from harness.config import Fleet
from harness.domain import Device, ReplayJob
from harness.errors import DataError, ExitCode
from harness.pipeline import execute_run, prepare
from harness.pipeline.events import Judged, Observer, Planned, RunEvent
from harness.pipeline.golden import JOB
from harness.pipeline.prepare import Prepared
from harness.pipeline.request import ModelChoice, Request, load_request
from harness.pipeline.runs import JUNIT, REQUEST, SUMMARY, load_run
from harness.store import Approval, Store
from harness.trace import Channel, Trace, write_trace
from harness.verdict import NOT_RUN, FindingKind, RunRecord, Verdict, gate

SUITE = """\
suite: tiny
routes: [{routes}]
replayers:
  driving_model:
    checks:
      action: {{channels: [action.*]}}
      plan: {{channels: [position.*], tolerance: {{absolute: 0.5}}}}
devices: {{kinds: [emulated, mici]}}
"""
SHELF = """\
devices:
  emulated: 1
  m: {kind: mici, address: 127.0.0.1, port: 1, key: key, host_key: "ssh-ed25519 AAAA"}
"""


def _unseen(_event: RunEvent) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Two trials, one on each kind of device, held against approved traces; nothing has been replayed yet."""

    folder: Path
    store: Store
    request: Request
    prepared: Prepared

    def store_trace(self, job: ReplayJob, curvature: float) -> str:
        path = self.folder / "made.trace"
        write_trace(path, made_trace(job, curvature))
        sha256 = self.store.put_file(path).sha256
        self.store.remember_trace(job.id, sha256, {})
        return sha256

    def approve(self, curvature: float) -> Stage:
        """Approve one trace for every trial, and prepare anew."""
        for trial in self.prepared.plan.trials:
            path = self.folder / "approved.trace"
            write_trace(path, made_trace(trial.candidate, curvature))
            sha256 = self.store.put_file(path).sha256
            where = (str(trial.segment), trial.replayer, trial.device_kind.value)
            self.store.approve([Approval("2026-11-21", "me", "why", "run", *where, sha256)])
        return replace(self, prepared=prepare(self.request, self.store))

    def run(
        self,
        observer: Observer = _unseen,
        *,
        stopped: bool = False,
        workers: bool = False,
        before: RunRecord | None = None,
    ) -> RunRecord:
        stop = threading.Event()
        if stopped:
            stop.set()
        prepared = self.prepared if workers else replace(self.prepared, fleet=Fleet(self.prepared.fleet.devices, 0))
        folder = self.folder / "run"
        return execute_run(
            self.request, prepared, self.store, folder=folder, observer=observer, stop=stop, before=before
        )


def made_trace(job: ReplayJob, curvature: float) -> Trace:
    frames = np.arange(3, dtype=np.int64)
    channels = {
        "action.desiredCurvature": Channel("action.desiredCurvature", "1/m", np.array([0, 0, curvature], np.float32)),
        "position.x": Channel("position.x", "m", np.array([0, 1, 2], np.float32)),
    }
    return Trace(job.replayer, str(job.segment), frames, frames * 50_000_000, channels, {"runtime": "r"})


@pytest.fixture
def stage(tmp_path: Path, tiny_demo: Demo) -> Stage:
    (tmp_path / "suite.yaml").write_text(SUITE.format(routes=tiny_demo.routes_folder))
    (tmp_path / "devices.yaml").write_text(SHELF)
    (tmp_path / "key").touch()
    request = Request(
        tmp_path / "suite.yaml",
        tmp_path / "devices.yaml",
        (ModelChoice("", tiny_demo.models["release"]),),
        command=("closet", "run"),
    )
    store = Store(tmp_path / "home")
    return Stage(tmp_path, store, request, prepare(request, store))


def test_stored_traces_are_judged_and_everything_is_written(stage: Stage) -> None:
    stage = stage.approve(0.0)
    emulated, mici = stage.prepared.plan.trials
    new = stage.store_trace(emulated.candidate, 0.0)
    stage.store_trace(mici.candidate, 0.5)
    seen: list[RunEvent] = []
    record = stage.run(seen.append)
    assert [result.verdict for result in record.results] == [Verdict.PASS, Verdict.FAIL]
    assert gate(record).exit_code is ExitCode.REGRESSION
    folder = stage.folder / "run"
    assert load_run(folder) == record
    assert load_request(folder / REQUEST) == stage.request
    assert JUnitXml.fromfile(str(folder / JUNIT)).failures == 1
    assert "gate CLOSED" in (folder / SUMMARY).read_text()
    assert isinstance(seen[0], Planned)
    assert (seen[0].run_folder, seen[0].tasks, seen[0].device_count) == (folder, (), 1)
    assert [event.result for event in seen[1:] if isinstance(event, Judged)] == list(record.results)
    passed = record.results[0]
    assert passed.reused
    assert (passed.candidate_trace, passed.baseline_trace) == (new, emulated.baseline_trace)
    assert passed.provenance["candidate_model"] == emulated.candidate.model_digest
    assert passed.provenance["runtime"] == emulated.candidate.runtime
    assert passed.provenance["candidate_job"] == emulated.candidate.id
    assert passed.provenance["recording rlog.zst"] == emulated.candidate.recording[0].blob.sha256
    assert (record.run, record.suite, record.command) == ("run", "tiny", ("closet", "run"))
    assert record.planned_checks == {trial.name: ("replay", "action", "plan") for trial in (emulated, mici)}
    assert record.devices == ({"name": "m", "kind": "mici", "address": "127.0.0.1:1"},)
    assert not record.interrupted
    assert record.harness_error == ""


def test_a_run_that_replays_everything_goes_on_with_what_it_judged_itself_only(stage: Stage) -> None:
    """What an earlier run left in the store would answer for the devices that were to be asked anew."""
    stage = stage.approve(0.0)
    emulated, mici = stage.prepared.plan.trials
    for trial in (emulated, mici):
        stage.store_trace(trial.candidate, 0.0)
    earlier = stage.run()
    passed, other = earlier.results
    before = replace(earlier, results=(passed, replace(other, verdict=Verdict.ERROR, checks=(), error=NOT_RUN)))
    stage = replace(stage, request=replace(stage.request, fresh=True))
    for known, left in ((None, {emulated.name, mici.name}), (before, {mici.name})):
        record = stage.run(stopped=True, before=known)
        assert {result.name for result in record.results if result.error == NOT_RUN} == left


def test_the_record_is_whole_before_anything_is_done(stage: Stage) -> None:
    first: list[RunRecord] = []

    def look(event: RunEvent) -> None:
        if isinstance(event, Planned):
            first.append(load_run(event.run_folder))

    stage.run(look, stopped=True)
    assert [(result.verdict, result.error and result.error.kind) for result in first[0].results] == [
        (Verdict.ERROR, "NotRun")
    ] * 2
    assert set(first[0].planned_checks) == {trial.name for trial in stage.prepared.plan.trials}


def test_a_run_that_is_stopped_keeps_what_it_has(stage: Stage) -> None:
    stage = stage.approve(0.0)
    stage.store_trace(stage.prepared.plan.trials[0].candidate, 0.0)
    record = stage.run(stopped=True, workers=True)
    assert [result.verdict for result in record.results] == [Verdict.PASS, Verdict.ERROR]
    assert record.results[1].error is not None
    assert record.results[1].error.kind == "NotRun"
    assert record.interrupted
    assert gate(record).exit_code is ExitCode.NO_VERDICT
    assert load_run(stage.folder / "run") == record
    assert {device["name"] for device in record.devices} == {"m", "emulated-01"}


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (DataError("a baseline is gone", where="store"), ExitCode.NO_VERDICT, "DataError"),
        (OSError(errno.ENOSPC, "No space left on device"), ExitCode.NO_VERDICT, "DataError"),
        (OSError(errno.EINVAL, "nonsense"), ExitCode.HARNESS_BUG, "NotRun"),
        (KeyError("a bug"), ExitCode.HARNESS_BUG, "NotRun"),
    ],
)
def test_an_error_in_the_middle_is_in_the_record_and_takes_no_verdict_back(
    stage: Stage, error: Exception, code: ExitCode, kind: str
) -> None:
    stage = stage.approve(0.0)
    for trial in stage.prepared.plan.trials:
        stage.store_trace(trial.candidate, 0.0)

    def fail(event: RunEvent) -> None:
        if isinstance(event, Judged):
            raise error

    record = stage.run(fail)
    assert [result.verdict for result in record.results] == [Verdict.PASS, Verdict.ERROR]
    assert record.results[1].error is not None
    assert record.results[1].error.kind == kind
    assert gate(record).exit_code is code
    assert bool(record.harness_error) is (code is ExitCode.HARNESS_BUG)
    assert load_run(stage.folder / "run") == record
    assert JUnitXml.fromfile(str(stage.folder / "run" / JUNIT)).errors >= 1


# Stands where a device has its Python: what it is told to replay it makes up, and some models kill it.
PLAYER = """\
#!{python}
import hashlib, json, os, pathlib, signal, sys
if "harness.replay" not in sys.argv:
    os.execv({python!r}, [__file__, *sys.argv[1:]])  # the agent, to whom this file is its Python
job = json.loads(pathlib.Path("job.json").read_text())
if [entry["job"] for entry in job["replays"]] == [{canary!r}]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])  # it does what it is asked as well as any
assert all(pathlib.Path(path).is_file() for path in job["recording"].values())
replays = {{}}
for entry in job["replays"]:
    assert all(pathlib.Path(path).is_file() for path in entry["model"].values())
    if any(path.endswith({deadly!r}) for path in entry["model"].values()):
        os.kill(os.getpid(), signal.SIGSEGV)
    content = pathlib.Path({trace!r}).read_bytes()
    path = pathlib.Path(job["output_folder"]) / (entry["job"] + ".trace")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    replays[entry["job"]] = {{"trace_sha256": digest, "error": None, "measurements": {{"frames": 3}}}}
pathlib.Path(job["output_folder"], "result.json").write_text(json.dumps({{"format": 1, "replays": replays}}))
"""


def with_player(device: Device, folder: Path, trace: Path, deadly: str = "no model") -> Device:
    """The device with a replayer that answers `trace` to everything and dies of the model with the digest `deadly`."""
    player = folder / "bin" / "python"
    player.parent.mkdir(parents=True)
    player.write_text(PLAYER.format(python=sys.executable, canary=JOB, deadly=deadly, trace=str(trace)))
    player.chmod(0o755)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
    return replace(device, python=str(player))


@pytest.fixture
def both_sides(stage: Stage, tiny_demo: Demo) -> Stage:
    """Release against reexport, both to be replayed on an emulated device; what they make lies in `made`."""
    suite = SUITE.format(routes=tiny_demo.routes_folder).replace("[emulated, mici]", "[emulated]")
    stage.request.suite.write_text(suite)
    request = replace(
        stage.request,
        candidate=(ModelChoice("", tiny_demo.models["reexport"]),),
        baseline=(ModelChoice("", tiny_demo.models["release"]),),
    )
    prepared = prepare(request, stage.store)
    write_trace(stage.folder / "made", made_trace(prepared.plan.trials[0].candidate, 0.0))
    return replace(stage, request=request, prepared=prepared)


@pytest.fixture
def played(both_sides: Stage) -> dict[str, RunRecord]:
    """The record of a run in which one side's model crashes, or neither, by which."""
    stage = both_sides
    (trial,) = stage.prepared.plan.trials
    assert trial.baseline_job is not None
    models = {
        "candidate": trial.candidate.model[0].blob.sha256,
        "baseline": trial.baseline_job.model[0].blob.sha256,
        "neither": "no model",
    }
    records = {}
    with emulate(1, stage.folder / "shelf") as (device,):
        for side, deadly in models.items():
            player = with_player(device, stage.folder / side, stage.folder / "made", deadly)
            records[side] = execute_run(
                stage.request,
                replace(stage.prepared, fleet=Fleet((player,), 0)),
                Store(stage.folder / f"home-{side}"),
                folder=stage.folder / f"run-{side}",
                observer=_unseen,
                stop=threading.Event(),
            )
            assert load_run(stage.folder / f"run-{side}") == records[side]
    return records


def test_the_side_that_crashed_is_found_out_by_replaying_each_alone(played: dict[str, RunRecord]) -> None:
    (candidate,), (baseline,), (neither,) = (played[side].results for side in ("candidate", "baseline", "neither"))
    assert candidate.verdict is Verdict.FAIL
    assert [finding.kind for finding in candidate.blocking] == [FindingKind.CRASH]
    assert {attempt.side for attempt in candidate.attempts} == {"candidate", "baseline"}
    assert baseline.verdict is Verdict.ERROR
    assert baseline.error is not None
    assert baseline.error.problem.startswith("the baseline was not replayed")
    assert baseline.candidate_trace, "its trace is kept: it can be approved"
    assert neither.verdict is Verdict.PASS
    assert not neither.reused
    assert neither.provenance["baseline_job"]
    (attempt, _other) = neither.attempts
    assert attempt.measurements["frames"] == 3.0
    codes = {side: gate(record).exit_code for side, record in played.items()}
    assert codes == {
        "candidate": ExitCode.REGRESSION,
        "baseline": ExitCode.NO_VERDICT,
        "neither": ExitCode.GATE_OPEN,
    }


def test_verdicts_are_on_disk_while_the_run_goes_on(
    both_sides: Stage, tiny_demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = both_sides
    (segment,) = tiny_demo.routes_folder.iterdir()
    for number in (0, 1, 2):
        (stage.folder / "routes" / f"{segment.name[:-1]}{number}").mkdir(parents=True)
        for path in segment.iterdir():
            (stage.folder / "routes" / f"{segment.name[:-1]}{number}" / path.name).symlink_to(path)
    stage.request.suite.write_text(
        stage.request.suite.read_text().replace(str(tiny_demo.routes_folder), str(stage.folder / "routes"))
    )
    # The trace on hand is one of segment 0 for all: what is judged here is when, not what.
    monkeypatch.setattr("harness.pipeline._WRITE_EVERY_S", 0.0)
    on_disk: list[int] = []

    def look(event: RunEvent) -> None:
        if isinstance(event, Judged):
            results = load_run(stage.folder / "run").results
            on_disk.append(sum(result.error is None or result.error.kind != "NotRun" for result in results))

    with emulate(1, stage.folder / "shelf") as (device,):
        player = with_player(device, stage.folder / "player", stage.folder / "made")
        prepared = replace(prepare(stage.request, stage.store), fleet=Fleet((player,), 0))
        stage = replace(stage, prepared=prepared)
        record = stage.run(look)
    assert on_disk == [0, 1, 2], "a verdict is written before the next one"
    assert len(record.results) == 3
    assert 0 < record.duration_s < 3600
