"""Carries out what a plan says: arms what waits on a wire, fires the rest at its moment, and ends it again."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from harness.closet.patience import TELL_AFTER_S
from tests.chaos.clock import clock_library, jump
from tests.chaos.faults import ORCHESTRATOR, SERVER, Fault, Kind, Moment, Scenario
from tests.chaos.orchestrator import Orchestrator
from tests.chaos.processes import tell
from tests.chaos.server import DatabaseServer, databases_possible
from tests.chaos.workers import MAX_SESSIONS, BoxedWorker, Worker

_TOKENS = {Kind.DEAF_JOB: "deaf", Kind.FORK_BOMB: "fork", Kind.HUNG_JOB: "hang", Kind.JOB_KILLED: "die"}
_SMALL_DISK_BYTES = 80_000_000  # the agent keeps 64 MiB free; what is left is enough until somebody fills it
_CLOCK = "clock"


def impossible(scenario: Scenario) -> dict[Kind, str]:
    """Which of its kinds cannot be had on this machine, and why."""
    reasons: dict[Kind, str] = {}
    if clock_library() is None:
        reasons = dict.fromkeys((Kind.CLOCK_AGENT, Kind.CLOCK_ORCHESTRATOR), "no C compiler here")
    if why := databases_possible():
        reasons |= dict.fromkeys(SERVER, why)
    return {kind: reasons[kind] for kind in reasons if scenario.count(kind)}


class Injector:
    """The faults of one scenario. `prepare` before the workers are on, `arm` before the run, then `step` often."""

    def __init__(
        self, scenario: Scenario, workers: Sequence[Worker], folder: Path, server: DatabaseServer | None
    ) -> None:
        self._scenario, self._workers, self._folder, self._server = scenario, workers, folder, server
        self.unheard = False  # a run waited for a database that stood still: it should have said so
        self._waiting: list[Fault] = []
        self._ends: list[tuple[float, Callable[[], object]]] = []
        self._seen: list[set[str]] = [set() for _ in workers]
        self._rang: set[Fault] = set()
        self._locks: list[sqlite3.Connection] = []
        self._orchestrators: Sequence[Orchestrator] = ()
        self._began = 0.0
        self.fired: list[Fault] = []

    @property
    def clock_environment(self) -> Path | None:
        """Where the orchestrator's clock is read from, if it will jump."""
        return self._folder / _CLOCK if self._scenario.count(Kind.CLOCK_ORCHESTRATOR) else None

    def prepare(self) -> None:
        """What must be so before a worker is switched on."""
        for number, worker in enumerate(self._workers):
            mine = [fault for fault in self._scenario.faults if fault.worker == number]
            tokens = tuple(_TOKENS[fault.kind] for fault in mine if fault.kind in _TOKENS)
            late_s = max((fault.amount for fault in mine if fault.kind is Kind.LATE), default=0.0)
            twice = any(fault.kind is Kind.TWICE for fault in mine)
            jumps = any(fault.kind is Kind.CLOCK_AGENT for fault in mine)
            if tokens or late_s or twice or jumps:
                worker.crooked.misbehave(
                    self._scenario.seed + number, twice=twice, late_s=late_s, jumps=jumps, tokens=tokens
                )
            if isinstance(worker, BoxedWorker):
                worker.max_sessions = 2 if any(fault.kind is Kind.FEW_SESSIONS for fault in mine) else MAX_SESSIONS
                full = [fault for fault in mine if fault.kind is Kind.DISK_FULL]
                worker.disk_bytes = _SMALL_DISK_BYTES if full else 0

    def arm(self, orchestrators: Sequence[Orchestrator]) -> None:
        """The workers are on, the run is about to start."""
        self._orchestrators = orchestrators
        self._began = time.monotonic()
        for fault in self._scenario.faults:
            if fault.moment in {Moment.BYTES_UP, Moment.BYTES_DOWN}:
                self._arm_wire(fault)
            elif fault.moment is Moment.BEGIN:
                self._fire(fault)
            else:
                self._waiting.append(fault)

    def _arm_wire(self, fault: Fault) -> None:
        """What happens to the wire itself happens at that very byte; all else, as soon as it is seen to have passed."""
        link, at = self._workers[fault.worker].link, int(fault.at)
        way = link.up if fault.moment is Moment.BYTES_UP else link.down
        if fault.kind is Kind.CUT:
            link.tell_at(way, at, lambda: self.fired.append(fault))
            link.cut_at(way, at)
        elif fault.kind is Kind.CORRUPTED:
            link.tell_at(way, at, lambda: self.fired.append(fault))
            link.corrupt_at(way, at)
        else:
            link.tell_at(way, at, lambda: self._rang.add(fault))
            self._waiting.append(fault)

    def step(self) -> None:
        """Fire what is due, end what has lasted long enough."""
        now = time.monotonic()
        for number, worker in enumerate(self._workers):
            self._seen[number] |= worker.started()
        for fault in [fault for fault in self._waiting if self._due(fault, now)]:
            self._waiting.remove(fault)
            self._fire(fault)
        for entry in [entry for entry in self._ends if entry[0] <= now]:
            self._ends.remove(entry)
            entry[1]()

    def end(self) -> None:
        """Nothing goes wrong any more: what stood still runs on, what was pulled is plugged in."""
        self._waiting.clear()
        for _, undo in self._ends:
            undo()
        self._ends.clear()
        _close(self._locks)
        if self._server is not None:
            self._server.thaw()
            self._server.start()
        for worker in self._workers:
            worker.thaw()
            worker.link.delay_s = worker.link.bytes_per_s = 0.0
            worker.link.speak()

    def happened(self) -> list[Fault]:
        """What was fired and found something to harm: not what waited for a job that never began."""
        left = [(number, name) for number, worker in enumerate(self._workers) for name in worker.crooked.unused()]
        happened = []
        for fault in self.fired:
            token = (fault.worker, _TOKENS.get(fault.kind, ""))
            if token in left:
                left.remove(token)
            else:
                happened.append(fault)
        return happened

    def _due(self, fault: Fault, now: float) -> bool:
        match fault.moment:
            case Moment.SECONDS:
                return now - self._began >= fault.at
            case Moment.JOB:
                return len(self._seen[fault.worker]) >= fault.at
            case Moment.VERDICT:
                return sum(each.verdicts_told() for each in self._orchestrators) >= fault.at
            case _:
                return fault in self._rang

    def _fire(self, fault: Fault) -> None:
        worker = self._workers[fault.worker] if fault.worker != ORCHESTRATOR else None
        if self._do(fault, worker):
            self.fired.append(fault)

    def _do(self, fault: Fault, worker: Worker | None) -> bool:
        """Whether there was anything left to harm."""
        if worker is None:
            return self._do_here(fault)
        if fault.kind in {Kind.SLOW, Kind.DELAY, Kind.CUT, Kind.SILENT, Kind.CABLE}:
            self._do_to_the_wire(fault, worker)
            return True
        if fault.kind in {Kind.AGENT_KILLED, Kind.AGENT_FROZEN}:
            return self._do_to_the_agents(fault, worker)
        match fault.kind:
            case Kind.POWER_CUT:
                worker.power_cut()
                self._later(fault.amount, worker.start, always=False)
            case Kind.FROZEN:
                worker.freeze()
                self._later(fault.amount, worker.thaw)
            case Kind.CLOCK_AGENT:
                worker.crooked.jump(fault.amount)
            case Kind.DISK_FULL:
                return _fill(worker)
            case Kind.HALF_BLOB | Kind.BAD_BLOB:
                return _damage(worker, halve=fault.kind is Kind.HALF_BLOB)
            case Kind.BAD_CODE:
                return _damage_code(worker)
            case Kind.ORCHESTRATOR_KILLED:
                return self._kill_orchestrator()
        return True  # what is left was said to the crooked Python or the server before the start

    def _do_to_the_wire(self, fault: Fault, worker: Worker) -> None:
        match fault.kind:
            case Kind.SLOW:
                worker.link.bytes_per_s = fault.amount
            case Kind.DELAY:
                worker.link.delay_s = fault.amount
            case Kind.CUT:
                worker.link.cut()
            case Kind.SILENT:
                worker.link.silent()
                self._later(fault.amount, worker.link.speak)
            case Kind.CABLE:
                worker.plug(into=False)
                self._later(fault.amount, lambda: _plug_in(worker))

    def _do_to_the_agents(self, fault: Fault, worker: Worker) -> bool:
        agents = worker.agents()
        if fault.kind is Kind.AGENT_KILLED:
            tell(agents, signal.SIGKILL)
        else:
            tell(agents, signal.SIGSTOP)
            self._later(fault.amount, lambda: tell(agents, signal.SIGCONT))
        return bool(agents)

    def _do_here(self, fault: Fault) -> bool:
        match fault.kind:
            case Kind.CLOCK_ORCHESTRATOR:
                jump(self._folder / _CLOCK, fault.amount)
            case Kind.ORCHESTRATOR_KILLED:
                return self._kill_orchestrator()
            case Kind.DATABASE_LOCKED:
                return self._lock_databases(fault.amount)
            case Kind.SERVER_FROZEN | Kind.SERVER_KILLED | Kind.SERVER_CUT:
                self._do_to_the_server(fault)
        return True

    def _do_to_the_server(self, fault: Fault) -> None:
        assert self._server is not None
        match fault.kind:
            case Kind.SERVER_FROZEN:
                self._server.freeze()
                before = self._verdicts() if any(self._seen) else ()
                self._later(fault.amount, lambda: self._thaw_server(before, fault.amount))
            case Kind.SERVER_KILLED:
                self._server.kill()
                self._later(fault.amount, self._server.start)
            case _:
                self._server.link.cut()

    def _thaw_server(self, before: tuple[int, ...], lasted_s: float) -> None:
        """A run that was at work, and is not a verdict further, waited all the while."""
        assert self._server is not None
        waited = [each for each, count in zip(self._orchestrators, before, strict=False) if self._waits(each, count)]
        self._server.thaw()
        self.unheard = lasted_s > 2 * TELL_AFTER_S and any(not each.told_of_the_shelf() for each in waited)

    def _verdicts(self) -> tuple[int, ...]:
        return tuple(each.verdicts_told() for each in self._orchestrators)

    def _waits(self, orchestrator: Orchestrator, verdicts: int) -> bool:
        unfinished = orchestrator.running and not orchestrator.kills and verdicts < len(orchestrator.only)
        return unfinished and orchestrator.verdicts_told() == verdicts

    def _kill_orchestrator(self) -> bool:
        running = [each for each in self._orchestrators if each.running]
        if not running:
            return False
        running[0].kill()
        running[0].resume()
        return True

    def _lock_databases(self, seconds: float) -> bool:
        """Hold every database of the closet as a writer that does not come to an end."""
        locks = []
        for path in (self._folder / "home").glob("*.db"):
            lock = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
            with suppress(sqlite3.OperationalError):
                lock.execute("BEGIN EXCLUSIVE")
            locks.append(lock)
        self._locks += locks
        self._later(seconds, lambda: _close(locks))
        return bool(locks)

    def _later(self, seconds: float, undo: Callable[[], object], *, always: bool = True) -> None:
        """Undo after some seconds; after the run at the latest where `always`."""
        if math.isfinite(seconds) or always:
            self._ends.append((time.monotonic() + seconds, undo))


