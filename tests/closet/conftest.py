"""Real devices for the tests: emulated ones, and Debian's OpenSSH server where it is installed."""

from __future__ import annotations

import getpass
import hashlib
import io
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.closet.emulator import emulated_closet, write_key
from harness.closet.pool import Pool, open_pool
from harness.closet.work import PoolEvent, Work, WorkOutcome
from harness.domain import Blob, Device, DeviceKind
from harness.shelf import Shelf
from tests.openssh import SSHD, banner, own_home, server_command, why_silent

_SERVERS: dict[tuple[str, int], Path] = {}  # OpenSSH servers that run, with their logs


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Whether the condition becomes true before the deadline."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def processes_with(text: str) -> list[int]:
    """Living processes with `text` in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and text.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@dataclass
class Bench:
    """A place where a test keeps blobs and results, and runs works."""

    folder: Path
    events: list[PoolEvent] = field(default_factory=list)
    count: int = 0
    shelf: Shelf | None = None

    def blob(self, content: bytes) -> Blob:
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return Blob(digest, len(content))

    def path(self, digest: str) -> Path:
        return self.folder / "store" / digest

    def code(self) -> Blob:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            entry = tarfile.TarInfo("little.py")
            entry.size = 9
            archive.addfile(entry, io.BytesIO(b"ANSWER=42"))
        return self.blob(stream.getvalue())

    def work(self, program: str, *, blobs: Sequence[Blob] = (), job_text: str = "{}", **changes: object) -> Work:
        """A work that runs a Python program; its id is unique among all tests."""
        self.count += 1
        name = hashlib.sha256(f"{self.folder}{self.count}".encode()).hexdigest()
        work = Work(name, DeviceKind.EMULATED, (), tuple(blobs), job_text, ("-c", program), self.code(), 1.0, 30.0)
        return replace(work, **changes)

    def run(
        self,
        works: Sequence[Work],
        devices: Sequence[Device],
        *,
        on_event: Callable[[PoolEvent], None] | None = None,
        stop: threading.Event | None = None,
        **options: object,
    ) -> dict[str, WorkOutcome]:
        def told(event: PoolEvent) -> None:
            self.events.append(event)
            if on_event is not None:
                on_event(event)

        with self.pool(devices, on_event=told, stop=stop or threading.Event(), **options) as pool:
            pool.submit(works)
            outcomes = list(pool.outcomes())
        assert len({outcome.work_id for outcome in outcomes}) == len(outcomes) == len(works)
        return {outcome.work_id: outcome for outcome in outcomes}

    def pool(self, devices: Sequence[Device], *, shelf: Shelf | None = None, **options: object) -> Pool:
        """A pool with a shelf of this bench's own, unless another is given."""
        if shelf is None:
            shelf = self.shelf = self.shelf or Shelf(self.folder / "shelf.db")
        given = {"run": "run", "on_event": self.events.append, "stop": threading.Event(), **options}
        return open_pool(devices, shelf=shelf, blob_path=self.path, destination=self.folder / "results", **given)

    def seen(self, kind: type) -> list[PoolEvent]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    if bench.shelf is not None:
        assert bench.shelf.leases() == ()
        assert bench.shelf.holders() == ()
        bench.shelf.close()


@contextmanager
def openssh(count: int, folder: Path) -> Iterator[tuple[Device, ...]]:
    """As many OpenSSH servers as asked for, run by whoever runs the tests, on ports of their own."""
    if not SSHD.exists():
        pytest.skip("no /usr/sbin/sshd: OpenSSH as a device is not tested here")
    client_key = write_key(folder / "client_key")
    shutil.copy(client_key.with_suffix(".pub"), folder / "authorized_keys")
    with ExitStack() as stack:
        devices = []
        for number in range(1, count + 1):
            name = f"openssh-{number:02d}"
            host_key = write_key(folder / f"{name}.host_key")
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            config = folder / f"{name}.config"
            config.write_text(
                f"HostKey {host_key}\nAuthorizedKeysFile {folder}/authorized_keys\nListenAddress 127.0.0.1\n"
                f"Port {port}\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
                "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\nUseDNS no\n"
                f"{own_home(folder)}"
            )
            log = _SERVERS["127.0.0.1", port] = folder / f"{name}.log"
            stack.callback(_SERVERS.pop, ("127.0.0.1", port))
            with log.open("ab") as stream:
                process = subprocess.Popen(server_command(config), stderr=stream, start_new_session=True)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            answers = eventually(lambda port=port: banner("127.0.0.1", port).startswith("SSH-"), 30.0)
            assert answers, why_silent("127.0.0.1", port, log)
            work_folder = folder / name
            work_folder.mkdir()
            devices.append(
                Device(
                    name,
                    DeviceKind.EMULATED,
                    "127.0.0.1",
                    port,
                    getpass.getuser(),
                    str(client_key),
                    " ".join(host_key.with_suffix(".pub").read_text().split()[:2]),
                    str(work_folder / "closet"),
                    sys.executable,
                )
            )
        yield tuple(devices)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What failed while OpenSSH servers ran tells what they said, and whether they still answer."""
    report = yield
    if report.failed and "openssh" in item.name:
        for (host, port), log in _SERVERS.items():
            report.sections.append(("OpenSSH", why_silent(host, port, log)))
    return report


@pytest.fixture(scope="session", params=["emulator", "openssh"])
def devices(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Device, ...]]:
    """Two devices, shared by the tests that do them no harm; afterwards nothing may be left on them."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "emulator":
            found = stack.enter_context(emulated_closet(2, folder)).devices
        else:
            found = stack.enter_context(openssh(2, folder))
        yield found
        for device in found:
            assert_clean(device)


def assert_clean(device: Device) -> None:
    """No process of any job, no job folder and no half of a file."""
    work = Path(device.work_folder)
    assert eventually(lambda: not processes_with(f"CLOSET_JOB={work}/")), "processes are left"
    if work.exists():
        assert eventually(lambda: not list((work / "jobs").iterdir())), "job folders are left"
        assert not list(work.rglob("*.part*")), "halves of files are left"
