"""Who is believed: answers of several devices, right, wrong and damaged, on a real shelf."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from harness.closet.canary import passed_with
from harness.domain import Blob, Device, DeviceKind, Health
from harness.errors import ErrorDescription
from harness.files import file_sha256
from harness.pipeline.canary import Judge, canary_blobs, make_canaries, with_canary
from harness.pipeline.golden import load_golden, offline_job
from harness.replay.__main__ import main as replay
from harness.shelf import Shelf
from harness.trace import Trace, load_trace, write_trace

CODE = Blob("c0de" * 16, 10)
Files = Mapping[str, Path]


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a worker that is well leaves in out/."""
    golden, folder = load_golden(), tmp_path_factory.mktemp("answer")
    files = {entry.name: golden.paths[entry.blob.sha256] for entry in golden.files}
    (folder / "job.json").write_text(offline_job(golden.segment, files))
    assert replay([str(folder / "job.json")]) == 0
    return folder / "out"


@dataclass
class Lab:
    """A shelf, a judge, and devices that answer."""

    folder: Path
    shelf: Shelf
    judge: Judge
    answer: Path
    count: int = 0

    def device(self, name: str, kind: DeviceKind = DeviceKind.MICI) -> Device:
        device = Device(name, kind, "10.0.0.1", 22, "comma", "key", "ssh-ed25519 AAAA", "/data/closet", "python3")
        self.shelf.register(device)
        return device

    def files(self, change: Callable[[Trace], Trace] | None = None) -> dict[str, Path]:
        self.count += 1
        folder = self.folder / str(self.count)
        shutil.copytree(self.answer, folder)
        path, said = folder / "canary.trace", folder / "result.json"
        if change is not None:
            write_trace(path, change(load_trace(path)))
            result = json.loads(said.read_text())
            result["replays"]["canary"]["trace_sha256"] = file_sha256(path)
            said.write_text(json.dumps(result))
        return {path.name: path, said.name: said}

    def asks(
        self, name: str, change: Callable[[Trace], Trace] | None = None, kind: DeviceKind = DeviceKind.MICI
    ) -> ErrorDescription | None:
        return self.judge.verify(self.device(name, kind), self.files(change))


@pytest.fixture
def lab(tmp_path: Path, answer: Path) -> Iterator[Lab]:
    with Shelf(tmp_path / "shelf.db") as shelf:
        yield Lab(tmp_path, shelf, Judge(load_golden(), CODE, shelf), answer)


def rounded(trace: Trace) -> Trace:
    """Another processor's last bits."""
    channel = trace.channels["position.x"]
    values = np.nextafter(channel.values, np.float32(1e9))
    return replace(trace, channels={**trace.channels, channel.name: replace(channel, values=values)})


def of_runtime(runtime: str) -> Callable[[Trace], Trace]:
    return lambda trace: replace(trace, provenance={**trace.provenance, "runtime": runtime})


def test_the_first_answer_is_trusted_and_the_second_device_confirms_it(lab: Lab, answer: Path) -> None:
    runtime = str(load_trace(answer / "canary.trace").provenance["runtime"])
    canary = load_golden().digest(CODE.sha256)
    assert lab.asks("mici-01") is None
    known = lab.shelf.canary_record(DeviceKind.MICI, runtime, canary)
    assert known is not None
    assert (known.device, known.confirmed_by) == ("mici-01", "")
    health = lab.shelf.health("mici-01")
    assert (health.state, health.runtime) == (Health.HEALTHY, passed_with(runtime, CODE.sha256))
    assert health.canary_at is not None
    assert lab.asks("mici-01") is None
    assert lab.asks("mici-02") is None
    known = lab.shelf.canary_record(DeviceKind.MICI, runtime, canary)
    assert known is not None
    assert (known.device, known.confirmed_by) == ("mici-01", "mici-02"), "not by itself"


def test_a_device_that_disagrees_is_told_with_both_answers(lab: Lab) -> None:
    lab.asks("mici-01")
    lab.asks("mici-02")
    error = lab.asks("mici-03", rounded)
    assert error is not None
    assert error.kind == "DeviceUnhealthyError"
    assert error.problem.startswith("canary answered ")
    assert "2 other devices of this kind and runtime answered" in error.problem
    assert "(mici-01, mici-02)" in error.problem
    assert lab.shelf.health("mici-03").canary_at is None


