"""Suites and devices from YAML to domain values: strict, and every mistake reported at once with file:line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.config.forms import CheckFile, ConditionsFile, EventsFile, FleetFile, SuiteFile
from harness.config.intent import load_intent, make_intent, make_policy
from harness.config.quarantine import find_quarantine, load_quarantine
from harness.config.text import Place, line_of, load_yaml, validated
from harness.config.upkeep import EMULATED_LIMITS, Limits, RecoveryHook, default_limits
from harness.domain import (
    Check,
    Device,
    DeviceKind,
    EventRules,
    Json,
    NoiseRule,
    QuarantineEntry,
    RuntimeChoice,
    Tolerance,
)
from harness.errors import ConfigError, ConfigMistakesError, NothingToRunError
from harness.intent import GatePolicy, Intent


@dataclass(frozen=True, slots=True)
class RouteSource:
    """A folder of recordings, and which of them: selectors as people type them, all when empty.

    `condition` is an expression over the corpus index (`where:` in the file), `where` the line it all stands in.
    An `optional` source may be absent, or have nothing that fits.
    """

    folder: Path
    select: tuple[str, ...]
    where: str
    condition: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ReplayerConfig:
    """One replayer of a suite. `baseline` None means: hold against what was approved.

    It replays the segments that `condition` (`where:` in the file) picks, all when empty; if `optional`, perhaps none.
    """

    name: str
    candidate: Path | None
    baseline: Path | None
    options: dict[str, Json]
    checks: tuple[Check, ...]
    where: str
    condition: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Suite:
    """What is replayed, how it is judged, and on which devices.

    With `confirm` a FAIL is repeated before anybody is blamed, at most `confirm_most` of them a run. `policy` says
    which answers to the claims of `intents` close the gate; `metrics` is a file of a person's own metrics, which they
    may name. Only baselines signed by one of `signers` (a file of allowed signers) are used, where one is named. Of the
    worst `why` trials that FAIL the cause is looked for. `conditions` are names for circumstances that no log tells
    (rain), each with the routes and segments it holds for. `runtimes` are chosen by kind of device.
    """

    name: str
    path: Path
    routes: tuple[RouteSource, ...]
    replayers: tuple[ReplayerConfig, ...]
    device_kinds: tuple[DeviceKind, ...]
    tags: tuple[str, ...]
    deadline_s: float
    where_devices: str
    confirm: bool = True
    confirm_most: int = 20
    quarantine: tuple[QuarantineEntry, ...] = ()
    quarantine_path: Path | None = None
    intents: tuple[Intent, ...] = ()
    policy: GatePolicy | None = None
    signers: Path | None = None
    why: int = 0
    metrics: Path | None = None
    conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runtimes: Mapping[DeviceKind, RuntimeChoice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The shelf: devices reached over SSH, and how many emulated workers to start beside them.

    `limits` and `recoveries` are by device; `emulated_limits` are those of the workers that are started. `shelf` is
    where what several runs share is kept: a URL, a path, or empty for the default.
    """

    devices: tuple[Device, ...]
    emulated: int
    path: Path | None = None
    shelf: str = ""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    emulated_limits: Limits = EMULATED_LIMITS
    recoveries: Mapping[str, RecoveryHook] = field(default_factory=dict)
    canary_every_h: float = 24.0
    burn_in_h: float = 12.0
    burn_in_pause_s: float = 0.0

    def limits_of(self, device: Device) -> Limits:
        """What the device's self-check is held against."""
        started = self.emulated_limits if device.kind is DeviceKind.EMULATED else default_limits(device.kind)
        return self.limits.get(device.name, started)

    def serves(self, kind: DeviceKind, tags: tuple[str, ...]) -> bool:
        """Whether any device is of this kind and has all the tags."""
        if kind is DeviceKind.EMULATED and self.emulated and not tags:
            return True
        return any(device.kind is kind and set(tags) <= set(device.tags) for device in self.devices)


def load_suite(path: Path) -> Suite:
    """The suite in a YAML file; relative paths are relative to its folder. ConfigMistakesError with every mistake."""
    content, places, errors = load_yaml(path)
    suite = validated(SuiteFile, content, places, errors, path)
    folder = path.parent

    def where(*place: str | int) -> str:
        return f"{path}:{line_of(places, place)}"

    routes = tuple(
        RouteSource(
            _resolved(folder, entry.folder),
            tuple(entry.select or ()),
            where("routes", number),
            entry.where or "",
            entry.optional,
        )
        for number, entry in enumerate(suite.routes)
    )
    replayers = tuple(
        ReplayerConfig(
            name,
            _resolved(folder, entry.candidate) if entry.candidate else None,
            _resolved(folder, entry.baseline) if entry.baseline else None,
            dict(entry.options),
            tuple(_check(check_name, check) for check_name, check in entry.checks.items()),
            where("replayers", name),
            entry.where or "",
            entry.optional,
        )
        for name, entry in suite.replayers.items()
    )
    quarantine_path = find_quarantine(path, _resolved(folder, suite.quarantine) if suite.quarantine else None)
    return Suite(
        suite.suite,
        path,
        routes,
        replayers,
        tuple(DeviceKind(kind) for kind in suite.devices.kinds),
        tuple(suite.devices.tags),
        suite.deadline_s,
        where("devices"),
        suite.confirm,
        suite.confirm_most,
        load_quarantine(quarantine_path) if quarantine_path else (),
        quarantine_path,
        _intents(suite, path, places),
        None if suite.policy is None else make_policy(suite.policy),
        None if suite.signers is None else _resolved(folder, suite.signers),
        why=suite.why,
        metrics=None if suite.metrics is None else _resolved(folder, suite.metrics),
        conditions=_conditions(suite, folder),
        runtimes={
            DeviceKind(kind): RuntimeChoice(entry.provider, entry.threads)
            for kind, entry in suite.devices.runtime.items()
        },
    )


