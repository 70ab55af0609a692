"""A device gets its environment from wheels made here, over real SSH, and loses it again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.closet.agent.environment import MANIFEST, unpack_wheel
from harness.closet.agent.refusal import Refused
from harness.closet.agent.removal import MARKER, remove
from harness.closet.code_bundle import agent_bundle
from harness.closet.contact import contact
from harness.closet.deadline import Deadline
from harness.closet.emulator import EmulatedDevice, emulated_closet
from harness.closet.provision.installing import Sources, provision, unprovision
from harness.closet.provision.survey import take_survey
from harness.closet.provision.target import Target
from harness.closet.provision.wheelhouse import open_wheelhouse
from harness.closet.session import open_session
from harness.closet.transport import connect
from harness.domain import Device
from harness.errors import ConfigError, DeviceUnhealthyError, LeaseLostError, OnroadError, StagingFailedError
from tests.closet.conftest import Bench, eventually, processes_with
from tests.closet.made_wheels import make_wheel, recorded, write_lock


@dataclass(frozen=True, slots=True)
class Pantry:
    """Two versions of a small package, and what pins each: pip has chosen and copied them once."""

    folder: Path

    def sources(self, name: str) -> Sources:
        return Sources(self.folder / "shelf", self.folder / f"{name}.lock", self.folder / "wheels")


@pytest.fixture(scope="module")
def pantry(tmp_path_factory: pytest.TempPathFactory) -> Pantry:
    folder = tmp_path_factory.mktemp("pantry")
    for version in ("1.0", "2.0"):
        first = make_wheel(
            folder / "wheels",
            "little_tool",
            {
                "little_tool/__init__.py": f"VERSION = {version!r}\n".encode(),
                f"little_tool-{version}.data/purelib/little_more.py": b"HERE = True\n",
                f"little_tool-{version}.data/scripts/little-tool": b"#!/bin/sh\n",
            },
            version=version,
        )
        second = make_wheel(folder / "wheels", "other", {"other.py": b""})
        write_lock(folder / f"{version}.lock", first, second)
    return Pantry(folder)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedDevice]:
    with emulated_closet(1, tmp_path_factory.mktemp("workers")) as closet:
        yield closet.members[0]


def emptied(device: Device, folder: Path) -> Device:
    """The device with nothing of ours on it yet, and no `python` in its entry."""
    return replace(device, work_folder=str(folder / "data" / "closet"), python="")


@pytest.fixture
def fresh(worker: EmulatedDevice, tmp_path: Path) -> Device:
    return emptied(worker.device, tmp_path)


@pytest.fixture(scope="module")
def ready(worker: EmulatedDevice, pantry: Pantry, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """One that was provisioned, for tests that leave it so."""
    device = emptied(worker.device, tmp_path_factory.mktemp("ready"))
    Path(device.work_folder).mkdir(parents=True)
    Path(device.work_folder).chmod(0o777)
    provision(device, pantry.sources("1.0"), python=sys.executable)
    return device


def steps() -> tuple[list[str], object]:
    said: list[str] = []
    return said, said.append


def test_a_device_is_made_ready_runs_jobs_and_is_left_as_it_was(
    devices: tuple[Device, ...], pantry: Pantry, bench: Bench, tmp_path: Path
) -> None:
    fresh = emptied(devices[0], tmp_path)
    said, say = steps()
    done = provision(fresh, pantry.sources("1.0"), python=sys.executable, say=say)
    assert (done.made, done.base, done.python) == (True, sys.executable, f"{fresh.work_folder}/env/current/bin/python")
    assert "unpacking 1/2 little_tool-1.0-py3-none-any.whl" in said
    program = (
        "import little_tool, little_more, other, sys\n"
        "open('out/said', 'w').write(' '.join([sys.executable, little_tool.VERSION, sys.prefix]))"
    )
    work = bench.work(program)
    (outcome,) = bench.run([work], [fresh]).values()
    assert outcome.error is None
    executable, version, prefix = outcome.files["said"].read_text().split()
    assert (executable, version) == (done.python, "1.0")
    assert prefix == f"{fresh.work_folder}/env/current"
    assert unprovision(fresh) == ()
    assert not Path(fresh.work_folder).exists()


def test_it_has_nothing_of_the_python_beneath(ready: Device) -> None:
    assert contact(ready).packages == {}, "this test's own Python has them all"
    assert list(Path(ready.work_folder).parent.iterdir()) == [Path(ready.work_folder)]
    environment = Path(ready.work_folder, "env", "current")
    assert not (environment / "bin" / "little-tool").exists(), "scripts are left out"
    assert json.loads((environment / MANIFEST).read_text())["base"] == os.path.realpath(sys.executable)


def test_a_second_time_there_is_nothing_to_do(ready: Device, pantry: Pantry) -> None:
    before = {path: path.lstat().st_mtime_ns for path in Path(ready.work_folder, "env").iterdir()}
    done = provision(ready, pantry.sources("1.0"))  # nobody names the Python: it is the one beneath
    assert (done.made, done.staged_bytes) == (False, 0)
    assert {path: path.lstat().st_mtime_ns for path in Path(ready.work_folder, "env").iterdir()} == before


def test_one_that_was_damaged_is_made_again(fresh: Device, pantry: Pantry) -> None:
    provision(fresh, pantry.sources("1.0"), python=sys.executable)
    (damaged,) = Path(fresh.work_folder, "env", "current", "lib").glob("*/site-packages/little_tool/__init__.py")
    damaged = damaged.resolve()
    damaged.write_text("1/0")
    assert provision(fresh, pantry.sources("1.0"), python=sys.executable).made
    assert not damaged.exists(), "the damaged one is gone"


def test_a_new_one_replaces_the_old_when_no_job_runs(fresh: Device, pantry: Pantry) -> None:
    provision(fresh, pantry.sources("1.0"), python=sys.executable)
    env = Path(fresh.work_folder, "env")
    first = (env / "current").readlink()
    slots = Path(fresh.work_folder, "slots")
    with (slots / "0.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert provision(fresh, pantry.sources("2.0"), python=sys.executable).made
        second = (env / "current").readlink()
        assert first != second
        assert (env / first).is_dir(), "a job may still be using it"
    provision(fresh, pantry.sources("1.0"), python=sys.executable)
    assert {path.name for path in env.iterdir()} == {"current", "build.lock", str((env / "current").readlink())}


def test_what_does_not_work_is_never_switched_to(ready: Device, tmp_path: Path) -> None:
    before = Path(ready.work_folder, "env", "current").readlink()
    wheel = make_wheel(tmp_path / "wheels", "broken", {"broken.py": b"raise ImportError('no libc here')"})
    sources = Sources(tmp_path / "shelf", write_lock(tmp_path / "lock", wheel), tmp_path / "wheels")
    with pytest.raises(DeviceUnhealthyError, match="no libc here"):
        provision(ready, sources, python=sys.executable)
    assert Path(ready.work_folder, "env", "current").readlink() == before
    assert not list(Path(ready.work_folder, "env").glob(".*"))


def test_a_build_that_is_cut_off_leaves_the_old_one_and_the_next_sweeps(
    fresh: Device, pantry: Pantry, tmp_path: Path
) -> None:
    provision(fresh, pantry.sources("1.0"), python=sys.executable)
    root, env = Path(fresh.work_folder), Path(fresh.work_folder, "env")
    before = (env / "current").readlink()
    marker = tmp_path / "importing"
    slow = make_wheel(
        tmp_path, "slow", {"slow.py": f"import time; open({str(marker)!r}, 'w').close(); time.sleep(600)".encode()}
    )
    digest = hashlib.sha256(slow.read_bytes()).hexdigest()
    (root / "blobs" / digest).write_bytes(slow.read_bytes())
    builder = start_build(tmp_path, root, {"wheels": [(slow.name, digest)], "imports": ["slow"]})
    assert eventually(marker.exists)
    builder.kill()
    builder.communicate()
    assert list(env.glob(".*.part"))
    assert (env / "current").readlink() == before
    left = [pid for pid in processes_with(f"THIS_TEST={tmp_path}") if pid != os.getpid()]
    assert provision(fresh, pantry.sources("2.0"), python=sys.executable).made
    assert not list(env.glob(".*.part"))
    for pid in left:
        os.kill(pid, signal.SIGKILL)


def start_build(folder: Path, root: Path, spec: dict[str, object]) -> subprocess.Popen[str]:
    program = folder / "agent.pyz"
    program.write_bytes(agent_bundle())
    process = subprocess.Popen(
        [sys.executable, "-I", str(program), "build", "--root", str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "THIS_TEST": str(folder)},
        text=True,
    )
    process.stdin.write(json.dumps({"key": "0" * 64, "base": sys.executable, **spec}) + "\n")
    process.stdin.flush()
    return process


def test_two_do_not_build_at_once(fresh: Device, pantry: Pantry) -> None:
    env = Path(fresh.work_folder, "env")
    env.mkdir(parents=True)
    (env.parent / MARKER).touch()
    with (env / "build.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LeaseLostError, match="somebody else is provisioning"):
            provision(fresh, pantry.sources("1.0"), python=sys.executable)


def test_everything_of_ours_goes_and_nothing_else(fresh: Device, pantry: Pantry) -> None:
    provision(fresh, pantry.sources("1.0"), python=sys.executable)
    foreign = Path(fresh.work_folder, "notes.txt")
    foreign.write_text("mine")
    assert unprovision(fresh) == ("notes.txt",)
    assert list(Path(fresh.work_folder).iterdir()) == [foreign]


def test_nothing_is_removed_under_a_job_or_a_run(ready: Device) -> None:
    session = open_session(ready, on_lost=lambda _error: None)
    try:
        with pytest.raises(LeaseLostError, match="a run is connected"):
            unprovision(ready)
    finally:
        session.close()
    with (Path(ready.work_folder) / "slots" / "0.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LeaseLostError, match="a job runs on slot 0"):
            unprovision(ready)
    assert Path(ready.work_folder, "env", "current", "bin", "python").exists()


@pytest.mark.parametrize("written", ["{0}/", "{0}/../closet", "{0}/../link"])
def test_a_run_is_seen_however_its_folder_was_written(fresh: Device, written: str) -> None:
    able = replace(fresh, python=sys.executable)
    contact(able)
    root = Path(fresh.work_folder)
    (root.parent / "link").symlink_to(root)
    session = open_session(replace(able, work_folder=written.format(root)), on_lost=lambda _error: None)
    try:
        with pytest.raises(Refused, match="a run is connected"):
            remove(root)
    finally:
        session.close()
    assert (root / "jobs").exists()


def test_other_users_cannot_look_in(ready: Device) -> None:
    """The folder was there, and everybody could write to it."""
    assert Path(ready.work_folder).stat().st_mode & 0o022 == 0, "nobody may slip a program under our name"
    for path in Path(ready.work_folder).iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_folder_that_everybody_writes_to_is_refused(fresh: Device) -> None:
    Path(fresh.work_folder).mkdir(parents=True)
    Path(fresh.work_folder).chmod(0o1777)
    with pytest.raises(DeviceUnhealthyError, match="not one that belongs to this user alone"):
        open_session(replace(fresh, python=sys.executable), on_lost=lambda _error: None)
    assert list(Path(fresh.work_folder).iterdir()) == []


# ---- somebody's folder -----------------------------------------------------------------------------------------------

THEIRS = ("blobs", "cache", "code", "env", "jobs")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody's folder, whose subfolders are called as ours are."""
    for name in THEIRS:
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / "thesis.txt").write_text("ten years")
    return tmp_path / "home"


