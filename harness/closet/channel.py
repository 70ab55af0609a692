"""The orchestrator's side of the agent: questions with answers, a job's lines, and the heartbeat."""

from __future__ import annotations

import hashlib
import itertools
import json
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from harness.closet.agent.removal import AGENT, MARKER
from harness.closet.answers import device_error, parse_message, plain_text
from harness.closet.code_bundle import agent_bundle
from harness.closet.deadline import Deadline
from harness.closet.interpreter import NOT_PROVISIONED, interpreter
from harness.closet.remote_process import RemoteProcess
from harness.closet.transport import Connection
from harness.errors import (
    ClosetError,
    DeviceTimeoutError,
    DeviceUnhealthyError,
    UnreachableError,
)

LOST_AFTER_S = 10.0
SILENCE_S = 30.0
_PING_S = 5.0
_END_S = 10.0
_LINES_BURST, _LINES_PER_S = 200.0, 40.0
_SAID_BYTES = 64 * 1024
_LEAST_PYTHON = "(3, 11)"
_FOREIGN = "the work folder is somebody else's: "

# Runs on the device before anything of ours is there: takes the agent from stdin, checks it, becomes it. A folder with
# something in it is only used when it says that it is ours, because what lies in `jobs` and `blobs` there is removed.
_BOOT = f"""
import hashlib, os, re, sys
os.umask(0o077)
root, digest, size = os.path.expanduser(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if sys.version_info < {_LEAST_PYTHON}:
    sys.exit("python " + sys.version.split()[0] + " is too old, 3.11 or newer is needed")
data = b""
while len(data) < size and (piece := os.read(0, size - len(data))):
    data += piece
if hashlib.sha256(data).hexdigest() != digest:
    sys.exit("the agent did not arrive whole")
path = os.path.join(root, "agent-" + digest[:16] + ".pyz")
os.makedirs(root, exist_ok=True)
state = os.stat(root)
if state.st_uid != os.getuid() or state.st_mode & 0o1000:
    sys.exit("the work folder is not one that belongs to this user alone")
there = os.listdir(root)
if there and not any(name == {MARKER!r} or re.fullmatch({AGENT.pattern!r}, name) for name in there):
    sys.exit({_FOREIGN!r} + ascii(root) + " has files in it, and none says that it is ours")
if state.st_mode & 0o022:
    os.chmod(root, state.st_mode & ~0o022)
if {MARKER!r} not in there:
    try:
        os.close(os.open(os.path.join(root, {MARKER!r}), os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        if not there:
            raise  # one that has an agent of ours in it goes on without, on a full disk say
if not os.path.exists(path):
    part = path + "." + str(os.getpid())
    with open(part, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)
os.execv(sys.executable, [sys.executable, path, "serve", "--root", root, *sys.argv[4:]])
"""

JobMessage: TypeAlias = "dict[str, Any] | ClosetError"


