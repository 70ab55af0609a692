"""Workers that can be killed, frozen and unplugged: emulated ones, and OpenSSH servers in namespaces of their own."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from harness.closet.agent.scratch import clear_scratch
from harness.closet.agent.selfcheck import scratch_prefix
from harness.closet.emulator import write_key
from harness.domain import Device, DeviceKind
from tests.chaos.crooked import CrookedPython
from tests.chaos.link import Link, Loop, open_link
from tests.chaos.processes import carrying, carrying_prefix, in_namespace_of, tell, with_argument
from tests.openssh import SSHD, banner, own_home, why_silent

ROOT = Path(__file__).parents[2]
INIT = Path(__file__).with_name("init.py")
SCRATCH = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108 where jobs put what is temporary, seen from here too
MAX_SESSIONS = 10  # what sshd allows when it is told nothing


class Worker(ABC):
    """One worker below `folder`, behind a link. `start` it before use, `end` it afterwards."""

    def __init__(self, name: str, folder: Path, loop: Loop) -> None:
        self.name, self.folder = name, folder
        self.work_folder = folder / "disk" / "closet"
        self.crooked = CrookedPython(folder / "python")
        self.client_key = write_key(folder / "client_key")
        self.host_key = write_key(folder / "host_key")
        self._loop = loop
        self.link: Link = open_link(loop, ("127.0.0.1", 1))
        self.process: subprocess.Popen[bytes] | None = None
        self.special = False  # started otherwise than the next scenario may want it

    @property
    def view(self) -> Path:
        """Its work folder, as it can be reached from here."""
        return self.work_folder

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        return self.process is not None and self.process.poll() is None

    def device(self, slots: int) -> Device:
        """What the pool is told of it."""
        return Device(
            name=self.name,
            kind=DeviceKind.EMULATED,
            address="127.0.0.1",
            port=self.link.port,
            user=self.user,
            key_path=str(self.client_key),
            host_key=" ".join(self.host_key.with_suffix(".pub").read_text().split()[:2]),
            work_folder=str(self.work_folder),
            python=str(self.crooked.executable),
            slots=slots,
        )

    @property
    @abstractmethod
    def user(self) -> str:
        """Who logs in."""

    @abstractmethod
    def start(self) -> None:
        """Switch on, and wait until it answers."""

    @abstractmethod
    def everything(self) -> list[int]:
        """All its processes."""

    @abstractmethod
    def guests(self) -> list[int]:
        """Its processes that are there because somebody logged in."""

    def agents(self) -> list[int]:
        """Running agents."""
        return [pid for pid in with_argument(f"{self.work_folder}/agent-") if pid in self.everything()]

    def jobs(self) -> list[int]:
        """Processes of jobs."""
        return carrying_prefix(f"CLOSET_JOB={self.work_folder}/")

    def started(self) -> set[str]:
        """The folders of jobs that are there now."""
        try:
            return set(os.listdir(self.view / "jobs"))  # noqa: PTH208 asked thirty times a second
        except OSError:
            return set()

    def power_cut(self) -> None:
        """Every process gone at once."""
        if self.process is None:
            return
        tell(self.everything(), signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.link.cut()

    def freeze(self) -> None:
        """Nothing of it runs on, its connections stay."""
        tell(self.everything(), signal.SIGSTOP)

    def thaw(self) -> None:
        """All of it runs again."""
        tell(self.everything(), signal.SIGCONT)

    def plug(self, *, into: bool) -> None:
        """The network cable, where there is one."""
        raise NotImplementedError(f"{self.name} has no cable that could be pulled or plugged {into}")

    def end(self) -> None:
        """Switch off and tidy up; it can be started again."""
        if self.process is not None:
            self.thaw()
            tell(self.everything(), signal.SIGKILL)
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    stream.close()
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """For good."""
        self.end()
        self._loop.call(self.link.close())

    def wipe(self) -> None:
        """As good as new, and well-behaved."""
        self.link.reset()
        self.crooked.behave()
        clear_scratch(scratch_prefix(self.work_folder))
        shutil.rmtree(self.folder / "disk", ignore_errors=True)
        self.work_folder.parent.mkdir(parents=True)

    def _await(self, process: subprocess.Popen[bytes]) -> bytes:
        """A line of its output."""
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            log = self.folder / "sshd.log"
            said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            raise RuntimeError(f"{self.name} does not start: exit {process.wait()}\n{said}")
        return line


class EmulatedWorker(Worker):
    """The emulator that ships: asyncssh on loopback."""

    @property
    def user(self) -> str:
        return "comma"

    @property
    def _home(self) -> Path:
        return self.folder / "disk"

    def start(self) -> None:
        self.end()
        self._home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "harness.closet.emulator_server", "--root", str(self._home)]
        command += ["--host-key", str(self.host_key), "--client-key", str(self.client_key.with_suffix(".pub"))]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "CLOSET_THREADS": "1", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        self.link.address = ("127.0.0.1", int(json.loads(self._await(self.process))["port"]))

    def everything(self) -> list[int]:
        return [*([self.process.pid] if self.process is not None and self.running else []), *self.guests()]

    def guests(self) -> list[int]:
        return carrying(f"CLOSET_EMULATED={self._home}")


class BoxedWorker(Worker):
    """OpenSSH in network, process and mount namespaces, at the other end of a virtual cable. Needs root."""

    def __init__(self, name: str, folder: Path, loop: Loop, number: int) -> None:
        super().__init__(name, folder, loop)
        self._number = number
        self._here = self._there = ""
        self._cable = f"cl{os.getpid()}n{number}"
        self.max_sessions = MAX_SESSIONS
        self.disk_bytes = 0

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def view(self) -> Path:
        if not self.disk_bytes or self.process is None:
            return self.work_folder
        return Path(f"/proc/{self._init()}/root{self.work_folder}") if self.running else self.work_folder

    def start(self) -> None:
        self.end()
        self._here, self._there = free_addresses(os.getpid() * 16 + self._number)
        config = self.folder / "sshd.config"
        config.write_text(
            f"HostKey {self.host_key}\nAuthorizedKeysFile {self.client_key}.pub\nListenAddress {self._there}\nPort 22\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\nMaxSessions {self.max_sessions}\nUseDNS no\n{own_home(self.folder)}"
        )
        self.work_folder.parent.mkdir(parents=True, exist_ok=True)
        disk = [str(self.work_folder.parent), str(self.disk_bytes)] if self.disk_bytes else []
        self.special = bool(disk) or self.max_sessions != MAX_SESSIONS
        flags = ["--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"]
        command = ["unshare", *flags, sys.executable, "-S", "-E", str(INIT), f"{self._there}/30", str(config), *disk]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self._await(self.process)
        self._ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", str(self._init()))
        self._ip("address", "add", f"{self._here}/30", "dev", self._cable)
        self._ip("link", "set", self._cable, "up")
        assert self.process.stdin is not None
        self.process.stdin.write(b"laid\n")
        self.process.stdin.flush()
        self._await(self.process)
        self.link.address = (self._there, 22)
        if not eventually(lambda: banner(self._there, 22).startswith("SSH-"), 20.0):
            raise RuntimeError(self._why_silent())

    def _why_silent(self) -> str:
        """Inside the server answered a moment ago: what lies between?"""
        ways = [("-br", "address"), ("route", "get", self._there), ("neighbour", "show", "to", self._there)]
        told = [subprocess.run(["ip", *way], capture_output=True, text=True, check=False).stdout for way in ways]
        return "\n".join([why_silent(self._there, 22, self._log), *told])

    @property
    def _log(self) -> Path:
        return self.folder / "sshd.log"

    def _init(self) -> int:
        """The first process inside, a child of `unshare`."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def everything(self) -> list[int]:
        return in_namespace_of(self._init()) if self.running else []

    def guests(self) -> list[int]:
        """Not the first process, and not the server that listens; all else came with somebody."""
        if not self.running:
            return []
        init = self._init()
        server = Path(f"/proc/{init}/task/{init}/children").read_text().split()[:1]
        return [pid for pid in self.everything() if pid != init and str(pid) not in server]

    def plug(self, *, into: bool) -> None:
        self._ip("link", "set", self._cable, "up" if into else "down")

    def power_cut(self) -> None:
        if self.running:
            self.plug(into=False)  # nothing is said on the way out
        super().power_cut()
        self._unlay()

    def end(self) -> None:
        super().end()
        self._unlay()

    def _unlay(self) -> None:
        """The kernel takes its time to remove the cable of a namespace that died."""
        subprocess.run(["ip", "link", "delete", self._cable], check=False, capture_output=True)

    def wipe(self) -> None:
        self.max_sessions, self.disk_bytes = MAX_SESSIONS, 0
        super().wipe()

    @staticmethod
    def _ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def free_addresses(number: int) -> tuple[str, str]:
    """Both ends of a cable that no other cable here has, whatever was left by whom.

    198.18.0.0/15 is reserved for benchmarks; each gets four addresses of it, those of `number` unless they are taken.
    """
    taken = subprocess.run(["ip", "-o", "-4", "address", "show"], capture_output=True, text=True, check=True).stdout
    for net in range(number, number + 32768):
        bits = net % 32768 * 4
        here, there = (f"198.{18 + (bits >> 16)}.{bits >> 8 & 255}.{(bits & 255) + end}" for end in (1, 2))
        if f" {here}/" not in taken:
            return here, there
    raise RuntimeError("all addresses are taken")


def boxes_possible() -> str:
    """Why no namespaces with OpenSSH can be had here; "" when they can."""
    if os.environ.get("CLOSET_CHAOS_BOXES") == "0":
        return "CLOSET_CHAOS_BOXES=0 wants no OpenSSH in namespaces"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if not SSHD.exists():
        return f"no {SSHD}"
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            return f"no {program}"
    lay = ["ip", "link", "add", "t0", "type", "veth", "peer", "name", "t1"]
    flags = ["--net", "--pid", "--mount", "--fork"]
    tried = subprocess.run(["unshare", *flags, *lay], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces: {tried.stderr.strip()}"


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition becomes true before the deadline."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
