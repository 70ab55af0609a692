"""What FAILs is repeated on real workers: whose fault it is, what is kept, what is not asked twice."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fixtures.make import Demo
from harness.closet.canary import passed_with
from harness.closet.code_bundle import code_bundle
from harness.closet.emulator import emulate
from harness.closet.work import ShelfSilent
from harness.config import Fleet
from harness.domain import Device, Health, ReplayJob
from harness.errors import ExitCode
from harness.pipeline import execute_run, prepare
from harness.pipeline.events import Judged, Observer, Repeating, RunEvent
from harness.pipeline.golden import JOB
from harness.pipeline.prepare import Prepared
from harness.pipeline.request import ModelChoice, Request
from harness.pipeline.runs import SUMMARY, load_run
from harness.replay.runtime import runtime_key
from harness.shelf import Shelf
from harness.store import Approval, Store
from harness.trace import write_trace
from harness.verdict import Blame, JobResult, RunRecord, Verdict, gate
from tests.closet.conftest import assert_clean
from tests.pipeline.lab import faulty
from tests.pipeline.test_run import SUITE, made_trace
from tests.postgres import create_database, standing_still

# Stands where a device has its Python. What it is told to replay it makes up: of each job the first that lies in its
# folder, then the second, and so on; the last one from then on. `kill` stands for a crash, `fail` for a bug, and an
# object for the error that the worker says it has.
PLAYER = """\
#!{python}
import hashlib, json, os, pathlib, signal, sys
if "harness.replay" not in sys.argv:
    os.execv({python!r}, [__file__, *sys.argv[1:]])  # the agent, to whom this file is its Python
job = json.loads(pathlib.Path("job.json").read_text())
if [entry["job"] for entry in job["replays"]] == [{canary!r}]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
replays = {{}}
for entry in job["replays"]:
    folder = pathlib.Path({plays!r}, entry["job"][:16])
    play = sorted(folder.iterdir())[0]
    content = play.read_bytes()
    if len(list(folder.iterdir())) > 1:
        play.unlink()
    sys.stderr.write("playing " + play.name + "\\n")
    if content == b"kill":
        os.kill(os.getpid(), signal.SIGSEGV)
    if content.startswith(b"{{"):
        replays[entry["job"]] = {{"trace_sha256": None, "error": json.loads(content), "measurements": {{}}}}
        continue
    path = pathlib.Path(job["output_folder"]) / (entry["job"] + ".trace")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    replays[entry["job"]] = {{"trace_sha256": hashlib.sha256(content).hexdigest(), "error": None, "measurements": {{}}}}
pathlib.Path(job["output_folder"], "result.json").write_text(json.dumps({{"format": 1, "replays": replays}}))
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, ...]]:
    with emulate(2, tmp_path_factory.mktemp("shelf")) as devices:
        yield tuple(replace(device, name=name) for device, name in zip(devices, ("one", "two"), strict=True))
        for device in devices:
            assert_clean(device)