def test_of_two_that_disagree_the_second_is_quarantined_until_a_third_decides(lab: Lab) -> None:
    def quarantined(name: str, error: ErrorDescription | None) -> None:
        assert error is not None
        lab.shelf.set_health(name, Health.QUARANTINED, reason=f"canary: {error.problem}", by="run")

    assert lab.asks("mici-01", rounded) is None, "the first is trusted, although it is wrong"
    error = lab.asks("mici-02")
    quarantined("mici-02", error)
    assert error is not None
    assert "1 other device of this kind and runtime answered" in error.problem
    assert lab.asks("mici-03") is None, "two agree against one"
    first, second = lab.shelf.health("mici-01"), lab.shelf.health("mici-02")
    assert (first.state, first.reason) == (
        Health.SUSPECT,
        "mici-02 and mici-03 answer their canary otherwise",
    )
    assert (second.state, second.reason) == (Health.SUSPECT, "others confirmed its canary's answer")
    quarantined("mici-01", lab.asks("mici-01", rounded))
    assert lab.asks("mici-02") is None
    assert [lab.shelf.health(f"mici-0{n}").state for n in (1, 2, 3)] == [
        Health.QUARANTINED,
        Health.HEALTHY,
        Health.HEALTHY,
    ]


def test_a_vote_frees_nobody_who_was_quarantined_for_another_reason(lab: Lab) -> None:
    lab.asks("mici-01", rounded)
    lab.asks("mici-02")
    lab.shelf.set_health("mici-02", Health.QUARANTINED, reason="the fan rattles", by="me", by_person=True)
    assert lab.asks("mici-03") is None
    assert lab.shelf.health("mici-02").state is Health.QUARANTINED


def test_answers_that_all_differ_convince_nobody(lab: Lab) -> None:
    def moved(steps: int) -> Callable[[Trace], Trace]:
        def change(trace: Trace) -> Trace:
            for _ in range(steps):
                trace = rounded(trace)
            return trace

        return change

    assert lab.asks("mici-01") is None
    assert all(lab.asks(f"mici-1{steps}", moved(steps)) is not None for steps in (1, 2, 3))
    assert lab.asks("mici-02") is None


def test_a_device_that_contradicts_itself(lab: Lab) -> None:
    lab.asks("mici-01")
    error = lab.asks("mici-01", rounded)
    assert error is not None
    assert "itself" in error.problem


def test_kinds_runtimes_and_code_have_answers_of_their_own(lab: Lab) -> None:
    assert lab.asks("mici-01") is None
    assert lab.asks("tizi-01", rounded, DeviceKind.TIZI) is None
    assert lab.asks("mici-02", lambda trace: rounded(of_runtime("another")(trace))) is None
    lab.judge = Judge(load_golden(), Blob("0" * 64, 1), lab.shelf)
    assert lab.asks("mici-03", rounded) is None, "other code may answer otherwise"


def test_a_wrong_answer_is_never_learned(lab: Lab) -> None:
    def broken(trace: Trace) -> Trace:
        channel = trace.channels["features"]
        values = channel.values * np.float32(1.5)
        return replace(trace, channels={**trace.channels, "features": replace(channel, values=values)})

    error = lab.asks("mici-01", broken)
    assert error is not None
    assert "features is" in error.problem
    assert lab.asks("mici-02") is None
    assert lab.asks("mici-03") is None


def test_a_quarantined_device_teaches_nothing(lab: Lab) -> None:
    lab.device("mici-01")
    lab.shelf.set_health("mici-01", Health.QUARANTINED, reason="x", by="test", by_person=True)
    assert lab.asks("mici-01", rounded) is None, "nothing is known against it"
    assert lab.shelf.health("mici-01").state is Health.QUARANTINED
    assert lab.asks("mici-02") is None
    assert lab.asks("mici-03") is None
    assert lab.asks("mici-01", rounded) is not None


def test_the_lone_word_of_a_device_that_is_quarantined_later_does_not_stand(lab: Lab) -> None:
    assert lab.asks("mici-01", rounded) is None, "the first is trusted, although it is wrong"
    assert lab.asks("mici-02") is not None
    lab.shelf.set_health("mici-01", Health.QUARANTINED, reason="looked at", by="test", by_person=True)
    assert lab.asks("mici-02") is None
    assert lab.asks("mici-03") is None
    error = lab.asks("mici-01", rounded)
    assert error is not None
    assert "(mici-02, mici-03)" in error.problem


