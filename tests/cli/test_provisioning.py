"""closet devices add and provision, given as a person gives them."""

from __future__ import annotations

import os
import pty
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from harness.cli import main
from harness.closet.emulator import EmulatedDevice, emulated_closet, write_key
from harness.closet.provision.enrolment import fetch_host_key, parse_model
from harness.closet.transport import fingerprint
from harness.config import load_fleet
from harness.domain import DeviceKind, Health
from harness.errors import UnreachableError
from harness.pipeline.runs import closet_home
from harness.pipeline.shelf import open_shelf
from tests.closet.made_wheels import make_wheel, write_lock


@dataclass(frozen=True, slots=True)
class Desk:
    """Where somebody stands, and what they say."""

    worker: EmulatedDevice
    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def shown(self) -> str:
        """The fingerprint that the device shows."""
        return fingerprint(self.worker.device.host_key)

    def closet(self, *arguments: object) -> tuple[int, str, str]:
        self.capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self.capture.readouterr()
        return code, out, err

    def add(self, *options: object, name: str = "mici-01") -> tuple[int, str, str]:
        device = self.worker.device
        place = ("--port", device.port, "--key", device.key_path, "--work-folder", device.work_folder)
        return self.closet("devices", "add", name, "127.0.0.1", *place, *options)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedDevice]:
    with emulated_closet(1, tmp_path_factory.mktemp("worker")) as closet:
        (member,) = closet.members
        model = member.root / "system/sys/firmware/devicetree/base/model"
        model.parent.mkdir(parents=True)
        model.write_bytes(b"comma mici\0")
        (member.root / "system" / "proc").mkdir()
        yield member


@pytest.fixture
def desk(
    worker: EmulatedDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOSET_HOME", raising=False)
    return Desk(worker, tmp_path, capsys)


def test_a_device_is_added_with_what_it_says_of_itself(desk: Desk) -> None:
    code, out, _ = desk.add("--fingerprint", desk.shown, "--tag", "bench", "--slots", 2)
    assert code == 0
    assert f"ssh-ed25519 {desk.shown}" in out
    assert "closet devices provision mici-01" in out
    (device,) = load_fleet(Path("devices.yaml")).devices
    assert (device.kind, device.tags, device.slots, device.python) == (DeviceKind.MICI, ("bench",), 2, "")
    assert device.host_key == desk.worker.device.host_key


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "nobody is there to confirm the host key"),
        (("--fingerprint", "SHA256:" + "A" * 43), 3, "another host key: expected SHA256:AAAA"),
        (("--fingerprint", "{shown}", "--kind", "tizi"), 2, "it says that it is a mici"),
        (("--fingerprint", "{shown}", "--user", "root"), 3, "may not log in"),
        (("--fingerprint", "{shown}", "--key", "{other}"), 3, "may not log in"),
        (("--fingerprint", "{shown}", "--key", "nowhere"), 2, "no private key there"),
    ],
)
def test_what_is_not_right_is_not_written(
    desk: Desk, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    other = write_key(tmp_path / "other")
    told = desk.add(*(option.format(shown=desk.shown, other=other) for option in options))
    assert told[0] == code
    assert said in told[2]
    assert not Path("devices.yaml").exists()


def test_a_name_that_is_there_is_refused_before_anything_is_asked(desk: Desk) -> None:
    desk.add("--fingerprint", desk.shown)
    before = Path("devices.yaml").read_text()
    code, out, err = desk.add("--fingerprint", desk.shown)
    assert (code, out) == (2, "")
    assert "there is a device mici-01" in err
    code, _, err = desk.add("--fingerprint", desk.shown, name="mici-02")
    assert code == 2
    assert "is there as mici-01" in err
    assert Path("devices.yaml").read_text() == before


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 3), (b"\n", 3)])
def test_at_a_terminal_a_person_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: bytes, code: int) -> None:
    person, terminal = pty.openpty()
    with os.fdopen(terminal) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        os.write(person, answer)
        told, out, _ = desk.add()
        monkeypatch.undo()
    os.close(person)
    assert told == code
    assert f"{desk.shown}\nIs that what the device itself says" in out
    assert Path(desk.folder, "devices.yaml").exists() is (code == 0)


