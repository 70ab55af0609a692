"""One device for the length of a run: its connection, its agent, and what it takes to run one work there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

from harness.closet.answers import chosen, parse_epochs, parse_hello, parse_prelude
from harness.closet.channel import LOST_AFTER_S, SILENCE_S, AgentLink, JobMessage, start_agent
from harness.closet.deadline import Deadline
from harness.closet.ending import Ending, judge_ending, parse_ending
from harness.closet.health import Vitals, parse_vitals
from harness.closet.staging import FileMover, result_path
from harness.closet.transport import CONNECT_S, Connection, connect
from harness.closet.work import JobProgress, JobStarted, PoolEvent, StagingProgress, Work
from harness.domain import Blob, Device
from harness.errors import ClosetError, DeviceTimeoutError, ErrorDescription, LeaseLostError
from harness.verdict import NOT_RUN

_ASK_S = 20.0
_AGENT_START_S = 30.0
_MOVERS = 4
_SLOWEST_BYTES_S = 1_000_000
_TRANSFER_S = 30.0
_END_MARGIN_S = 20.0  # the agent's own deadline comes first, then killing, then hashing the results
_GRACE_S = 1.0
_BUSY_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Try:
    """A work on a slot under one epoch. `cancelled` is set when it shall not go on; `name` is its folder there."""

    work: Work
    slot: int
    epoch: int
    deadline_s: float
    hard_end: Deadline
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """Unique on the device, also among several orchestrators: an epoch of a slot is given out once."""
        return f"{self.work.id[:16]}-{self.slot}-{self.epoch}"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one try. `known_epoch` is the slot's on the device, when that refused ours as stale."""

    error: ErrorDescription | None
    files: Mapping[str, Path] = field(default_factory=dict)
    log_tail: str = ""
    measurements: dict[str, float] = field(default_factory=dict)
    known_epoch: int = 0


