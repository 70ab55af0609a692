from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from harness.files import atomic_writer, file_sha256, lock_folder, write_bytes, write_text


def test_digest(tmp_path):
    content = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(content)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_written_whole_with_folders_made(tmp_path):
    path = tmp_path / "deep" / "er" / "file"
    write_text(path, "größer")
    assert path.read_bytes() == "größer".encode()
    write_bytes(path, b"again")
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
    assert path.read_bytes() == b"again"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_ends_badly_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_writer(path) as stream:
            stream.write(b"half of the new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / "file"
    with atomic_writer(path) as stream:
        stream.write(b"x" * 5_000_000)
        stream.flush()
        assert not path.exists()
    assert path.stat().st_size == 5_000_000


WRITER = """
import sys, itertools
from pathlib import Path
from harness.files import write_bytes
print("ready", flush=True)
for n in itertools.count():
    write_bytes(Path(sys.argv[1]), bytes([n % 251]) * 300_000)
"""


def test_a_kill_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\0" * 300_000)
    rng = random.Random(3)
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.02))  # the random moment is what is tested
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate(timeout=30)
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1


def test_a_folder_is_shared_or_held_alone_and_nobody_waits_for_ever(tmp_path):
    def refused(**how: bool) -> None:
        with pytest.raises(TimeoutError, match="does not let go"), lock_folder(tmp_path, **how, wait_s=0.05):
            pass

    with lock_folder(tmp_path, shared=True), lock_folder(tmp_path, shared=True, wait_s=0.0):
        refused()
    with lock_folder(tmp_path, wait_s=0.0):
        refused()
        refused(shared=True)