def load_fleet(path: Path) -> Fleet:
    """The devices in a YAML file. ConfigMistakesError with every mistake; `~` is expanded in key paths."""
    content, places, mistakes = load_yaml(path)
    fleet = validated(FleetFile, content, places, mistakes, path)
    errors: list[ConfigError] = []
    devices: list[Device] = []
    for name, entry in fleet.devices.__pydantic_extra__.items():
        where = f"{path}:{line_of(places, ('devices', name))}"
        key = _resolved(path.parent, entry.key)
        if not key.is_file():
            errors.append(
                ConfigError(f"no private key at {key}", where=where, remedy="ssh-keygen -t ed25519 makes one")
            )
        devices.append(
            Device(
                name,
                DeviceKind(entry.kind),
                entry.address,
                entry.port,
                entry.user,
                str(key),
                entry.host_key,
                entry.work_folder,
                entry.python or "",
                entry.slots,
                tuple(entry.tags),
            )
        )
    if not devices and not fleet.devices.emulated:
        errors.append(ConfigError("no device at all", where=str(path), remedy="add one, or `emulated: 2`"))
    if errors:
        raise ConfigMistakesError(tuple(errors))
    entries = fleet.devices.__pydantic_extra__
    return Fleet(
        tuple(devices),
        fleet.devices.emulated,
        path,
        shelf=_shelf(path.parent, fleet.shelf),
        limits={
            device.name: entries[device.name].limits.over(fleet.limits.over(default_limits(device.kind)))
            for device in devices
        },
        emulated_limits=fleet.limits.over(EMULATED_LIMITS),
        recoveries={name: entry.recovery.hook() for name, entry in entries.items() if entry.recovery is not None},
        canary_every_h=fleet.canary_every_h,
        burn_in_h=fleet.burn_in.hours,
        burn_in_pause_s=fleet.burn_in.pause_s,
    )


def gather(actions: list[Callable[[], object]]) -> None:
    """Run all `actions`; raise every ConfigError they raised at once, or else the first that found nothing to run."""
    errors: list[ConfigError] = []
    nothing: NothingToRunError | None = None
    for action in actions:
        try:
            action()
        except ConfigMistakesError as many:
            errors.extend(many.errors)
        except ConfigError as error:
            errors.append(error)
        except NothingToRunError as error:
            nothing = nothing or error
    if errors:  # what several suites share is wrong once
        raise ConfigMistakesError(tuple({str(error): error for error in errors}.values()))
    if nothing is not None:
        raise nothing


def _check(name: str, entry: CheckFile) -> Check:
    given = entry.tolerance
    rule = None if given.noise is None else NoiseRule(given.noise, given.ceiling or 0.0, given.floor or 0.0)
    tolerance = Tolerance(given.absolute, given.relative, rule)
    return Check(name, tuple(entry.channels or ()), tolerance, entry.blocks, _events(entry.events))


def _events(entry: EventsFile | None) -> EventRules | None:
    if entry is None:
        return None
    severities: list[tuple[str, str, str]] = []
    for what, said in entry.severities.items():
        if isinstance(said, str):
            severities.append(("", what, said))
        else:
            severities += [(what, change, severity) for change, severity in said.items()]
    return EventRules(
        tuple(entry.types),
        tuple(entry.names),
        tuple(entry.states),
        tuple(entry.channels),
        entry.collar_s,
        entry.tolerance_s,
        entry.merge_s,
        tuple(severities),
    )


def _intents(suite: SuiteFile, path: Path, places: dict[Place, int]) -> tuple[Intent, ...]:
    """What the suite itself declares: in place, and in files of their own."""
    here = () if suite.intent is None else (make_intent(suite.intent, suite.suite, path, places, ("intent",)),)
    return (*here, *(load_intent(_resolved(path.parent, named)) for named in suite.intents))


def _conditions(suite: SuiteFile, folder: Path) -> dict[str, tuple[str, ...]]:
    """Of the suite itself, or of a file that several suites share."""
    if isinstance(suite.conditions, str):
        path = _resolved(folder, suite.conditions)
        content, places, mistakes = load_yaml(path)
        given = validated(ConditionsFile, content, places, mistakes, path).root
    else:
        given = suite.conditions
    return {name: tuple(selectors) for name, selectors in given.items()}


def _shelf(folder: Path, address: str | None) -> str:
    """A URL as it is, a path from the folder of the file that names it."""
    if address is None or "://" in address:
        return address or ""
    return str(_resolved(folder, address))


def _resolved(folder: Path, text: str) -> Path:
    return Path(os.path.normpath(folder / Path(text).expanduser()))
