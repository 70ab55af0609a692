from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.closet.code_bundle import agent_bundle
from harness.closet.deadline import Deadline
from harness.closet.staging import FileMover, result_path
from harness.closet.transport import connect
from harness.domain import Blob
from harness.errors import DataError, DeviceUnhealthyError, StagingFailedError


def soon() -> Deadline:
    return Deadline.after(10.0)


@pytest.fixture
def device_root(tmp_path: Path) -> Path:
    root = tmp_path / "device"
    (root / "blobs").mkdir(parents=True)
    (root / "jobs" / "j" / "out").mkdir(parents=True)
    (root / "agent.pyz").write_bytes(agent_bundle())
    return root


@pytest.fixture
def mover(devices, device_root: Path) -> Iterator[FileMover]:
    connection = connect(devices[0], soon())
    yield FileMover(connection, str(device_root / "agent.pyz"), str(device_root), soon())
    connection.close()


def test_there_and_back_bytes_stay_the_same(mover: FileMover, device_root: Path, tmp_path: Path) -> None:
    for size in (0, 1, 262_144, 5_000_001):
        content = os.urandom(size)
        blob = Blob(hashlib.sha256(content).hexdigest(), size)
        (tmp_path / "here").write_bytes(content)
        sent: list[int] = []
        mover.put(blob, tmp_path / "here", soon(), sent.append)
        assert sum(sent) == size
        stored = device_root / "blobs" / blob.sha256
        assert stored.read_bytes() == content
        stored.rename(device_root / "jobs" / "j" / "out" / "r")
        mover.get("j", "r", blob, tmp_path / "back", soon())
        assert (tmp_path / "back").read_bytes() == content


@pytest.mark.parametrize("promised", [Blob("0" * 64, 4), Blob(hashlib.sha256(b"real").hexdigest(), 5)])
def test_a_result_that_is_not_what_was_promised_is_not_kept(
    mover: FileMover, device_root: Path, tmp_path: Path, promised: Blob
) -> None:
    (device_root / "jobs" / "j" / "out" / "r").write_bytes(b"real")
    with pytest.raises(StagingFailedError, match="result r"):
        mover.get("j", "r", promised, tmp_path / "back" / "r", soon())
    assert not list(tmp_path.glob("back/*"))


def test_a_result_that_went_away_is_an_error_and_the_next_one_comes(
    mover: FileMover, device_root: Path, tmp_path: Path
) -> None:
    with pytest.raises(DeviceUnhealthyError, match="FileNotFoundError"):
        mover.get("j", "gone", Blob("0" * 64, 4), tmp_path / "back", soon())
    (device_root / "jobs" / "j" / "out" / "r").write_bytes(b"real")
    mover.get("j", "r", Blob(hashlib.sha256(b"real").hexdigest(), 4), tmp_path / "back", soon())
    assert (tmp_path / "back").read_bytes() == b"real"


def test_a_file_that_changed_here_is_the_datas_fault(mover: FileMover, device_root: Path, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"now")
    planned = Blob(hashlib.sha256(b"old").hexdigest(), 3)
    with pytest.raises(DataError, match="changed since the run was planned"):
        mover.put(planned, tmp_path / "here", soon(), lambda _count: None)
    assert not list((device_root / "blobs").glob("*")), "nothing half-right is kept there"


def test_a_file_that_shrank_here_is_the_datas_fault(mover: FileMover, device_root: Path, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"short")
    with pytest.raises(DataError, match="shorter than the 100 bytes"):
        mover.put(Blob("0" * 64, 100), tmp_path / "here", soon(), lambda _: None)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "..", "", ".", "a\0b"])
def test_a_device_cannot_name_a_place_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeviceUnhealthyError, match="names a result"):
        result_path(tmp_path, name, "mici-01")


@pytest.mark.parametrize("name", ["a", "a/b.txt", "..a", "a..b/c"])
def test_ordinary_names_stay_inside(tmp_path: Path, name: str) -> None:
    assert result_path(tmp_path, name, "mici-01").is_relative_to(tmp_path)
    assert result_path(tmp_path, name, "mici-01") == tmp_path / name