def _close(locks: Sequence[sqlite3.Connection]) -> None:
    for lock in locks:
        lock.close()


def _plug_in(worker: Worker) -> None:
    if worker.running:
        worker.plug(into=True)


def _fill(worker: Worker) -> bool:
    """Write until there is no room at all; the file stays until the worker is wiped."""
    folder = worker.view.parent
    if not folder.exists():
        return False
    with (folder / "somebody's film").open("wb", buffering=0) as film, suppress(OSError):
        os.posix_fallocate(film.fileno(), 0, max(1, os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize))
    return True


def _damage(worker: Worker, *, halve: bool) -> bool:
    """All files on the worker lose their end, or a bit in their middle; nothing else about them changes."""
    blobs = list((worker.view / "blobs").glob("*"))
    for path in blobs:
        state = path.stat()
        content = bytearray(path.read_bytes())
        if halve:
            del content[len(content) // 2 :]
        else:
            content[len(content) // 2] ^= 0x10
        path.write_bytes(content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return bool(blobs)


def _damage_code(worker: Worker) -> bool:
    """A module of the unpacked program is empty, as after a power cut before its bytes were on disk."""
    modules = sorted((worker.view / "code").glob("*/harness/replay/job.py"))
    for path in modules:
        path.write_bytes(b"")
    return bool(modules)