@dataclass
class Rehearsal:
    """A plan of both sides, and devices that answer as they are told."""

    folder: Path
    request: Request
    prepared: Prepared
    store: Store
    devices: tuple[Device, ...]
    events: list[RunEvent] = field(default_factory=list)
    runs: int = 0

    def player(self, device: Device, *curvatures: float | str | None, plays: Path | None = None) -> Device:
        """The device, answering these curvatures for the candidate one after the other, None is a crash, text an error.

        Devices that are given the same `plays` answer in turn.
        """
        folder = self.folder / f"player-{device.name}"
        plays = plays or folder / "plays"
        for trial in self.prepared.plan.trials if not plays.exists() else ():
            assert trial.baseline_job is not None
            self._rehearse(plays / trial.candidate.id[:16], trial.candidate, curvatures)
            self._rehearse(plays / trial.baseline_job.id[:16], trial.baseline_job, (0.0,))
        python = folder / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(PLAYER.format(python=sys.executable, canary=JOB, plays=str(plays)))
        python.chmod(0o755)
        (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
        return replace(device, python=str(python))

    def _rehearse(self, folder: Path, job: ReplayJob, curvatures: Sequence[float | str | None]) -> None:
        folder.mkdir(parents=True)
        for number, curvature in enumerate(curvatures):
            path = folder / str(number)
            if curvature is None:
                path.write_bytes(b"kill")
            elif isinstance(curvature, str):
                path.write_text(curvature)
            else:
                write_trace(path, made_trace(job, curvature))

    def run(
        self,
        *devices: Device,
        request: Request | None = None,
        most: int = 20,
        address: str = "",
        also: Observer = lambda _: None,
    ) -> RunRecord:
        """A run on these devices, which all passed their canary just now; on the shelf at `address`, if it has one."""
        self.runs += 1

        def observe(event: RunEvent) -> None:
            self.events.append(event)
            also(event)

        with Shelf(address or self.store.home / "shelf.db") as shelf:
            for device in devices:
                shelf.register(device)
                shelf.canary_passed(device.name, passed_with(runtime_key(), code_bundle()[0].sha256))
        suite = replace(self.prepared.suite, confirm_most=most)
        folder = self.folder / f"run-{self.runs}"
        record = execute_run(
            request or self.request,
            replace(self.prepared, suite=suite, fleet=Fleet(devices, 0, shelf=address)),
            self.store,
            folder=folder,
            observer=observe,
            stop=threading.Event(),
        )
        assert load_run(folder) == record
        return record

    def only(self, record: RunRecord) -> JobResult:
        (result,) = record.results
        return result

    def state(self, device: Device) -> Health:
        with Shelf(self.store.home / "shelf.db") as shelf:
            return shelf.health(device.name).state


@pytest.fixture
def rehearsal(tmp_path: Path, tiny_demo: Demo, workers: tuple[Device, ...]) -> Rehearsal:
    (tmp_path / "suite.yaml").write_text(
        SUITE.format(routes=tiny_demo.routes_folder).replace("[emulated, mici]", "[emulated]")
    )
    request = Request(
        tmp_path / "suite.yaml",
        None,
        (ModelChoice("", tiny_demo.models["reexport"]),),
        (ModelChoice("", tiny_demo.models["release"]),),
    )
    store = Store(tmp_path / "home")
    return Rehearsal(tmp_path, request, prepare(request, store), store, workers)


def test_what_both_devices_show_again_is_the_software_and_is_not_asked_twice(rehearsal: Rehearsal) -> None:
    one, two = (rehearsal.player(device, 0.5) for device in rehearsal.devices)
    record = rehearsal.run(one, two)
    result = rehearsal.only(record)
    assert (result.verdict, result.blame) == (Verdict.FAIL, Blame.PRODUCT)
    showed = result.attempts[-1].device
    other = {"one": "two", "two": "one"}[showed]
    assert result.repeated == f"again on {showed} and {other}"
    assert [repeat.device for repeat in result.confirmations] == [showed, other]
    assert result.confirmations[0].candidate_trace == result.candidate_trace, "bit by bit"
    for repeat in result.confirmations:
        assert (repeat.verdict, repeat.blocked) == (Verdict.FAIL, ("action",))
        assert repeat.words.startswith("action.desiredCurvature leaves at ")
        assert {attempt.side for attempt in repeat.attempts} == {"candidate", "baseline"}, "both sides were replayed"
        assert all(attempt.ended_s > attempt.started_s > 0 for attempt in repeat.attempts)
        assert "playing 0" in repeat.attempts[0].log_tail
    assert gate(record).exit_code is ExitCode.REGRESSION
    assert [type(event) for event in rehearsal.events if isinstance(event, Repeating | Judged)] == [Repeating, Judged]
    assert f"{showed}, again there and on {other}\n" in (rehearsal.folder / "run-1" / SUMMARY).read_text()

    again = rehearsal.only(rehearsal.run(one, two))
    assert (again.verdict, again.blame, again.reused) == (Verdict.FAIL, Blame.PRODUCT, True)
    assert again.repeated.endswith(", as run run-1 found")
    assert again.confirmations == result.confirmations
    assert not (rehearsal.folder / "run-2" / "incoming").exists(), "nothing was replayed"


def test_a_database_that_stands_still_while_a_difference_is_repeated_is_told_of(
    rehearsal: Rehearsal, postgres_server: Path
) -> None:
    devices = [rehearsal.player(device, 0.5) for device in rehearsal.devices]
    began_s, heard_s = 0.0, 0.0
    with ExitStack() as still:

        def follow(event: RunEvent) -> None:
            nonlocal began_s, heard_s
            if isinstance(event, Repeating):
                still.enter_context(standing_still(postgres_server))
                began_s = time.monotonic()
            if isinstance(event, ShelfSilent):
                heard_s = time.monotonic()
                still.close()

        result = rehearsal.only(rehearsal.run(*devices, address=create_database(postgres_server), also=follow))
    assert (result.verdict, result.blame) == (Verdict.FAIL, Blame.PRODUCT)
    assert 0.0 < began_s < heard_s < began_s + 20.0, "not when a query is given up, 25 s after it was asked"


def test_a_device_that_is_alone_with_it_is_suspect_and_what_it_made_is_not_kept(rehearsal: Rehearsal) -> None:
    one, two = rehearsal.devices
    one = rehearsal.player(one, 0.5)
    alone = rehearsal.run(one, request=replace(rehearsal.request, confirm=False))
    assert rehearsal.only(alone).blame is None, "not repeated: a person said so"
    record = rehearsal.run(one, rehearsal.player(two, 0.0))
    result = rehearsal.only(record)
    assert result.reused, "a stored trace is repeated like any other, first where it was made"
    assert (result.verdict, result.blame) == (Verdict.ERROR, Blame.DEVICE)
    assert result.error is not None
    assert result.error.problem == "only one shows it: again there, not on two"
    assert result.blocking, "what was seen is kept"
    assert {repeat.device: repeat.verdict for repeat in result.confirmations} == {
        "one": Verdict.FAIL,
        "two": Verdict.PASS,
    }
    assert gate(record).exit_code is ExitCode.NO_VERDICT
    assert rehearsal.state(one) is Health.SUSPECT, "its canary comes before its next job"
    assert rehearsal.store.find_trace(rehearsal.prepared.plan.trials[0].candidate.id) is None


def test_what_does_not_come_again_is_not_reproducible_and_never_passes(rehearsal: Rehearsal) -> None:
    one, two = rehearsal.devices
    record = rehearsal.run(rehearsal.player(one, 0.5, 0.0), rehearsal.player(two, 0.5, 0.0))
    result = rehearsal.only(record)
    assert (result.verdict, result.blame) == (Verdict.ERROR, Blame.CHANCE)
    assert result.error is not None
    assert result.error.problem.startswith("differs from itself on ")
    assert "not reproducible" in result.error.problem
    assert len(result.confirmations) == 2


def test_the_only_device_of_its_kind_repeats_alone(rehearsal: Rehearsal) -> None:
    result = rehearsal.only(rehearsal.run(rehearsal.player(rehearsal.devices[0], 0.5)))
    assert (result.verdict, result.blame, len(result.confirmations)) == (Verdict.FAIL, Blame.PRODUCT, 1)
    assert result.repeated == "again on one, the only emulated: no second device could tell"


def test_a_regression_does_not_hide_behind_a_lab_error(rehearsal: Rehearsal) -> None:
    one, two = rehearsal.devices
    away = replace(two, name="away", port=1)
    result = rehearsal.only(rehearsal.run(rehearsal.player(one, 0.5), away))
    assert (result.verdict, result.blame) == (Verdict.FAIL, Blame.PRODUCT)
    assert result.repeated.startswith("again on one, no second device could tell: ")
    lost = next(repeat for repeat in result.confirmations if repeat.verdict is Verdict.ERROR)
    assert lost.error is not None
    assert "away" in lost.error.problem
    assert rehearsal.store.find_trace(rehearsal.prepared.plan.trials[0].candidate.id) is not None


def test_a_crash_on_one_device_alone_is_told_and_looked_at(rehearsal: Rehearsal) -> None:
    plays = rehearsal.folder / "plays"
    one, two = (rehearsal.player(device, None, 0.0, plays=plays) for device in rehearsal.devices)
    result = rehearsal.only(rehearsal.run(one, two))
    assert result.verdict is Verdict.PASS
    (crash,) = {attempt.device for attempt in result.lone_crashes}
    well = {"one": "two", "two": "one"}[crash]
    assert [attempt.device for attempt in result.attempts if attempt.side == "candidate"] == [crash, well]
    assert f"crashed on {crash}, not on {well}: killed by SIGSEGV" in (rehearsal.folder / "run-1" / SUMMARY).read_text()
    states = {device.name: rehearsal.state(device) for device in (one, two)}
    assert states == {crash: Health.SUSPECT, well: Health.HEALTHY}


@pytest.mark.parametrize(("kind", "count"), [("DeviceUnhealthyError", 0), ("ProductCrashError", 1)])
def test_an_error_that_a_worker_tells_is_tried_on_the_other_device_and_its_own_looked_at(
    rehearsal: Rehearsal, kind: str, count: int
) -> None:
    plays = rehearsal.folder / "plays"
    error = json.dumps({"kind": kind, "problem": "it broke here", "where": "", "remedy": ""})
    one, two = (rehearsal.player(device, error, 0.0, plays=plays) for device in rehearsal.devices)
    result = rehearsal.only(rehearsal.run(one, two))
    assert result.verdict is Verdict.PASS
    tries = [attempt for attempt in result.attempts if attempt.side == "candidate"]
    assert [attempt.error and attempt.error.problem for attempt in tries] == ["it broke here", None]
    assert len({attempt.device for attempt in tries}) == 2
    assert len({attempt.device for attempt in result.lone_crashes}) == count
    assert rehearsal.state(next(device for device in (one, two) if device.name == tries[0].device)) is Health.SUSPECT


def test_a_crash_on_both_devices_is_a_regression_with_its_last_words(rehearsal: Rehearsal) -> None:
    one, two = (rehearsal.player(device, None) for device in rehearsal.devices)
    record = rehearsal.run(one, two)
    result = rehearsal.only(record)
    assert (result.verdict, result.confirmations) == (Verdict.FAIL, ()), "two devices have told: that is no chance"
    assert result.blocked_checks == ("replay",)
    (finding,) = result.blocking
    assert "killed by SIGSEGV" in finding.words
    assert "crashed on one and on two" in finding.words
    assert finding.words.endswith("playing 0")
    assert gate(record).exit_code is ExitCode.REGRESSION


def test_a_run_full_of_failures_repeats_only_so_many(rehearsal: Rehearsal, tiny_demo: Demo) -> None:
    (segment,) = tiny_demo.routes_folder.iterdir()
    for number in (0, 1, 2):
        (rehearsal.folder / "routes" / f"{segment.name[:-1]}{number}").mkdir(parents=True)
        for path in segment.iterdir():
            (rehearsal.folder / "routes" / f"{segment.name[:-1]}{number}" / path.name).symlink_to(path)
    suite = rehearsal.request.suite
    suite.write_text(suite.read_text().replace(str(tiny_demo.routes_folder), str(rehearsal.folder / "routes")))
    rehearsal.prepared = prepare(rehearsal.request, rehearsal.store)
    record = rehearsal.run(*(rehearsal.player(device, 0.5) for device in rehearsal.devices), most=1)
    blames = [result.blame for result in record.results]
    assert (blames.count(Blame.PRODUCT), blames.count(Blame.UNKNOWN)) == (1, 2)
    assert all(result.verdict is Verdict.FAIL for result in record.results)
    left = [result.repeated for result in record.results if result.blame is Blame.UNKNOWN]
    assert left == ["not confirmed: more than 1 failed"] * 2


def test_a_device_that_begins_to_compute_wrongly_is_found_out(
    tmp_path: Path, tiny_demo: Demo, workers: tuple[Device, ...]
) -> None:
    """A real model: the device passes its canary and its first run, then its onnxruntime is off in the last bit."""
    suite = SUITE.format(routes=tiny_demo.routes_folder).replace("[emulated, mici]", "[emulated]")
    suite = suite.replace("    checks:", "    options: {frames: 6}\n    checks:").replace("0.5", "0.0")
    (tmp_path / "suite.yaml").write_text(suite)
    request = Request(tmp_path / "suite.yaml", None, (ModelChoice("", tiny_demo.models["release"]),))
    store = Store(tmp_path / "home")
    sign = tmp_path / "wrong"
    doubtful, sound = faulty(workers[0], tmp_path / "venv", sign=sign), workers[1]

    def run(name: str, *devices: Device) -> JobResult:
        prepared = replace(prepare(request, store), fleet=Fleet(devices, 0))
        folder, stop = tmp_path / name, threading.Event()
        return execute_run(request, prepared, store, folder=folder, observer=lambda _: None, stop=stop).results[0]

    first = run("first", doubtful)
    assert first.error is not None
    assert first.error.kind == "MissingBaseline"
    where = (first.segment, first.replayer, first.device_kind)
    options = first.provenance["options"]
    store.approve([Approval("2026-11-21", "me", "why", "first", *where, first.candidate_trace, options=options)])
    store.forget_trace(first.provenance["candidate_job"])
    sign.touch()
    found = run("second", doubtful, sound)
    assert found.attempts[0].device == doubtful.name, "it holds the segment already"
    assert (found.verdict, found.blame) == (Verdict.ERROR, Blame.DEVICE)
    assert found.error is not None
    assert found.error.problem == f"only {doubtful.name} shows it: again there, not on {sound.name}"
    assert found.blocking
    refused = run("third", doubtful)
    assert refused.error is not None
    assert "quarantined: canary" in refused.error.problem, "its canary told as well"
