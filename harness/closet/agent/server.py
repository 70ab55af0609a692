"""Answers the requests of one orchestrator as JSON lines, beats once a second, and leaves nothing behind at the end.

When its input ends, or falls silent because the orchestrator's machine died, it kills what it started. A job that an
agent killed in cold blood left is ended by whichever agent starts next, or wants its slot.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.closet.agent import bounds
from harness.closet.agent.cache import Cache
from harness.closet.agent.job import Command, Job
from harness.closet.agent.orphans import end_orphan, slot_state, sweep_orphans
from harness.closet.agent.prelude import device_root, onroad, prelude, refusal, refuse_onroad
from harness.closet.agent.refusal import Refused, described
from harness.closet.agent.removal import FOLDERS
from harness.closet.agent.reserve import drives_reserve
from harness.closet.agent.selfcheck import scratch_prefix, selfcheck

_BEAT_S = 1.0
_PACKAGES = ("numpy", "onnxruntime", "av", "pycapnp", "zstandard", "opendbc", "PyYAML")


class Server:
    """The supervisor over `root`, which holds `blobs/`, `code/`, `cache/`, `jobs/`, `slots/` and `pins/`."""

    def __init__(self, root: Path, cache_bytes: int, silence_s: float) -> None:
        self._root, self._silence_s, self._slots = root, silence_s, 1
        for name in FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name).chmod(0o700)  # nobody else's, whatever the umask was when it was made
        self._device = device_root()
        self._for_drives_bytes = drives_reserve(root, self._device)
        self._cache = Cache(root, cache_bytes, self._for_drives_bytes)
        self._jobs: dict[str, Job] = {}
        self._ending = False
        self._lock, self._out_lock = threading.RLock(), threading.Lock()

    def run(self) -> None:
        """Until the input ends or falls silent; whatever runs then is killed and removed."""
        self._cache.sweep()
        sweep_orphans(self._root)
        bounds.sweep(scratch_prefix(self._root))
        threading.Thread(target=self._beat, daemon=True).start()
        for line in self._requests():
            request = json.loads(line)
            if request["do"] != "ping":
                threading.Thread(target=self._answer, args=(request,), daemon=True).start()
        self._end()
        os._exit(0)  # threads that still speak or beat would hold up an orderly exit

    def _requests(self) -> Iterator[bytes]:
        """Lines of the input, until it ends, falls silent, or a signal asks to end.

        A signal only writes to a pipe: an exception raised by its handler could hit the end itself and cut it short.
        """
        wake, waker = os.pipe()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: os.write(waker, b"!"))
        pending = b""
        while True:
            ready, _, _ = select.select([0, wake], [], [], self._silence_s)
            piece = os.read(0, 1 << 20) if ready == [0] else b""
            if not piece:
                return
            *lines, pending = (pending + piece).split(b"\n")
            yield from lines

    def _end(self) -> None:
        with self._lock:
            self._ending = True
            for job in self._jobs.values():
                job.kill(0.5)
                job.remove()
            self._jobs.clear()
            self._cache.close()

    def _beat(self) -> None:
        while True:
            self._give_way()
            self._say({"beat": sorted(self._jobs)})
            time.sleep(_BEAT_S)

    def _give_way(self) -> None:
        """While the car is on, end what runs: the device belongs to its driver.

        At every beat, because a job that began as the car was switched on was not there to be ended at the first.
        """
        if why := onroad(self._device):
            with self._lock:
                for job in self._jobs.values():
                    job.stop(refusal(why))

    def _say(self, value: dict[str, Any]) -> None:
        """Write one line. When nobody listens any more, the end of the input says so too."""
        with self._out_lock, suppress(OSError, ValueError):
            sys.stdout.buffer.write(json.dumps(value).encode() + b"\n")
            sys.stdout.buffer.flush()

    def _answer(self, request: dict[str, Any]) -> None:
        try:
            result = getattr(self, f"do_{request['do']}")(request)
        except Exception as error:  # noqa: BLE001 every error is an answer
            self._say({"id": request["id"], "error": described(error, self._root)})
            return
        self._say({"id": request["id"], "ok": result})
        if request["do"] == "start" and (job := self._jobs.get(request["name"])):
            job.watch()

    def do_hello(self, request: dict[str, Any]) -> dict[str, Any]:
        """Who and what this device is."""
        self._slots = request["slots"]
        packages = {}
        for name in _PACKAGES:
            with suppress(importlib.metadata.PackageNotFoundError):
                packages[name] = importlib.metadata.version(name)
        return {
            "root": str(self._root),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count() or 1,
            "free_bytes": shutil.disk_usage(self._root).free,
            "for_drives_bytes": self._for_drives_bytes,
            "packages": packages,
            "epochs": self.do_epochs({}),
            "blobs": self._cache.held(),
            "onroad": onroad(self._device),
        }

    def do_epochs(self, request: dict[str, Any]) -> list[int]:
        """The last epoch of each slot; somebody else may have raised it since."""
        del request
        return [self._epoch(slot) for slot in range(self._slots)]

    def do_check(self, request: dict[str, Any]) -> dict[str, Any]:
        """What this machine measures of itself."""
        del request
        return selfcheck(self._root, frozenset(self._jobs), self._device)

    def do_need(self, request: dict[str, Any]) -> list[str]:
        """Which blobs are missing; they are kept from now on until `clean` with the same pin."""
        refuse_onroad(self._device)
        return self._cache.need(request["pin"], dict(request["blobs"]), int(request.get("beside_bytes", 0)))

    def do_unpack(self, request: dict[str, Any]) -> None:
        """Unpack a code blob, once."""
        refuse_onroad(self._device)
        self._cache.unpack(request["code"])

    def do_start(self, request: dict[str, Any]) -> int:
        """Start a job on a slot; a stale epoch and a busy slot are refused."""
        slot = int(request["slot"])
        before = prelude(self._root, frozenset(self._jobs), self._device)
        command = Command(
            name=request["name"],
            job_text=request["job_text"],
            arguments=tuple(request["arguments"]),
            code=request["code"],
            threads=str(int(request.get("threads") or 0) or self._threads()),
            deadline_s=float(request["deadline_s"]),
        )
        lock = (self._root / "slots" / f"{slot}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._end_orphan(slot)
            self._claim(slot, int(request["epoch"]), command.name)
            with self._lock:
                if self._ending:
                    raise Refused("UnreachableError", "the agent is ending", "connect again")
                job = self._jobs[command.name] = Job(self._root, command, lock, self._say)
        except BlockingIOError:
            lock.close()
            raise Refused("LeaseLostError", f"slot {slot} is busy", "wait until its job has ended") from None
        except BaseException:
            lock.close()
            raise
        self._say({"job": command.name, "prelude": before})
        return job.pid

    def _end_orphan(self, slot: int) -> None:
        """See that a slot we hold is empty: it may be free only because the agent that had it was killed."""
        if survivors := end_orphan(self._root, slot):
            pids = ", ".join(map(str, survivors))
            raise Refused(
                "DeviceUnhealthyError", f"processes of a lost job outlived SIGKILL: {pids}", "reboot the device"
            )

    def _threads(self) -> str:
        """A slot's share of the processors, if not as CLOSET_THREADS says."""
        return os.environ.get("CLOSET_THREADS") or str(max(1, (os.cpu_count() or 1) // self._slots))

    def do_kill(self, request: dict[str, Any]) -> list[int]:
        """End a job's processes; answers with those that survived."""
        job = self._jobs.get(request["name"])
        return job.kill(request["grace_s"]) if job else []

    def do_clean(self, request: dict[str, Any]) -> None:
        """Forget a job: its processes, folder, slot and pins."""
        self._cache.unpin(request["pin"])
        with self._lock:
            job = self._jobs.pop(request["name"], None)
        if job:
            job.kill(0.5)
            job.remove()

    def _epoch(self, slot: int) -> int:
        return int(slot_state(self._root, slot).get("epoch", 0))

    def _claim(self, slot: int, epoch: int, name: str) -> None:
        """Persist the epoch before anything starts under it."""
        known = self._epoch(slot)
        if epoch <= known:
            raise Refused("LeaseLostError", f"epoch {epoch} of slot {slot} is stale, it is at {known}", "lease it anew")
        temporary = self._root / "slots" / f"{slot}.part"
        try:
            with temporary.open("w") as stream:
                json.dump({"epoch": epoch, "job": name}, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._root / "slots" / f"{slot}.json")
        finally:
            temporary.unlink(missing_ok=True)  # the disk was full, say
