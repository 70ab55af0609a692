"""A comma device's disk: what is left to its drives, and what goes for that."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from harness.closet.agent import files
from harness.closet.agent.cache import Cache
from harness.closet.agent.refusal import Refused
from harness.closet.agent.reserve import MARGIN_BYTES, drives_reserve
from tests.closet.test_agent import running, store

GB = 1 << 30
_Usage = namedtuple("_Usage", "total used free")  # as shutil says it


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work" / "code").mkdir(parents=True)
    (tmp_path / "work" / "cache").mkdir()
    store(tmp_path / "work", b"")
    return tmp_path / "work"


@pytest.fixture
def device(tmp_path: Path) -> Path:
    (tmp_path / "device" / "data" / "params" / "d").mkdir(parents=True)
    return tmp_path / "device"


def disk(monkeypatch: pytest.MonkeyPatch, root: Path, total: int, free: int) -> None:
    """A disk on which `free` bytes are free as long as the blobs are what they are now."""

    def blobs() -> int:
        return sum(path.stat().st_size for path in (root / "blobs").iterdir())

    before = blobs()

    def usage(_path: Path) -> _Usage:
        left = free + before - blobs()
        return _Usage(total, total - left, left)

    monkeypatch.setattr(shutil, "disk_usage", usage)


@pytest.mark.parametrize(("total", "kept"), [(20 * GB, 5 * GB), (50 * GB, 5 * GB), (110 * GB, 11 * GB)])
def test_more_is_left_than_makes_openpilot_delete_drives(
    root: Path, device: Path, monkeypatch: pytest.MonkeyPatch, total: int, kept: int
) -> None:
    disk(monkeypatch, root, total, total)
    assert drives_reserve(root, device) == kept + MARGIN_BYTES
    (device / "data/media/0/realdata").mkdir(parents=True)
    assert drives_reserve(root, device) == kept + MARGIN_BYTES


def test_nothing_is_left_where_no_drives_are(root: Path, device: Path) -> None:
    assert drives_reserve(root, root) == 0, "no comma device"
    (device / "data/media/0").mkdir(parents=True)
    (device / "data/media/0/realdata").symlink_to("/proc")
    assert drives_reserve(root, device) == 0, "another disk"


def test_an_emulated_device_has_its_hosts_disk(root: Path, device: Path) -> None:
    with running(root, environment={"CLOSET_DEVICE_ROOT": str(device)}) as agent:
        assert agent.ask("hello", slots=1)["ok"]["for_drives_bytes"] == 0


def test_our_own_goes_first_and_then_it_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = store(root, b"a" * 1000), store(root, b"b" * 1000)
    os.utime(root / "blobs" / old, (1, 1))
    os.utime(root / "blobs" / new, (2, 2))
    disk(monkeypatch, root, 100 * GB, 11 * GB)
    cache = Cache(root, 1 << 50, 11 * GB)
    try:
        assert cache.need("p", {"f" * 64: 900}) == ["f" * 64]
        assert not (root / "blobs" / old).exists()
        assert (root / "blobs" / new).exists()
        with pytest.raises(Refused) as caught:
            cache.need("q", {"e" * 64: 900}, 1200)
        assert not (root / "blobs" / new).exists(), "it went before anything was refused"
        answer = caught.value.answer
        assert answer["kind"] == "StagingFailedError"
        assert answer["problem"].startswith("disk full: 11811 MB free of 11812 MB needed, 11811 MB of them so that")
        assert "/data/media/0/realdata" in answer["remedy"]
    finally:
        cache.close()


def test_an_agent_that_starts_gives_back_what_the_drives_need(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = store(root, b"a" * 1000)
    disk(monkeypatch, root, 100 * GB, 11 * GB - 500)
    cache = Cache(root, 1 << 50, 11 * GB)
    try:
        cache.sweep()
        assert not (root / "blobs" / blob).exists()
    finally:
        cache.close()


def test_drives_that_fill_the_disk_meanwhile_are_left_alone(
    root: Path, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"c" * 3000
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "sent").write_bytes(content + b"next")
    monkeypatch.setattr(files, "device_root", lambda: device)

    def put() -> dict[str, Any]:
        with io.BufferedReader(io.FileIO(tmp_path / "sent")) as source:
            try:
                return files._put(root, digest, len(content), source)
            finally:
                assert source.read() == b"next", "the next request is found"

    disk(monkeypatch, root, 100 * GB, 10 * GB + len(content) - 1)
    with pytest.raises(Refused) as caught:
        put()
    assert "MB of them so that openpilot deletes no drives" in caught.value.answer["problem"]
    assert list((root / "blobs").glob("*part")) == []
    disk(monkeypatch, root, 100 * GB, 10 * GB + len(content))
    assert put() == {"ok": True}
    assert (root / "blobs" / digest).read_bytes() == content