class DeviceSession:
    """A connected device. Made by `open_session`; `run` may be called from several threads, one a slot."""

    def __init__(self, connection: Connection, link: AgentLink, hello: object) -> None:
        self.device = connection.device
        self._connection, self._link = connection, link
        self._root, self.facts = parse_hello(hello, self.device.name, connection.where)
        self.declared_down = threading.Event()  # set by the pool when the scheduler knows
        self.closing = threading.Event()
        self._uncleaned: set[str] = set()
        self._staging = threading.Lock()
        self._movers: list[FileMover] = []
        self._mover_places = threading.BoundedSemaphore(_MOVERS)

    def run(
        self, tried: Try, blob_path: Callable[[str], Path], destination: Path, tell: Callable[[PoolEvent], None]
    ) -> Tried:
        """Stage, start, wait, fetch, clean up. What is the device's or the job's fault is in `Tried`."""
        measurements: dict[str, float] = {}
        log_tail = ""
        self._uncleaned.add(tried.name)
        try:
            began = time.monotonic()
            measurements["staged_bytes"] = self._stage(
                tried.work, tried.name, tried.hard_end, tried.cancelled, blob_path, tell
            )
            measurements["staging_s"] = time.monotonic() - began
            ending = self._execute(tried, tell, measurements)
            log_tail = ending.stderr
            measurements |= {"run_s": ending.elapsed_s, "left_behind": ending.left_behind}
            if ending.exit_code is not None:
                measurements["exit_code"] = ending.exit_code
            if tried.cancelled.is_set() or ending.killed:
                return Tried(NOT_RUN, {}, log_tail, measurements)
            error = judge_ending(ending, self._connection.where, tried.deadline_s)
            if error is not None:
                return Tried(error, {}, log_tail, measurements)
            began = time.monotonic()
            files = self._fetch(tried, ending, destination)
            measurements["fetch_s"] = time.monotonic() - began
            return Tried(None, files, log_tail, measurements)
        except ClosetError as error:
            told = NOT_RUN if tried.cancelled.is_set() else error.describe()
            known_epoch = self._known_epoch(tried.slot) if isinstance(error, LeaseLostError) else 0
            return Tried(told, {}, log_tail, measurements, known_epoch)
        finally:
            self._clean(tried)

    @property
    def uncleaned(self) -> bool:
        """Whether something of a job may be there that nobody confirmed to be gone."""
        return bool(self._uncleaned)

    def check(self) -> Vitals:
        """What the device measures of itself now, and how far its clock is from ours."""
        sent_unix_s, sent = time.time(), time.monotonic()
        said = self._link.ask("check", Deadline.after(_ASK_S))
        return parse_vitals(said, sent_unix_s, time.monotonic() - sent, where=self._connection.where)

    def kill(self, tried: Try) -> None:
        """End a try; `run` then returns."""
        tried.cancelled.set()
        self._link.ask("kill", Deadline.after(_ASK_S), name=tried.name, grace_s=_GRACE_S)

    def close(self) -> None:
        """End the agent and with it everything it runs, then the connection."""
        self.closing.set()
        try:
            self._link.close()
            for mover in self._movers:
                mover.close()
        finally:
            self._connection.close()

    def stage_ahead(self, work: Work, blob_path: Callable[[str], Path], tell: Callable[[PoolEvent], None]) -> None:
        """Bring a work's blobs before its turn. What goes wrong is said when its turn comes."""
        pin = f"ahead-{work.id}"
        try:
            self._stage(work, pin, Deadline.after(work.deadline_s), self.closing, blob_path, tell)
        finally:
            self._link.ask("clean", Deadline.after(_ASK_S), name=pin, pin=pin)

    def _stage(
        self,
        work: Work,
        pin: str,
        hard_end: Deadline,
        cancelled: threading.Event,
        blob_path: Callable[[str], Path],
        tell: Callable[[PoolEvent], None],
    ) -> int:
        """Bring the missing blobs and the code; one at a time a device, so that none is sent twice."""
        wanted = {blob.sha256: blob for blob in (*work.blobs, work.code)}
        if not self._staging.acquire(timeout=hard_end.left_s):
            raise DeviceTimeoutError("staging did not get its turn", where=self._connection.where)
        try:
            listed = sorted((blob.sha256, blob.size_bytes) for blob in wanted.values())
            said = self._link.ask("need", hard_end.within(_ASK_S), pin=pin, blobs=listed)
            missing = chosen(said, wanted, self._connection.where)
            total, sent = sum(blob.size_bytes for blob in missing), 0

            def moved(count: int) -> None:
                nonlocal sent
                sent += count
                if cancelled.is_set():
                    raise LeaseLostError("staging was cancelled", where=self._connection.where)
                tell(StagingProgress(work.id, self.device.name, sent, total))

            for blob in missing:
                deadline = hard_end.within(_transfer_s(blob))
                with self._mover(deadline) as mover:
                    mover.put(blob, blob_path(blob.sha256), deadline, moved)
            self._link.ask("unpack", hard_end.within(_ASK_S), code=work.code.sha256)
        finally:
            self._staging.release()
        return total

    def _execute(self, tried: Try, tell: Callable[[PoolEvent], None], measurements: dict[str, float]) -> Ending:
        work = tried.work
        messages = self._link.listen(tried.name)
        try:
            self._start(tried)
            tell(JobStarted(work.id, self.device.name, tried.slot, tried.epoch))
            if tried.cancelled.is_set():
                self.kill(tried)
            deadline = tried.hard_end.within(tried.deadline_s + _END_MARGIN_S)
            while True:
                message: JobMessage = messages.get(timeout=deadline.left_s)
                if isinstance(message, ClosetError):
                    raise message
                if "ended" in message:
                    return parse_ending(message["ended"], self._connection.where)
                if isinstance(progress := message.get("progress"), dict):
                    tell(JobProgress(work.id, self.device.name, progress))
                measurements |= parse_prelude(message.get("prelude"), time.time())
        except Empty:
            raise DeviceTimeoutError(
                "the agent does not say how the job ended", where=self._connection.where, remedy="see if it hangs"
            ) from None
        finally:
            self._link.ignore(tried.name)

    def _start(self, tried: Try) -> None:
        """Start the job. A slot that is still busy with a lost one is waited for as long as an agent stays silent."""
        patience = tried.hard_end.within(SILENCE_S + _ASK_S)
        work = tried.work
        while True:
            try:
                self._link.ask(
                    "start",
                    tried.hard_end.within(_ASK_S),
                    slot=tried.slot,
                    epoch=tried.epoch,
                    name=tried.name,
                    job_text=work.job_text,
                    arguments=work.arguments,
                    code=work.code.sha256,
                    deadline_s=tried.deadline_s,
                    threads=work.threads,
                )
            except LeaseLostError as error:
                if "is busy" not in error.problem or patience.passed or tried.cancelled.wait(_BUSY_PAUSE_S):
                    raise
            else:
                return

    def _known_epoch(self, slot: int) -> int:
        """The slot's epoch on the device: another shelf may give it out too."""
        try:
            return parse_epochs(self._link.ask("epochs", Deadline.after(_ASK_S)), self._connection.where)[slot]
        except (ClosetError, IndexError):
            return 0

    def _fetch(self, tried: Try, ending: Ending, destination: Path) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for name, blob in ending.files.items():
            target = result_path(destination, name, self._connection.where)
            deadline = tried.hard_end.within(_transfer_s(blob))
            with self._mover(deadline) as mover:
                mover.get(tried.name, name, blob, target, deadline)
            files[name] = target
        return files

    def _clean(self, tried: Try) -> None:
        try:
            self._link.ask("clean", Deadline.after(_ASK_S), name=tried.name, pin=tried.name)
        except ClosetError:
            return  # the connection is lost: the agent cleans up by itself, or the next one does
        self._uncleaned.discard(tried.name)

    @contextmanager
    def _mover(self, deadline: Deadline) -> Iterator[FileMover]:
        """A file mover that nobody else uses; one that failed is not used again."""
        if not self._mover_places.acquire(timeout=deadline.left_s):
            raise DeviceTimeoutError("no turn to move files", where=self._connection.where)
        try:
            try:
                mover = self._movers.pop()
            except IndexError:
                path = f"{self._root}/{self._link.agent_name}"
                mover = FileMover(self._connection, path, self._root, deadline)
            try:
                yield mover
            except BaseException:
                mover.close()
                raise
            self._movers.append(mover)
        finally:
            self._mover_places.release()


def open_session(
    device: Device,
    *,
    on_lost: Callable[[ClosetError], None],
    lost_after_s: float = LOST_AFTER_S,
    cache_bytes: int | None = None,
    within_s: float = CONNECT_S + _AGENT_START_S,
) -> DeviceSession:
    """Connect, start the agent, ask what the device is. `on_lost` is called at most once, when it goes away."""
    whole = Deadline.after(within_s)
    connection = connect(device, whole.within(CONNECT_S))
    try:
        deadline = whole.within(_AGENT_START_S)
        link = start_agent(connection, deadline, on_lost=on_lost, lost_after_s=lost_after_s, cache_bytes=cache_bytes)
        return DeviceSession(connection, link, link.ask("hello", deadline, slots=device.slots))
    except BaseException:
        connection.close()
        raise


def _transfer_s(blob: Blob) -> float:
    """How long a transfer may take: slower than a megabyte a second is broken."""
    return _TRANSFER_S + blob.size_bytes / _SLOWEST_BYTES_S