def test_a_folder_of_somebodys_is_neither_used_nor_removed(worker: EmulatedDevice, home: Path, pantry: Pantry) -> None:
    before = {path: path.lstat().st_mtime_ns for path in [home, *home.rglob("*")]}
    device = replace(worker.device, work_folder=str(home))
    for attempt in (
        lambda: contact(device),
        lambda: provision(device, pantry.sources("1.0"), python=sys.executable),
        lambda: unprovision(device),
    ):
        with pytest.raises(DeviceUnhealthyError, match="the work folder is somebody else's") as caught:
            attempt()
        told = caught.value
        assert device.name in told.where
        assert str(home) in told.problem
        assert f"if {home} is ours, make an empty file {MARKER} in it" in told.remedy
    with pytest.raises(Refused, match="is not ours"):
        remove(home)
    assert {path: path.lstat().st_mtime_ns for path in [home, *home.rglob("*")]} == before


@pytest.mark.parametrize("name", ["agent-0123456789abcdef.pyz", "agent-0123456789abcdef.pyz.4711", MARKER])
def test_a_folder_of_ours_is_known_by_the_marker_or_by_an_agent(worker: EmulatedDevice, home: Path, name: str) -> None:
    (home / name).touch()
    (home / "blobs" / "thesis.txt").unlink()
    device = replace(worker.device, work_folder=str(home))
    contact(device)
    assert (home / MARKER).exists(), "from now on it is known by that"
    assert (home / "code" / "thesis.txt").exists()
    assert unprovision(device) == ()
    assert not home.exists()


