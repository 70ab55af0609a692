"""From what was asked for to a plan: which models, segments and baselines, and that nothing is begun on a mistake."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.make import Demo
from harness.config import Fleet, load_suite
from harness.domain import DeviceKind
from harness.errors import ConfigError, ConfigMistakesError, NothingToRunError
from harness.files import file_sha256
from harness.pipeline.prepare import Prepared, check_suite, prepare
from harness.pipeline.request import ModelChoice, Request
from harness.replay.runtime import runtime_key
from harness.store import Approval, Store

SUITE = """\
suite: tiny
routes: [{routes}]
replayers:
  driving_model:
    checks:
      action: {{channels: [action.*]}}
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """A suite over the tiny demo, and what to ask of it."""

    folder: Path
    demo: Demo
    store: Store
    request: Request

    def prepare(self, **changes: Any) -> Prepared:
        return prepare(replace(self.request, **changes), self.store)

    def suite(self, text: str) -> None:
        self.request.suite.write_text(text)

    def choice(self, variant: str, replayer: str = "") -> ModelChoice:
        return ModelChoice(replayer, self.demo.models[variant])


@pytest.fixture
def ask(tmp_path: Path, tiny_demo: Demo) -> Ask:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.format(routes=tiny_demo.routes_folder))
    request = Request(path, candidate=(ModelChoice("", tiny_demo.models["reexport"]),))
    return Ask(tmp_path, tiny_demo, Store(tmp_path / "home"), request)


def digests(folder: Path) -> set[str]:
    return {file_sha256(path) for path in folder.glob("*.onnx")}


def candidate_of(prepared: Prepared) -> set[str]:
    return {entry.blob.sha256 for entry in prepared.plan.trials[0].candidate.model}


def baseline_of(prepared: Prepared) -> set[str]:
    job = prepared.plan.trials[0].baseline_job
    return {entry.blob.sha256 for entry in job.model} if job else set()


def test_the_plan_names_every_file_by_digest_and_where_it_lies(ask: Ask) -> None:
    prepared = ask.prepare(baseline=(ask.choice("release"),))
    (trial,) = prepared.plan.trials
    assert trial.segment == ask.demo.segments[0]
    recorded = {path.name: file_sha256(path) for path in next(ask.demo.routes_folder.iterdir()).iterdir()}
    names = ("rlog.zst", "fcamera.hevc", "ecamera.hevc")
    assert {entry.name: entry.blob.sha256 for entry in trial.candidate.recording} == {
        name: recorded[name] for name in names
    }
    for task in prepared.plan.tasks:
        for sha256 in task.blobs:
            assert file_sha256(prepared.blob_paths[sha256]) == sha256
    assert candidate_of(prepared) == digests(ask.demo.models["reexport"])
    assert baseline_of(prepared) == digests(ask.demo.models["release"])
    assert trial.candidate.runtime == runtime_key()
    assert [check.name for check in prepared.checks["driving_model"]] == ["action"]
    assert prepared.fleet.emulated == 2, "without devices.yaml two emulated workers do it"


def test_a_model_for_one_replayer_goes_before_one_for_all_and_the_last_before_the_first(ask: Ask) -> None:
    mine, others = ask.choice("release", "driving_model"), ask.choice("noisy")
    assert candidate_of(ask.prepare(candidate=(mine, others))) == digests(mine.path)
    assert candidate_of(ask.prepare(candidate=(mine, ask.choice("better", "driving_model")))) == digests(
        ask.demo.models["better"]
    )
    assert candidate_of(ask.prepare(candidate=(mine, others), baseline=(others,))) == digests(mine.path)


def test_models_of_the_suite_stand_in_for_those_not_named(ask: Ask) -> None:
    models = ask.demo.models
    named = f"  driving_model:\n    candidate: {models['release']}\n    baseline: {models['better']}\n"
    ask.suite(ask.request.suite.read_text().replace("  driving_model:\n", named))
    from_suite = ask.prepare(candidate=())
    assert (candidate_of(from_suite), baseline_of(from_suite)) == (
        digests(models["release"]),
        digests(models["better"]),
    )
    said = ask.prepare(baseline=(ask.choice("noisy"),))
    assert (candidate_of(said), baseline_of(said)) == (digests(models["reexport"]), digests(models["noisy"]))


def test_without_a_baseline_model_what_was_approved_for_this_kind_counts(ask: Ask) -> None:
    nothing = ask.prepare()
    assert (nothing.plan.trials[0].baseline_job, nothing.plan.trials[0].baseline_trace) == (None, "")
    trace = ask.store.put_bytes(b"a trace").sha256
    segment = str(ask.demo.segments[0])
    for replayer, kind in (("driving_model", "mici"), ("driver_monitoring", "emulated")):
        ask.store.approve([Approval("2026-11-21", "me", "why", "run", segment, replayer, kind, trace)])
    assert ask.prepare().plan.trials[0].baseline_trace == "", "another kind's, another replayer's"
    ask.store.approve([Approval("2026-11-21", "me", "why", "run", segment, "driving_model", "emulated", trace)])
    prepared = ask.prepare()
    assert prepared.plan.trials[0].baseline_trace == trace
    assert prepared.baseline == {"driving_model": "approved"}


