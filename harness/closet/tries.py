"""Carries out the tries of works on devices, each in a thread of its own: run, judged, remembered, told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from harness.closet.deadline import Deadline
from harness.closet.events import Event, Finish, Start, WorkDone, WorkFailed
from harness.closet.leasing import Leasing
from harness.closet.session import DeviceSession, Try
from harness.closet.threads import Threads
from harness.closet.upkeep import Upkeep
from harness.closet.work import JobFinished, PoolEvent, Work
from harness.domain import Device
from harness.errors import ClosetError, ErrorDescription, UnreachableError
from harness.files import remove_files

Judge: TypeAlias = Callable[[Work, str, Mapping[str, Path]], ErrorDescription | None]
"""Given a work, the device it ran on and the files it left in out/: what another device may do better, if anything."""


class Tries:
    """Of one run. Times are seconds since `began_s` on the monotonic clock, except in what the shelf remembers.

    `tell` hears what came of each try, from its thread. One that lost its device is told once the device is declared
    down, or `loss_known_s` later: so the scheduler hears of the loss first, and does not give it the same work again.
    """

    def __init__(
        self,
        *,
        began_s: float,
        blob_path: Callable[[str], Path],
        destination: Path,
        upkeep: Upkeep,
        judge: Judge,
        leasing: Leasing,
        threads: Threads,
        tell: Callable[[Event | PoolEvent], None],
        loss_known_s: float,
    ) -> None:
        self._began_s, self._began_unix_s = began_s, time.time() - (time.monotonic() - began_s)
        self._blob_path, self._destination = blob_path, destination
        self._upkeep, self._judge, self._leasing, self._threads = upkeep, judge, leasing, threads
        self._tell, self._loss_known_s = tell, loss_known_s
        self._latest: dict[tuple[str, int], Try] = {}
        self._files: dict[tuple[str, str, int], Mapping[str, Path]] = {}

    def start(self, start: Start, session: DeviceSession) -> None:
        """Begin one; its end is told."""
        hard_end = Deadline(self._began_s + start.hard_end_s)
        tried = Try(start.work, start.slot, start.epoch, start.deadline_s, hard_end)
        self._latest[start.device, start.slot] = tried
        self._leasing.start(start)
        self._threads.spawn(self._run, session, tried)

    def kill(self, session: DeviceSession, slot: int) -> None:
        """End what runs on a slot; its thread tells when that is gone."""
        tried = self._latest[session.device.name, slot]
        tried.cancelled.set()
        self._threads.spawn(session.kill, tried)

    def cancel(self) -> None:
        """None of them shall go on."""
        for tried in self._latest.values():
            tried.cancelled.set()

    def finish(self, finish: Finish, work: Work) -> Mapping[str, Path]:
        """The files of the last try of a work that ended. Those of the others are removed, all are remembered."""
        files: Mapping[str, Path] = {}
        for attempt in finish.attempts:
            found = self._files.pop((work.id, attempt.device, attempt.epoch), {})
            if attempt is finish.attempts[-1]:
                files = found
            else:
                remove_files(found.values())
            self._remember(work, attempt.device, attempt.started_s, attempt.ended_s, attempt.error)
        return files

    def _remember(
        self, work: Work, device: str, started_s: float, ended_s: float, error: ErrorDescription | None
    ) -> None:
        self._leasing.remember(
            device,
            cost_key=work.history_key,
            started_s=self._began_unix_s + started_s,
            ended_s=self._began_unix_s + ended_s,
            error_kind=error.kind if error else "",
            canary=work.canary,
        )

    def _run(self, session: DeviceSession, tried: Try) -> None:
        device, work = session.device, tried.work
        started_s = self._now_s()
        folder = self._destination / work.id / f"{device.name}-{tried.slot}-{tried.epoch}"
        came = session.run(tried, self._blob_path, folder, self._tell)
        error = came.error
        if error is None:
            error = self._judged(work, device, came.files)
            if not work.canary:
                self._files[work.id, device.name, tried.epoch] = came.files
        if work.canary:
            self._remember(work, device.name, started_s, self._now_s(), error)
        self._tell(JobFinished(work.id, device.name, error))
        if error is None:
            self._tell(WorkDone(device.name, tried.slot, tried.epoch, came.measurements, came.log_tail))
            return
        if error.kind == UnreachableError.__name__:
            session.declared_down.wait(self._loss_known_s)
        self._tell(
            WorkFailed(
                device.name,
                tried.slot,
                tried.epoch,
                error,
                came.measurements,
                came.log_tail,
                came.known_epoch,
                answered=came.error is None,
            )
        )

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s

    def _judged(self, work: Work, device: Device, files: Mapping[str, Path]) -> ErrorDescription | None:
        try:
            if work.canary:
                return self._upkeep.canaries[device.kind].verify(device, files)
            return self._judge(work, device.name, files)
        except ClosetError as error:
            return error.describe()