class AgentLink:
    """A conversation with the agent on one device. Made by `start_agent`; thread-safe."""

    def __init__(
        self,
        process: RemoteProcess,
        where: str,
        agent_name: str,
        lost_after_s: float,
        on_lost: Callable[[ClosetError], None],
    ) -> None:
        self._process, self._where, self._lost_after_s, self._on_lost = process, where, lost_after_s, on_lost
        self.agent_name = agent_name
        self._numbers = itertools.count(1)
        self._lock, self._write_lock = threading.Lock(), threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[JobMessage]] = {}
        self._jobs: dict[str, queue.SimpleQueue[JobMessage]] = {}
        self._budgets: dict[str, tuple[float, float]] = {}  # lines a job may still say, and when that was
        self._closing = threading.Event()
        self._lost: ClosetError | None = None
        self._reader = threading.Thread(target=self._read, name=f"agent of {where}", daemon=True)
        self._reader.start()
        threading.Thread(target=self._ping, name=f"pings to {where}", daemon=True).start()

    def ask(self, request: str, deadline: Deadline, **fields: object) -> Any:
        """Send a request and wait for its answer; the error that the agent describes is raised here."""
        answers: queue.SimpleQueue[JobMessage] = queue.SimpleQueue()
        number = next(self._numbers)
        with self._lock:
            if self._lost is not None:
                raise self._lost
            self._answers[number] = answers
        try:
            self._send({"id": number, "do": request, **fields}, deadline)
            answer = answers.get(timeout=deadline.left_s)
        except queue.Empty:
            raise DeviceTimeoutError(
                f"the agent did not answer {request!r} in time",
                where=self._where,
                remedy="see whether the device hangs",
            ) from None
        finally:
            with self._lock:
                self._answers.pop(number, None)
        if isinstance(answer, ClosetError):
            raise answer
        if "error" in answer:
            raise device_error(answer["error"], self._where)
        return answer.get("ok")

    def listen(self, job: str) -> queue.SimpleQueue[JobMessage]:
        """What the agent says about one job from now on; an error when the device is lost."""
        messages: queue.SimpleQueue[JobMessage] = queue.SimpleQueue()
        with self._lock:
            if self._lost is not None:
                messages.put(self._lost)
            self._jobs[job] = messages
        return messages

    def ignore(self, job: str) -> None:
        """No more of that job."""
        with self._lock:
            self._jobs.pop(job, None)
            self._budgets.pop(job, None)

    def close(self) -> None:
        """End the agent, which ends its jobs, and wait until it is gone."""
        self._closing.set()
        try:
            self._process.end_of_input()
            self._reader.join(_END_S)
        except UnreachableError:
            pass  # gone already
        finally:
            self._process.close()

    def _send(self, value: dict[str, object], deadline: Deadline) -> None:
        with self._write_lock:
            self._process.write(json.dumps(value).encode() + b"\n", deadline)

    def _ping(self) -> None:
        while not self._closing.wait(_PING_S) and self._lost is None:
            try:
                self._send({"id": 0, "do": "ping"}, Deadline.after(self._lost_after_s))
            except ClosetError:
                return  # the reader says it

    def _read(self) -> None:
        try:
            deadline = Deadline.after(self._lost_after_s)
            while True:
                line = self._process.read_line(deadline)
                message = parse_message(line)
                if message is not None:  # else a login banner, say, which is no heartbeat
                    deadline = Deadline.after(self._lost_after_s)
                    self._deliver(message, len(line))
                elif deadline.passed:
                    raise DeviceTimeoutError("says nothing that is a message", where=self._where)
        except DeviceTimeoutError:
            self._lose(
                UnreachableError(
                    f"no heartbeat for {self._lost_after_s:.0f} s",
                    where=self._where,
                    remedy="see whether the device is up and its network works",
                )
            )
        except ClosetError as error:
            self._lose(error)

    def _deliver(self, message: dict[str, Any], size: int) -> None:
        """Put a message where it is waited for: an answer once, an end once, and of the rest no flood."""
        number, job = message.get("id"), message.get("job")
        receiver: queue.SimpleQueue[JobMessage] | None = None
        with self._lock:
            if isinstance(number, int):
                receiver = self._answers.pop(number, None)
            elif isinstance(job, str):
                over = "ended" in message
                if over or (size <= _SAID_BYTES and self._may_say(job)):
                    receiver = self._jobs.pop(job, None) if over else self._jobs.get(job)
        if receiver is not None:
            receiver.put(message)

    def _may_say(self, job: str) -> bool:
        """Whether a job has not said too much lately. An agent of ours says less."""
        if job not in self._jobs:
            return False
        left, at_s = self._budgets.get(job, (_LINES_BURST, 0.0))
        now_s = time.monotonic()
        left = min(_LINES_BURST, left + (now_s - at_s) * _LINES_PER_S)
        self._budgets[job] = (left - 1.0 if left >= 1.0 else left, now_s)
        return left >= 1.0

    def _lose(self, error: ClosetError) -> None:
        with self._lock:
            if self._lost is not None:
                return
            self._lost = error
            receivers = [*self._answers.values(), *self._jobs.values()]
        for receiver in receivers:
            receiver.put(error)
        if not self._closing.is_set():
            self._on_lost(error)


def start_agent(
    connection: Connection,
    deadline: Deadline,
    *,
    on_lost: Callable[[ClosetError], None],
    lost_after_s: float = LOST_AFTER_S,
    cache_bytes: int | None = None,
) -> AgentLink:
    """Bring the agent to the device and start it; DeviceUnhealthyError when it cannot run there."""
    agent = agent_bundle()
    digest = hashlib.sha256(agent).hexdigest()
    device = connection.device
    options = ["--silence-s", str(SILENCE_S)]
    if cache_bytes is not None:
        options += ["--cache-bytes", str(cache_bytes)]
    process = connection.run(
        [*interpreter(device), "-c", _BOOT, device.work_folder, digest, str(len(agent)), *options], deadline
    )
    try:
        process.write(agent, deadline)
        process.read_line(deadline)  # the first beat
    except UnreachableError as error:
        status = process.exit_status(deadline.within(1.0))
        said = (process.complaint().splitlines() or [""])[-1]
        process.close()
        if status is None:
            raise
        if said.startswith(_FOREIGN):
            raise DeviceUnhealthyError(
                plain_text(said),
                where=connection.where,
                remedy="name a folder as `work_folder` that is empty or not there yet; "
                f"if {device.work_folder} is ours, make an empty file {MARKER} in it",
            ) from error
        if said == NOT_PROVISIONED and not device.python:
            raise DeviceUnhealthyError(
                NOT_PROVISIONED,
                where=connection.where,
                remedy=f"closet devices provision {device.name}; or name the `python` there that its jobs shall use",
            ) from error
        raise DeviceUnhealthyError(
            f"the agent does not start: {plain_text(said) if said else f'exit {status}'}",
            where=connection.where,
            remedy="correct `python` (3.11 or newer) and `work_folder` of the device",
        ) from error
    except BaseException:
        process.close()
        raise
    return AgentLink(process, connection.where, f"agent-{digest[:16]}.pyz", lost_after_s, on_lost)