def test_what_a_device_runs_with_is_not_known_here(ask: Ask) -> None:
    ask.suite(ask.request.suite.read_text() + "devices: {kinds: [emulated, mici]}\n")
    devices = ask.folder / "devices.yaml"
    (ask.folder / "key").touch()
    devices.write_text(
        'devices:\n  emulated: 1\n  m: {kind: mici, address: 127.0.0.1, key: key, host_key: "ssh-ed25519 AAAA"}\n'
    )
    prepared = ask.prepare(devices=devices)
    runtimes = {trial.device_kind: trial.candidate.runtime for trial in prepared.plan.trials}
    assert runtimes == {DeviceKind.EMULATED: runtime_key(), DeviceKind.MICI: "as installed on the device"}
    assert (len(prepared.fleet.devices), prepared.fleet.emulated) == (1, 1)


def test_models_are_called_by_their_folder(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ask.demo.folder)
    prepared = ask.prepare(baseline=(ask.choice("release"),))
    assert prepared.candidate == {"driving_model": str(ask.demo.models["reexport"].relative_to(ask.demo.folder))}
    assert prepared.baseline == {"driving_model": str(ask.demo.models["release"].relative_to(ask.demo.folder))}


def test_only_picks_by_any_part_of_the_name(ask: Ask) -> None:
    segment = ask.demo.segments[0]
    for only in (
        ("nothing", segment.route.dongle_id),
        (f"{segment.route.dongle_id}|{segment.route.log_id}",),
        (f"*/{segment.number}",),
    ):
        assert len(ask.prepare(only=only).plan.trials) == 1, only
    with pytest.raises(NothingToRunError):
        ask.prepare(only=("nothing",))


def test_a_selection_that_is_empty_is_a_mistake(ask: Ask) -> None:
    route = ask.demo.segments[0].route
    for text, count in (
        (f"{route}/0", 1),
        (f"{route}", 1),
        (f"{route}/:0", 0),
        ("0123456789abcdef/2026-01-02--03-04-05", 0),
    ):
        folder = f"routes: [{{folder: {ask.demo.routes_folder}, select: ['{text}']}}]"
        ask.suite(SUITE.replace("routes: [{routes}]", folder.replace("{", "{{").replace("}", "}}")).format())
        if count:
            assert len(ask.prepare().plan.trials) == count
            check_suite(load_suite(ask.request.suite), None)
        else:
            for action in (ask.prepare, lambda: check_suite(load_suite(ask.request.suite), None)):
                with pytest.raises(ConfigMistakesError, match="selects nothing"):
                    action()


def test_a_camera_that_was_not_recorded_is_left_out_for_the_replayer_to_judge(ask: Ask) -> None:
    (segment,) = ask.demo.routes_folder.iterdir()
    (ask.folder / "routes" / segment.name).mkdir(parents=True)
    for path in segment.iterdir():
        if path.name != "ecamera.hevc":
            (ask.folder / "routes" / segment.name / path.name).symlink_to(path)
    ask.suite(SUITE.format(routes="routes"))
    recording = ask.prepare().plan.trials[0].candidate.recording
    assert [entry.name for entry in recording] == ["rlog.zst", "fcamera.hevc"]


def test_a_segment_in_two_folders_is_one_trial(ask: Ask) -> None:
    (ask.folder / "same").symlink_to(ask.demo.routes_folder)
    ask.suite(SUITE.format(routes=f"{ask.demo.routes_folder}, same"))
    assert len(ask.prepare().plan.trials) == 1


def test_every_mistake_of_a_request_at_once(ask: Ask) -> None:
    text = ask.request.suite.read_text().replace("tiny\n", "tiny\ndevices: {kinds: [tici], tags: [ox03c10]}\n")
    ask.suite(text + "  unheard_of: {checks: {all: {channels: ['*']}}}\n")
    with pytest.raises(ConfigMistakesError) as caught:
        ask.prepare(candidate=(ModelChoice("typo", ask.folder),))
    told = [error.problem for error in caught.value.errors]
    assert told == [
        "no candidate for driving_model",
        "unknown replayer unheard_of",
        "suite tiny has no replayer typo",
        "no device of kind tici with tags ox03c10",
    ]
    suite = load_suite(ask.request.suite)
    with pytest.raises(ConfigMistakesError) as checked:
        check_suite(suite, Fleet((), 2))
    assert [error.problem for error in checked.value.errors] == [told[3], told[1]]
    with pytest.raises(ConfigMistakesError) as unserved:
        check_suite(suite, None)
    assert [error.problem for error in unserved.value.errors] == [told[1]], "no shelf was given to check against"


def test_options_that_a_replayer_does_not_have_are_told_with_the_suites_line(ask: Ask) -> None:
    ask.suite(ask.request.suite.read_text().replace("    checks:", "    options: {frmes: 3}\n    checks:"))
    with pytest.raises(ConfigError, match=r"suite\.yaml:4: .*frmes"):
        ask.prepare()