def test_an_environment_without_what_a_replay_needs_is_found_out_by_the_canary(desk: Desk, tmp_path: Path) -> None:
    desk.add("--fingerprint", desk.shown)
    text = Path("devices.yaml").read_text()
    Path("devices.yaml").write_text(text + "    python: /usr/bin/python3\n")
    wheel = make_wheel(tmp_path / "wheels", "little", {"little.py": b""})
    lock = write_lock(tmp_path / "lock", wheel)
    given = ("--python", sys.executable, "--wheelhouse", tmp_path / "wheels", "--requirements", lock)
    code, out, err = desk.closet("devices", "provision", "mici-01", *given)
    assert code == 3, (out, err)
    assert "`python` of mici-01 taken out" in out
    assert Path("devices.yaml").read_text() == text
    assert "mici-01: ready, 0 MB sent" in out
    assert "lacks something" in out
    code, out, _ = desk.closet("devices", "provision", "mici-01", "--requirements", lock, "--force-offline")
    assert (code, "mici-01: is suspect; " in out, "lacks something" in out) == (3, True, True), "not well, so looked at"
    with open_shelf(closet_home(), load_fleet(Path("devices.yaml"))) as shelf:
        shelf.set_health("mici-01", Health.HEALTHY, reason="mended", by="a person", by_person=True)
    code, out, _ = desk.closet("devices", "provision", "mici-01", "--requirements", lock, "--force-offline")
    assert (code, "mici-01: nothing to do; " in out) == (0, True)
    foreign = Path(desk.worker.device.work_folder, "notes")
    foreign.touch()
    code, out, _ = desk.closet("devices", "provision", "mici-01", "--remove")
    assert (code, out) == (0, "mici-01: removed; not ours, and left: notes\n")
    foreign.unlink()
    code, out, _ = desk.closet("devices")
    assert code == 3
    assert re.search(r"^mici-01  mici  unknown ", out, re.MULTILINE)
    assert "not provisioned" in out
    assert "closet devices provision mici-01" in out
    assert "ready" not in out
    assert list(Path(desk.worker.device.work_folder).iterdir()) == [], "looking brings nothing back"
    code, out, _ = desk.closet("devices", "--no-contact")
    assert (code, "not provisioned: closet devices provision mici-01" in out) == (0, True)


@pytest.mark.parametrize("folder", ["/", "/data/../home", "closet"])
def test_a_work_folder_that_could_be_anywhere_is_refused(desk: Desk, folder: str) -> None:
    code, _, err = desk.closet("devices", "add", "mici-01", "127.0.0.1", "--work-folder", folder)
    assert (code, "is no folder by its full path" in err) == (2, True)
    assert not Path("devices.yaml").exists()


def test_a_device_that_is_not_there_cannot_be_provisioned(desk: Desk) -> None:
    desk.add("--fingerprint", desk.shown)
    code, _, err = desk.closet("devices", "provision", "mici-07")
    assert code == 2
    assert "no device mici-07 (one of mici-01; or add it)" in err


# ---- parts -----------------------------------------------------------------------------------------------------------


def test_a_host_key_is_seen_without_logging_in(worker: EmulatedDevice) -> None:
    shown = fetch_host_key("127.0.0.1", worker.device.port)
    assert shown.text == worker.device.host_key
    assert shown.kind == "ssh-ed25519"
    key = paramiko.Ed25519Key.from_private_key_file(str(worker.device.key_path))
    assert fingerprint(f"{key.get_name()} {key.get_base64()}") == key.fingerprint


def test_no_server_no_key() -> None:
    with pytest.raises(UnreachableError, match="no answer"):
        fetch_host_key("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (b"comma mici\0", DeviceKind.MICI),
        (b"comma tizi\0", DeviceKind.TIZI),
        (b"comma tici", DeviceKind.TICI),
        (b"Qualcomm Technologies, Inc. comma tizi\0", DeviceKind.TIZI),
        (b"Raspberry Pi 5 Model B\0", None),
        (b"comma emulated\0", None),
        (b"mici", None),
        (b"", None),
        (b"\xff" * 100, None),
    ],
)
def test_the_kind_is_the_end_of_the_device_trees_model(model: bytes, kind: DeviceKind | None) -> None:
    assert parse_model(model) is kind
