"""Kernels: what kernel.yaml may say, how one is compiled and kept, and what is told when it cannot be."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import pytest

from harness.errors import ConfigError, DataError, DeviceUnhealthyError
from harness.files import file_sha256
from harness.replay.models import find_model
from harness.replay.panda.__main__ import main as prebuild
from harness.replay.panda.kernel import find_compiler, load_sources, provide_kernel
from harness.replay.panda.spec import SAFETY_FOLDER, find_kernel, headers_root, list_headers, parse_spec
from harness.trace import load_trace

SHARED_OBJECT = f"kernel-{platform.machine()}.so"


@pytest.fixture
def own_headers(tmp_path: Path) -> Path:
    """Another opendbc: the installed one's headers in a folder of their own."""
    folder = tmp_path / "another"
    for name, path in list_headers(headers_root(parse_spec("{format: 1, opendbc: installed}", where=""), Path())):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return folder


def write_spec(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "kernel.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "it must be a mapping"),
        ("format: 1", "one of opendbc and headers must be named"),
        ("{format: 1, opendbc: a, headers: b}", "one of opendbc and headers must be named"),
        ("{format: 2, opendbc: installed}", "format must be 1, not 2"),
        ("{format: 1, opendbc: installed, limits: {}}", "unknown key 'limits'"),
        ("{format: 1, opendbc: installed, overrides: [{file: a}]}", "overrides[0] must be a mapping"),
        ("{format: 1, opendbc: installed, prebuilt: {x86_64: abc}}", "prebuilt must map machines"),
        ("{format: 1, headers: 7}", "headers must be a folder"),
        ("a: [", "not YAML"),
    ],
)
def test_specs_that_cannot_be(text, problem):
    with pytest.raises(ConfigError) as caught:
        parse_spec(text, where="kernel.yaml")
    assert problem in str(caught.value)


def test_headers_become_files_of_the_model(installed_kernel, own_headers):
    installed = dict(find_model(installed_kernel.parent, "panda_safety"))
    assert installed["kernel.yaml"] == installed_kernel
    assert f"headers/{SAFETY_FOLDER}/modes/toyota.h" in installed
    assert not any("tests" in name for name in installed)
    bare = dict(find_model(own_headers, "panda_safety"))
    assert set(bare) == set(installed) - {"kernel.yaml"}
    assert dict(find_kernel(own_headers / "opendbc")) == dict(find_kernel(own_headers / SAFETY_FOLDER)) == bare
    assert load_sources(bare)[1].digest == load_sources(installed)[1].digest


def test_the_sources_are_every_byte(own_headers, tmp_path):
    before = load_sources(dict(find_kernel(own_headers)))[1].digest
    header = own_headers / SAFETY_FOLDER / "modes" / "toyota.h"
    header.write_text(header.read_text() + "\n")
    assert load_sources(dict(find_kernel(own_headers)))[1].digest != before


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("{file: modes/toyota.h, find: '.max_torque = 2', replace: ''}", "stands 0 times in modes/toyota.h"),
        ("{file: modes/toyota.h, find: 'desired_torque', replace: ''}", "times in modes/toyota.h"),
        ("{file: modes/nobody.h, find: 'a', replace: ''}", "there is no header modes/nobody.h"),
    ],
)
def test_an_override_must_fit_one_place(tmp_path, override, problem):
    path = write_spec(tmp_path / "k", f"{{format: 1, opendbc: installed, overrides: [{override}]}}")
    with pytest.raises(ConfigError, match=problem.replace(".", r"\.")):
        load_sources(dict(find_kernel(path)))