@pytest.mark.parametrize("name", ["agent.pyz", "agent-smith", "my-agent-0123456789abcdef.pyz"])
def test_what_only_looks_like_an_agent_makes_no_folder_ours(worker: EmulatedDevice, home: Path, name: str) -> None:
    (home / name).touch()
    with pytest.raises(DeviceUnhealthyError, match="somebody else's"):
        contact(replace(worker.device, work_folder=str(home)))


def test_an_empty_folder_may_be_used(worker: EmulatedDevice, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    contact(replace(worker.device, work_folder=str(tmp_path / "empty")))
    assert (tmp_path / "empty" / MARKER).read_bytes() == b""


# ---- which Python ----------------------------------------------------------------------------------------------------


def pretend_python(path: Path, **changes: object) -> str:
    """A program that answers the survey as a Python would that is not here."""
    said = {
        "executable": str(path), "base": str(path), "implementation": "cpython", "python": [3, 12, 3],
        "machine": "x86_64", "libc": "glibc 2.39", "is_64_bit": True, "free_threaded": False, "free_bytes": 10**10,
        "env": None, "wanted": str(path), **changes,
    }  # fmt: skip
    path.write_text(f"#!/bin/sh\ncat <<'EOF'\nWelcome!\n{json.dumps(said)}\nEOF\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"python": [3, 8, 10]}, "Python 3.8.10 is not at least 3.11"),
        ({"libc": "musl 1.2"}, "its C library is not glibc"),
        ({"libc": ""}, "its C library is not glibc"),
        ({"machine": "riscv64"}, "no wheels for riscv64"),
        ({"implementation": "pypy"}, "not CPython"),
    ],
)
def test_a_python_that_will_not_do_is_named_with_the_reason(
    fresh: Device, pantry: Pantry, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(DeviceUnhealthyError, match=reason):
        provision(fresh, pantry.sources("1.0"), python=pretend_python(tmp_path / "python", **changes))


@pytest.mark.parametrize("changes", [{"python": "3.12"}, {"python": [1]}, {"libc": 7}, {"machine": ["x"] * 1000}])
def test_a_python_that_talks_nonsense_is_none(
    fresh: Device, pantry: Pantry, tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(DeviceUnhealthyError):
        provision(fresh, pantry.sources("1.0"), python=pretend_python(tmp_path / "python", **changes))


@pytest.mark.parametrize(
    "text",
    [
        '"libc": "glibc 2.3000000"', '"libc": null', '"free_bytes": null', '"free_bytes": "much"', '"free_bytes": -1',
        '"free_bytes": Infinity', '"free_bytes": NaN', '"free_bytes": 1e400', '"python": [3, 12, 1e400]',
        '"python": {}', '"python": [3, 12, 1000000000000]', '"executable": {}',
    ],
)  # fmt: skip
def test_whatever_a_device_says_of_its_python_is_bounded(
    fresh: Device, pantry: Pantry, tmp_path: Path, text: str
) -> None:
    program = Path(pretend_python(tmp_path / "python"))
    program.write_text(program.read_text().replace('"env": null', text))
    assert text in program.read_text()
    with pytest.raises(DeviceUnhealthyError) as caught:
        provision(fresh, pantry.sources("1.0"), python=str(program))
    assert fresh.name in caught.value.where


@pytest.mark.parametrize("text", ["", ', "env": 7', ', "env": {"key": [], "base": 7}', ', "env": {"base": {}}'])
def test_an_environment_that_is_not_understood_is_none(fresh: Device, tmp_path: Path, text: str) -> None:
    program = Path(pretend_python(tmp_path / "python"))
    program.write_text(program.read_text().replace(', "env": null', text))
    connection = connect(fresh, Deadline.after(20.0))
    try:
        survey = take_survey(connection, fresh.work_folder, (str(program),))
    finally:
        connection.close()
    assert (survey.environment, survey.environment_base, survey.free_bytes) == ("", "", 10**10)


def test_one_that_is_not_there_is_said(fresh: Device, pantry: Pantry) -> None:
    with pytest.raises(DeviceUnhealthyError, match="/no/such/python cannot be used: it does not run"):
        provision(fresh, pantry.sources("1.0"), python="/no/such/python")


def test_one_is_found_when_none_is_named(fresh: Device, pantry: Pantry) -> None:
    try:
        done = provision(fresh, pantry.sources("1.0"))
    except DeviceUnhealthyError as error:
        pytest.skip(f"no Python is found on this machine: {error.problem}")
    assert done.target.machine == os.uname().machine


# ---- the car is on ---------------------------------------------------------------------------------------------------


@pytest.fixture
def is_offroad(worker: EmulatedDevice) -> Iterator[Path]:
    """The emulated device is in a car, which is off until "0" is written to this."""
    system = worker.root / "system"
    params = system / "data" / "params" / "d"
    params.mkdir(parents=True)
    (params / "IsOffroad").write_text("1")
    (system / "proc" / "700").mkdir(parents=True)
    (system / "proc" / "700" / "cmdline").write_bytes(b"python3\0./manager.py\0")
    yield params / "IsOffroad"
    shutil.rmtree(system)


@pytest.fixture
def onroad(is_offroad: Path) -> None:
    is_offroad.write_text("0")


@pytest.mark.usefixtures("onroad")
def test_a_device_that_is_driven_is_left_as_it_is(ready: Device, pantry: Pantry) -> None:
    with pytest.raises(OnroadError, match="onroad since 20"):
        provision(ready, pantry.sources("2.0"), python=sys.executable)
    with pytest.raises(OnroadError, match="onroad since 20"):
        unprovision(ready)
    assert Path(ready.work_folder, "env", "current", "bin", "python").exists()


def test_wheels_are_sent_no_further_when_the_car_is_switched_on(
    fresh: Device, pantry: Pantry, is_offroad: Path
) -> None:
    def say(line: str) -> None:
        if line.startswith("sending 1/"):
            is_offroad.write_text("0")

    with pytest.raises(OnroadError, match="onroad since 20"):
        provision(fresh, pantry.sources("1.0"), python=sys.executable, say=say)
    assert list(Path(fresh.work_folder, "blobs").iterdir()) == []


# ---- wheels ----------------------------------------------------------------------------------------------------------

HERE = Target((3, 11, 7), "x86_64", (2, 28))


def test_a_wheelhouse_is_kept_and_checked_whenever_it_is_used(pantry: Pantry, tmp_path: Path) -> None:
    lock, wheels = pantry.folder / "1.0.lock", pantry.folder / "wheels"
    said, say = steps()
    first = open_wheelhouse(tmp_path, lock, HERE, source=wheels, say=say)
    assert sorted(wheel.path.name for wheel in first.wheels) == [
        "little_tool-1.0-py3-none-any.whl",
        "other-1.0-py3-none-any.whl",
    ]
    assert first.imports == ("little_tool", "other")
    assert said
    said.clear()
    assert open_wheelhouse(tmp_path, lock, HERE, offline=True, say=say) == first
    assert not said
    make_wheel(first.wheels[0].path.parent, "little_tool", {"little_tool/__init__.py": b"import evil"})
    with pytest.raises(ConfigError, match=r"no wheels for cp311 x86_64 glibc 2\.28 are kept here"):
        open_wheelhouse(tmp_path, lock, HERE, offline=True)
    assert open_wheelhouse(tmp_path, lock, HERE, source=wheels, say=say) == first
    assert not list(tmp_path.glob("*.part"))


def test_another_python_is_another_wheelhouse(pantry: Pantry, tmp_path: Path) -> None:
    keys = {
        open_wheelhouse(tmp_path, pantry.folder / "1.0.lock", target, source=pantry.folder / "wheels").key
        for target in (HERE, replace(HERE, python=(3, 12, 1)))
    }
    assert len(keys) == 2


def test_wheels_that_are_not_there_or_other_ones_are_not_taken(pantry: Pantry, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pip cannot fetch the wheels"):
        open_wheelhouse(tmp_path / "a", pantry.folder / "1.0.lock", HERE, source=tmp_path)
    make_wheel(tmp_path / "forged", "little_tool", {"little_tool/__init__.py": b"import evil"})
    make_wheel(tmp_path / "forged", "other", {"other.py": b""})
    with pytest.raises(ConfigError, match="pip cannot fetch the wheels"):
        open_wheelhouse(tmp_path / "a", pantry.folder / "1.0.lock", HERE, source=tmp_path / "forged")
    with pytest.raises(ConfigError, match="no such folder"):
        open_wheelhouse(tmp_path / "a", pantry.folder / "1.0.lock", HERE, source=tmp_path / "nowhere")
    assert not list((tmp_path / "a").iterdir())


def test_what_pip_says_of_an_index_is_told_without_its_password(
    pantry: Pantry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    nobody = "127.0.0.1:1"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://lab:sesame-open@{nobody}")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ConfigError, match="pip cannot fetch the wheels") as caught:
        open_wheelhouse(tmp_path, pantry.folder / "1.0.lock", HERE)
    assert "sesame" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif("CLOSET_TEST_INDEX" not in os.environ, reason="CLOSET_TEST_INDEX=1 fetches wheels from your index")
@pytest.mark.parametrize("python", [(3, 11, 2), (3, 12, 3)])
def test_an_index_has_all_that_a_comma_device_needs(tmp_path: Path, python: tuple[int, int, int]) -> None:
    from harness.closet.provision.requirements import WORKER_LOCK, load_requirements  # noqa: PLC0415

    found = open_wheelhouse(tmp_path, WORKER_LOCK, Target(python, "aarch64", (2, 31)))
    assert len(found.wheels) == len(load_requirements())
    assert any("aarch64" in wheel.path.name for wheel in found.wheels)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    return folder


def unpacked(wheel: Path, environment: Path) -> None:
    unpack_wheel(wheel, hashlib.sha256(wheel.read_bytes()).hexdigest(), environment)


@pytest.mark.parametrize(
    "name",
    ["../outside.py", "/outside.py", "a/../../outside.py", "a\\..\\outside.py", "evil-1.0.data/purelib/../../../../x"],
)
def test_a_wheel_cannot_write_outside(tmp_path: Path, environment: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    wheel = make_wheel(tmp_path, "evil", {name: b"x"})
    with pytest.raises(Refused, match="a wheel has a file"):
        unpacked(wheel, environment)
    assert sorted({*tmp_path.rglob("*")} - {wheel}) == before


def test_a_wheel_whose_files_are_not_those_it_records_is_refused(tmp_path: Path, environment: Path) -> None:
    wheel = make_wheel(tmp_path, "evil", {"evil.py": b"x"}, record={"evil.py": recorded(b"y")})
    with pytest.raises(Refused, match=r"evil\.py is not what its wheel records"):
        unpacked(wheel, environment)


def test_what_is_no_wheel_is_refused(tmp_path: Path, environment: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bare.whl", "w") as archive:
        archive.writestr("a.py", b"")
    with pytest.raises(Refused, match="no record"):
        unpacked(tmp_path / "bare.whl", environment)
    (tmp_path / "none.whl").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(Refused, match="damaged"):
        unpacked(tmp_path / "none.whl", environment)
    wheel = make_wheel(tmp_path, "good", {"good.py": b""})
    with pytest.raises(Refused, match="is damaged on the device"):
        unpack_wheel(wheel, "0" * 64, environment)


def test_a_wheel_that_would_fill_the_disk_is_refused_before_it_does(tmp_path: Path, environment: Path) -> None:
    wheel = make_wheel(tmp_path, "bomb", {"bomb.py": b"small"})
    content = bytearray(wheel.read_bytes())
    place = content.rindex(b"PK\x01\x02", 0, content.rindex(b"bomb.py"))
    content[place + 24 : place + 28] = (0xFFFFFFF0).to_bytes(4, "little")  # the size that the directory promises
    wheel.write_bytes(content)
    with pytest.raises(Refused, match=r"damaged|larger than 4 GiB"):
        unpacked(wheel, environment)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_too_small_is_said_before_anything_is_sent(
    fresh: Device, pantry: Pantry, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "closet-test", disk], check=True)
    try:
        small = replace(fresh, work_folder=str(disk / "closet"))
        with pytest.raises(StagingFailedError, match=r"disk full: 1[0-9] MB free of 6[0-9] MB needed"):
            provision(small, pantry.sources("1.0"), python=sys.executable)
        assert eventually(lambda: not processes_with(str(disk)))
    finally:
        assert eventually(
            lambda: subprocess.run(["umount", disk], check=False, stderr=subprocess.DEVNULL).returncode == 0
        )
