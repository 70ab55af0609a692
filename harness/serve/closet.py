"""What the pages show, read from the shelf and from the runs' folders of this machine."""

from __future__ import annotations

import functools
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from harness.config import Fleet, load_fleet
from harness.domain import Lease
from harness.errors import ClosetError
from harness.pipeline.archive import is_at_work
from harness.pipeline.runs import RECORD, load_run
from harness.report import render_trial
from harness.serve.settings import Settings
from harness.shelf import DeviceHealth, HolderState, RunRow, Shelf, TrialRow
from harness.store import Store
from harness.verdict import RunRecord

PAGE = Path("page") / "index.html"
_QUIET_S = 300.0


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device: as devices.yaml describes it, how it is, and which runs have its slots."""

    name: str
    kind: str
    slots: int
    tags: tuple[str, ...]
    health: DeviceHealth
    held: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class RunningView:
    """A run that began and did not end. `alive`: a program still works on it."""

    run: RunRow
    alive: bool


@dataclass(frozen=True, slots=True)
class Present:
    """The closet at one moment."""

    running: tuple[RunningView, ...]
    holders: tuple[HolderState, ...]
    devices: tuple[DeviceView, ...]
    latest: tuple[RunRow, ...]


class Closet:
    """The shelf, the store and the folders that a dashboard shows. Thread-safe."""

    def __init__(self, settings: Settings, shelf: Shelf, fleet: Fleet) -> None:
        self.settings, self.shelf = settings, shelf
        self.archive = shelf.archive
        self._fleet = fleet
        self._fleet_read = _changed(settings.devices_file)

    def fleet(self) -> Fleet:
        """devices.yaml as it is now; as it was when it cannot be read."""
        changed = _changed(self.settings.devices_file)
        if self.settings.devices_file is not None and changed != self._fleet_read:
            try:
                self._fleet, self._fleet_read = load_fleet(self.settings.devices_file), changed
            except ClosetError:
                self._fleet_read = changed
        return self._fleet

    def open_store(self) -> Store:
        """The store with the baselines."""
        return Store(self.settings.home)

    def present(self) -> Present:
        """What is going on now."""
        holders = self.shelf.holders()
        devices = self.devices(holders)
        at_work = {holder.run for holder in holders}
        running = tuple(RunningView(run, _is_alive(run, at_work)) for run in self.archive.running())
        return Present(running, holders, devices, self.archive.latest_of_each_suite())

    def devices(self, holders: tuple[HolderState, ...] | None = None) -> tuple[DeviceView, ...]:
        """All devices that the fleet or the shelf knows, those of the fleet first."""
        fleet, healths = self.fleet(), self.shelf.healths()
        runs = {holder.holder: holder.run for holder in (self.shelf.holders() if holders is None else holders)}
        leases: dict[str, list[Lease]] = {}
        for lease in self.shelf.leases():
            leases.setdefault(lease.device, []).append(lease)
        known = {device.name: device for device in fleet.devices}
        names = dict.fromkeys((*known, *healths))
        return tuple(
            DeviceView(
                name,
                known[name].kind.value if name in known else ("emulated" if name.startswith("emulated-") else ""),
                known[name].slots if name in known else 1,
                known[name].tags if name in known else (),
                healths.get(name, DeviceHealth(name)),
                tuple((lease.slot, runs.get(lease.holder, "a run that is gone")) for lease in leases.get(name, ())),
            )
            for name in names
        )

    def folder(self, run: RunRow) -> Path | None:
        """The folder of a run, where it is on this machine and not let go."""
        folder = Path(run.folder)
        return folder if run.host == platform.node() and (folder / RECORD).is_file() else None

    def has_page(self, run: RunRow) -> bool:
        """Whether the run has its own page."""
        folder = self.folder(run)
        return folder is not None and (folder / PAGE).is_file()

    def record(self, run: RunRow) -> RunRecord | None:
        """The record of a run, where it is here."""
        folder = self.folder(run)
        return None if folder is None else _record(folder, (folder / RECORD).stat().st_mtime_ns)

    def trial_text(self, run: RunRow, trial: TrialRow) -> str:
        """A trial in full, as `closet diff` says it; empty where the record is not here."""
        try:
            record = self.record(run)
        except ClosetError:
            return ""
        found = next((result for result in record.results if result.name == trial.name), None) if record else None
        return "" if found is None else render_trial(found)


@functools.lru_cache(maxsize=8)
def _record(folder: Path, _changed: int) -> RunRecord:
    return load_run(folder)


def _is_alive(run: RunRow, at_work: set[str]) -> bool:
    if run.host == platform.node() and is_at_work(Path(run.folder)):
        return True
    if Path(run.folder).name in at_work:
        return True
    return run.host != platform.node() and time.time() - run.changed_s < _QUIET_S


def _changed(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path is not None else 0
    except OSError:
        return 0