def test_a_confirmed_answer_stands_whatever_becomes_of_who_gave_it(lab: Lab) -> None:
    lab.asks("mici-01")
    lab.asks("mici-02")
    lab.shelf.set_health("mici-01", Health.QUARANTINED, reason="fan", by="test", by_person=True)
    assert lab.asks("mici-03", rounded) is not None
    assert lab.asks("mici-04") is None


def test_a_person_may_vouch_for_a_new_answer(lab: Lab) -> None:
    lab.asks("mici-01")
    lab.asks("mici-02")
    lab.judge = Judge(load_golden(), CODE, lab.shelf, relearn=True)
    assert lab.asks("mici-03", rounded) is None
    assert lab.asks("mici-04") is not None, "vouched for once, not for each"
    lab.judge = Judge(load_golden(), CODE, lab.shelf)
    assert lab.asks("mici-05", rounded) is None


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("no files", "left no trace"),
        ("no result", "left no trace"),
        ("garbage", "left no trace"),
        ("list", "left no trace"),
        ("deep", "left no trace"),
        ("other digest", "left no trace"),
        ("no trace", "left no trace"),
        ("not a trace", "not a readable trace"),
        ("error", "cannot be replayed: no such wheel"),
    ],
)
def test_what_is_damaged_is_an_error_of_the_device_and_never_of_ours(damage: str, words: str, lab: Lab) -> None:
    files = lab.files()
    result, trace = files["result.json"], files["canary.trace"]
    if damage == "no files":
        files = {}
    elif damage == "no result":
        del files["result.json"]
    elif damage == "garbage":
        result.write_bytes(b"\xff{")
    elif damage == "list":
        result.write_text('{"replays": {"canary": [1]}}')
    elif damage == "deep":
        result.write_text("[" * 100_000)
    elif damage == "other digest":
        trace.write_bytes(trace.read_bytes()[:-1])
    elif damage == "no trace":
        del files["canary.trace"]
    elif damage == "not a trace":
        trace.write_bytes(b"PK")
        result.write_text(json.dumps({"replays": {"canary": {"trace_sha256": file_sha256(trace)}}}))
    else:
        told = {"kind": "DataError", "problem": "no such wheel", "where": "x", "remedy": "install it"}
        result.write_text(json.dumps({"replays": {"canary": {"error": told}}}))
    error = lab.judge.verify(lab.device("mici-01"), files)
    assert error is not None
    assert (error.kind, error.where) == ("DeviceUnhealthyError", "mici-01")
    assert words in error.problem
    assert lab.shelf.health("mici-01").state is Health.UNKNOWN


def test_what_a_canary_says_is_kept_as_text_without_secrets(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "only-we-know-this")
    device, files = lab.device("mici-01"), lab.files()
    for before in ("half \ud800 \x1b[2J", "x" * 490):
        told = {"kind": "DataError", "problem": f"{before} only-we-know-this", "remedy": "only-we-know-this"}
        files["result.json"].write_text(json.dumps({"replays": {"canary": {"error": told}}}))
        error = lab.judge.verify(device, files)
        assert error is not None
        assert "only-we" not in error.problem + error.remedy, "nor a part of it that is left by cutting"
        assert error.problem.isprintable()
        assert lab.shelf.set_health(device.name, Health.SUSPECT, reason=error.problem, by="run")
        lab.shelf.set_health(device.name, Health.HEALTHY, reason="", by="me", by_person=True)
    assert lab.asks("mici-02", of_runtime("only-we-know-this \ud800")) is None
    assert "only-we" not in lab.shelf.health("mici-02").runtime


def test_it_is_a_job_like_any_other(lab: Lab, tmp_path: Path) -> None:
    canaries = make_canaries((DeviceKind.MICI, DeviceKind.EMULATED), CODE, lab.shelf)
    works = [canary.work for canary in canaries.values()]
    assert all(work.canary and work.arguments == ("-m", "harness.replay", "job.json") for work in works)
    assert works[0].id != works[1].id
    assert sum(blob.size_bytes for blob in works[0].blobs) <= 150_000
    find = with_canary(lambda sha256: tmp_path / sha256)
    assert all(file_sha256(find(blob.sha256)) == blob.sha256 for blob in works[0].blobs)
    assert find("f" * 64) == tmp_path / ("f" * 64)
    assert set(canary_blobs()) == {blob.sha256 for blob in works[0].blobs}