def test_a_folder_without_headers(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no opendbc/safety/safety\.h"):
        find_kernel(tmp_path)
    with pytest.raises(ConfigError, match="there is no such kernel"):
        find_kernel(tmp_path / "nowhere")


def test_a_header_may_not_lead_out_of_its_folder(tmp_path, installed_kernel):
    model = {"kernel.yaml": installed_kernel, f"headers/{SAFETY_FOLDER}/../../../out.h": installed_kernel}
    with pytest.raises(ConfigError, match="is no header of the kernel"):
        load_sources(model)


def test_a_kernel_is_compiled_once(installed_kernel, tmp_path, monkeypatch):
    model = dict(find_kernel(installed_kernel))
    first = provide_kernel(model, tmp_path / "cache")
    written = first.path.stat().st_mtime_ns
    assert provide_kernel(model, tmp_path / "cache") == first
    assert first.path.stat().st_mtime_ns == written
    assert [path.suffix for path in first.path.parent.iterdir()] == [".so"]
    monkeypatch.setenv("CC", f"{find_compiler().command[0]} -O1")
    other = provide_kernel(model, tmp_path / "cache")
    assert other.path != first.path
    assert "-O1" in other.compiler


def test_no_compiler(toyota_log, installed_kernel, replay, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    code, result, _ = replay(toyota_log, {"a": {"kernel.yaml": installed_kernel}}, cache=tmp_path / "empty")
    assert code == 3
    error = result["a"]["error"]
    assert error["kind"] == "DeviceUnhealthyError"
    assert "no C compiler: none of cc, gcc, clang is on the PATH" in error["problem"]
    assert "apt-get install gcc" in error["remedy"]
    assert SHARED_OBJECT in error["remedy"]


def test_a_compiler_that_is_not_there(monkeypatch):
    monkeypatch.setenv("CC", "no-such-cc -m32")
    with pytest.raises(DeviceUnhealthyError, match="CC names no-such-cc, which is not there"):
        find_compiler()


def test_headers_that_do_not_compile(toyota_log, replay, tmp_path):
    change = "{file: modes/toyota.h, find: '.max_torque = 1500', replace: '.max_torque = plenty'}"
    path = write_spec(tmp_path / "k", f"{{format: 1, opendbc: installed, overrides: [{change}]}}")
    code, result, _ = replay(toyota_log, {"a": {"kernel.yaml": path}})
    assert code == 3
    assert result["a"]["error"]["kind"] == "DataError"
    assert "does not compile: opendbc/safety/modes/toyota.h:" in result["a"]["error"]["problem"]
    assert "plenty" in result["a"]["error"]["problem"]


def test_one_bad_kernel_does_not_take_the_other_with_it(toyota_log, installed_kernel, replay, tmp_path):
    broken = write_spec(tmp_path / "k", "{format: 1, headers: nowhere}")
    code, result, out = replay(toyota_log, {"bad": {"kernel.yaml": broken}, "good": {"kernel.yaml": installed_kernel}})
    assert code == 2
    assert result["bad"]["error"]["kind"] == "ConfigError"
    assert result["good"]["error"] is None
    assert load_trace(out / "good.trace").channels["sent"].values.any()


def test_a_kernel_of_another_shape_replays_without_explanations(toyota_log, installed_kernel, own_headers, replay):
    """Headers whose checks the watches do not know: the same trace but for the reasons."""
    lateral = own_headers / SAFETY_FOLDER / "lateral.h"
    text = lateral.read_text()
    assert "rt_torque_rate_limit_check" in text
    lateral.write_text(text.replace("rt_torque_rate_limit_check", "window_check"))
    code, result, out = replay(
        toyota_log, {"other": dict(find_kernel(own_headers)), "known": {"kernel.yaml": installed_kernel}}
    )
    assert code == 0, result
    other, known = (load_trace(out / f"{name}.trace") for name in ("other", "known"))
    assert other.provenance["kernel"]["explains"] is False
    for name, channel in known.channels.items():
        same = (channel.values == other.channels[name].values).all()
        assert same or name.startswith("limit."), name
    assert other.channels["limit.modeRule"].values.sum() > known.channels["limit.modeRule"].values.sum()
    assert not json.loads((out / "other.notes.json").read_bytes())["explains"]


def test_two_versions_meet_in_one_job(toyota_log, installed_kernel, own_headers, tmp_path, replay):
    header = own_headers / SAFETY_FOLDER / "modes" / "toyota.h"
    header.write_text(header.read_text().replace(".max_rate_up = 15", ".max_rate_up = 20"))
    path = write_spec(tmp_path / "k", "{format: 1, opendbc: ../another}")
    code, result, out = replay(
        toyota_log, {"today": {"kernel.yaml": installed_kernel}, "next": dict(find_kernel(path))}
    )
    assert code == 0
    today, following = (result[name]["measurements"]["blocked_limit"] for name in ("today", "next"))
    assert following < today
    assert set(load_trace(out / "today.trace").channels) == set(load_trace(out / "next.trace").channels)


def test_a_prebuilt_kernel_needs_no_compiler(toyota_log, replay, tmp_path, monkeypatch, capsys):
    path = write_spec(tmp_path / "k", "format: 1\nopendbc: installed\n")
    compiled = replay(toyota_log, {"a": {"kernel.yaml": path}})
    assert prebuild([str(path.parent)]) == 0
    assert capsys.readouterr().out.strip() == str(path.parent / SHARED_OBJECT)
    assert prebuild([str(path)]) == 0  # again, over its own
    assert file_sha256(path.parent / SHARED_OBJECT) in path.read_text()
    assert path.read_text().count("prebuilt") == 1
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    code, _, out = replay(toyota_log, {"a": dict(find_kernel(path))}, cache=tmp_path / "empty")
    assert code == 0
    assert (out / "a.trace").read_bytes() == (compiled[2] / "a.trace").read_bytes()
    assert not (tmp_path / "empty").exists()


def test_a_prebuilt_kernel_is_the_one_that_was_named(toyota_log, replay, tmp_path, capsys):
    path = write_spec(tmp_path / "k", "format: 1\nopendbc: installed\n")
    assert prebuild([str(path)]) == 0
    model = dict(find_kernel(path))
    with (path.parent / SHARED_OBJECT).open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ConfigError, match=r"is not the file that kernel\.yaml names"):
        find_kernel(path)
    with pytest.raises(DataError, match=r"is not the file that kernel\.yaml names"):
        provide_kernel(model, tmp_path / "cache")
    capsys.readouterr()


def test_a_prebuilt_kernel_of_other_headers_is_refused(toyota_log, replay, tmp_path, capsys):
    path = write_spec(tmp_path / "k", "format: 1\nopendbc: installed\n")
    assert prebuild([str(path)]) == 0
    change = "overrides: [{file: modes/toyota.h, find: '.max_torque = 1500', replace: '.max_torque = 750'}]\n"
    path.write_text(path.read_text() + change)
    code, result, _ = replay(toyota_log, {"a": dict(find_kernel(path))})
    assert code == 3
    assert "was built from other headers" in result["a"]["error"]["problem"]


def test_a_prebuilt_file_that_is_no_library(toyota_log, replay, tmp_path):
    path = tmp_path / "k" / "kernel.yaml"
    path.parent.mkdir()
    (path.parent / SHARED_OBJECT).write_bytes(b"not ELF at all")
    digest = file_sha256(path.parent / SHARED_OBJECT)
    path.write_text(f"format: 1\nopendbc: installed\nprebuilt: {{{platform.machine()}: {digest}}}\n")
    code, result, _ = replay(toyota_log, {"a": dict(find_kernel(path))})
    assert code == 3
    assert result["a"]["error"]["kind"] == "DeviceUnhealthyError"
