"""A private PostgreSQL server for tests: on a Unix socket in a folder of its own, ended when the session ends."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

OWNER = "postgres"
_START_S = 60.0
_MEMORY = Path("/dev/shm")  # noqa: S108 a fresh folder is made in it
_ROOM_BYTES = 1 << 30


def binaries() -> Path | None:
    """The folder of the newest server's programs; None when there is no server, or no user that may run it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("pg_ctl")
    if not found and on_path is None:
        return None
    folder = found[-1].parent if found else Path(str(on_path)).resolve().parent
    if os.getuid() == 0 and OWNER not in {entry.pw_name for entry in pwd.getpwall()}:
        return None
    return folder if (folder / "initdb").exists() else None


@contextmanager
def server(programs: Path) -> Iterator[Path]:
    """The folder of a running server's socket. Its data is not made durable: it lives as long as the tests."""
    folder = Path(tempfile.mkdtemp(prefix="closet-pg-", dir=_MEMORY if _has_room(_MEMORY) else None))
    try:
        init_data(folder, programs)
        process = start(folder, programs, "listen_addresses=")
        try:
            wait_until_ready(folder, process)
            yield folder
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            process.wait(30)
    finally:
        shutil.rmtree(folder)


@contextmanager
def standing_still(folder: Path) -> Iterator[None]:
    """No process of the server moves meanwhile; its connections stay."""
    pids = server_processes(folder)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def server_processes(folder: Path) -> list[int]:
    """The server in `folder` and all its children."""
    first = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, children)]


def _has_room(folder: Path) -> bool:
    """True when the data can be kept in memory: thousands of small files, all thrown away."""
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM_BYTES


def init_data(folder: Path, programs: Path) -> None:
    """An empty database cluster in `folder`, which becomes the server's own."""
    folder.mkdir(exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(folder, OWNER, OWNER)
    words = ("-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", *words],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        **_as_owner(),
    )


def start(folder: Path, programs: Path, *more: str) -> subprocess.Popen[bytes]:
    """The server's process; `more` settings as NAME=VALUE."""
    # Of shared memory in files, so that a server that is killed leaves nothing outside its folder.
    shared = "dynamic_shared_memory_type=mmap"
    settings = ("fsync=off", f"unix_socket_directories={folder}", "max_connections=60", shared, *more)
    command = [
        programs / "postgres",
        "-D",
        folder / "data",
        *(part for setting in settings for part in ("-c", setting)),
    ]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **_as_owner())


def _as_owner() -> dict[str, Any]:
    """The server refuses to run as root."""
    return {"user": OWNER, "group": OWNER, "extra_groups": []} if os.getuid() == 0 else {}


def wait_until_ready(folder: Path, process: subprocess.Popen[bytes], port: int = 5432) -> None:
    """AssertionError with its log when it does not come up."""
    give_up_s = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(host=str(folder), port=port, user=OWNER, dbname="postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > give_up_s:
                raise AssertionError((folder / "log").read_text("utf-8", "replace")) from None
            time.sleep(0.02)
        else:
            return


def create_database(folder: Path, port: int = 5432) -> str:
    """The address of a new database of the server."""
    name = f"closet_{uuid.uuid4().hex}"
    with psycopg.connect(host=str(folder), port=port, user=OWNER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql://{OWNER}@/{name}?host={folder}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """The folder of a PostgreSQL server's socket; skipped, visibly, where no server is installed."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: install the package postgresql")
    with server(programs) as folder:
        yield folder


@pytest.fixture
def postgres_url(postgres_server: Path) -> str:
    """The address of a fresh database."""
    return create_database(postgres_server)
