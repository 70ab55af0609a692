"""Suites and devices from YAML to domain values: strict, and every mistake reported at once with file:line."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from harness.domain import ENGAGEMENT_STATES, EVENT_CLASSES, Check, Device, DeviceKind, EventRules, Json, Tolerance
from harness.errors import ConfigError, ConfigMistakesError, NothingToRunError

_MAX_BYTES = 4 << 20  # a suite is written by people; anything larger is not one
_Place = tuple[str | int, ...]
_Model = TypeVar("_Model", bound=BaseModel)
_Kind: TypeAlias = Literal["tici", "tizi", "mici", "emulated"]


def _only_emulated() -> list[_Kind]:
    return ["emulated"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _ToleranceFile(_Strict):
    absolute: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    relative: float = Field(default=0.0, ge=0, lt=1, allow_inf_nan=False)


_Severity: TypeAlias = Literal["BLOCK", "NOTE", "IGNORE"]
_EventClass: TypeAlias = Literal["NEW", "GONE", "MOVED", "LONGER", "SHORTER", "OUTCOME"]
_EventType: TypeAlias = Literal[
    "enable", "noEntry", "warning", "userDisable", "softDisable", "immediateDisable",
    "preEnable", "permanent", "overrideLongitudinal", "overrideLateral",
]  # fmt: skip


class _EventsFile(_Strict):
    """Rules of an event check; `severities` by class, or by type or name and then by class."""

    types: list[_EventType] = Field(default_factory=lambda: list(cast("tuple[_EventType, ...]", EventRules().types)))
    names: list[str] = Field(default_factory=lambda: list(EventRules().names), min_length=1)
    states: list[str] = Field(default_factory=list)
    channels: list[str] = Field(default_factory=list)
    collar_s: float = Field(default=EventRules().collar_s, ge=0, le=60, allow_inf_nan=False)
    tolerance_s: float = Field(default=EventRules().tolerance_s, ge=0, le=60, allow_inf_nan=False)
    merge_s: float = Field(default=EventRules().merge_s, ge=0, le=60, allow_inf_nan=False)
    severities: dict[str, _Severity | dict[_EventClass, _Severity]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _something_known(self) -> _EventsFile:
        if not (self.types or self.states or self.channels):
            raise ValueError("compares nothing: name types, states or channels")
        for pattern in self.states:
            if not any(fnmatch.fnmatchcase(state, pattern) for state in ENGAGEMENT_STATES):
                raise ValueError(f"states: {pattern} is none of {', '.join(ENGAGEMENT_STATES)}")
        groups = {*self.types, *self.names, *self.channels, "state", "channel", *ENGAGEMENT_STATES}
        for what, said in self.severities.items():
            if isinstance(said, str) and what not in EVENT_CLASSES:
                raise ValueError(f"severities: {what} is none of {', '.join(EVENT_CLASSES)}")
            if not isinstance(said, str) and what not in groups:
                raise ValueError(f"severities: {what} is no type, name, state or channel that this check compares")
        if self.tolerance_s > self.collar_s:
            raise ValueError("tolerance_s is greater than collar_s, so that nothing could ever be MOVED")
        return self


class _CheckFile(_Strict):
    channels: list[str] | None = Field(default=None, min_length=1)
    events: _EventsFile | None = None
    tolerance: Annotated[_ToleranceFile, BeforeValidator(lambda given: {} if given == "exact" else given)] = Field(
        default_factory=_ToleranceFile
    )
    blocks: bool = True

    @model_validator(mode="after")
    def _one_kind(self) -> _CheckFile:
        if (self.channels is None) == (self.events is None):
            raise ValueError("name either channels or events")
        if self.events is not None and "tolerance" in self.model_fields_set:
            raise ValueError("tolerance belongs to channels; events have collar_s and tolerance_s")
        return self


class _ReplayerFile(_Strict):
    candidate: str | None = None
    baseline: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    checks: dict[str, _CheckFile] = Field(min_length=1)


class _RoutesFile(_Strict):
    folder: str
    select: list[str] = Field(default_factory=list)
    where: str | None = Field(default=None, min_length=1)


class _TargetFile(_Strict):
    kinds: list[_Kind] = Field(default_factory=_only_emulated, min_length=1)
    tags: list[str] = Field(default_factory=list)


class _SuiteFile(_Strict):
    suite: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    routes: list[
        Annotated[_RoutesFile, BeforeValidator(lambda given: {"folder": given} if isinstance(given, str) else given)]
    ] = Field(min_length=1)
    replayers: dict[str, _ReplayerFile] = Field(min_length=1)
    devices: _TargetFile = Field(default_factory=_TargetFile)
    deadline_s: float = Field(default=1800.0, gt=0, allow_inf_nan=False)


class _DeviceFile(_Strict):
    kind: _Kind
    address: str = Field(min_length=1)
    port: int = Field(default=22, ge=1, le=65535)
    user: str = "comma"
    key: str = Field(min_length=1)
    host_key: str = Field(pattern=r"^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$")
    work_folder: str = Field(default="/data/closet", pattern=r"^/")
    python: str = "python3"
    slots: int = Field(default=1, ge=1, le=64)
    tags: list[str] = Field(default_factory=list)


class _ShelfFile(BaseModel):
    """Devices by name, and beside them `emulated: N`."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, _DeviceFile]
    emulated: int = Field(default=0, ge=0, le=256)


class _FleetFile(_Strict):
    devices: _ShelfFile


@dataclass(frozen=True, slots=True)
class RouteSource:
    """A folder of recordings, and which of them: selectors as people type them, all when empty.

    `condition` is an expression over the corpus index (`where:` in the file), `where` the line it all stands in.
    """

    folder: Path
    select: tuple[str, ...]
    where: str
    condition: str = ""


@dataclass(frozen=True, slots=True)
class ReplayerConfig:
    """One replayer of a suite. `baseline` None means: hold against what was approved."""

    name: str
    candidate: Path | None
    baseline: Path | None
    options: dict[str, Json]
    checks: tuple[Check, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Suite:
    """What is replayed, how it is judged, and on which devices."""

    name: str
    path: Path
    routes: tuple[RouteSource, ...]
    replayers: tuple[ReplayerConfig, ...]
    device_kinds: tuple[DeviceKind, ...]
    tags: tuple[str, ...]
    deadline_s: float
    where_devices: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """The shelf: devices reached over SSH, and how many emulated workers to start beside them."""

    devices: tuple[Device, ...]
    emulated: int
    path: Path | None = None

    def serves(self, kind: DeviceKind, tags: tuple[str, ...]) -> bool:
        """Whether any device is of this kind and has all the tags."""
        if kind is DeviceKind.EMULATED and self.emulated and not tags:
            return True
        return any(device.kind is kind and set(tags) <= set(device.tags) for device in self.devices)


def load_suite(path: Path) -> Suite:
    """The suite in a YAML file; relative paths are relative to its folder. ConfigMistakesError with every mistake."""
    content, places, errors = _load(path)
    suite = _validated(_SuiteFile, content, places, errors, path)
    folder = path.parent

    def where(*place: str | int) -> str:
        return f"{path}:{_line(places, place)}"

    routes = tuple(
        RouteSource(_resolved(folder, entry.folder), tuple(entry.select), where("routes", number), entry.where or "")
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
        )
        for name, entry in suite.replayers.items()
    )
    return Suite(
        suite.suite,
        path,
        routes,
        replayers,
        tuple(DeviceKind(kind) for kind in suite.devices.kinds),
        tuple(suite.devices.tags),
        suite.deadline_s,
        where("devices"),
    )


def load_fleet(path: Path) -> Fleet:
    """The devices in a YAML file. ConfigMistakesError with every mistake; `~` is expanded in key paths."""
    content, places, mistakes = _load(path)
    fleet = _validated(_FleetFile, content, places, mistakes, path)
    errors: list[ConfigError] = []
    devices: list[Device] = []
    for name, entry in fleet.devices.__pydantic_extra__.items():
        where = f"{path}:{_line(places, ('devices', name))}"
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
                entry.python,
                entry.slots,
                tuple(entry.tags),
            )
        )
    if not devices and not fleet.devices.emulated:
        errors.append(ConfigError("no device at all", where=str(path), remedy="add one, or `emulated: 2`"))
    if errors:
        raise ConfigMistakesError(tuple(errors))
    return Fleet(tuple(devices), fleet.devices.emulated, path)


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
    if errors:
        raise ConfigMistakesError(tuple(errors))
    if nothing is not None:
        raise nothing


def _check(name: str, entry: _CheckFile) -> Check:
    tolerance = Tolerance(entry.tolerance.absolute, entry.tolerance.relative)
    return Check(name, tuple(entry.channels or ()), tolerance, entry.blocks, _events(entry.events))


def _events(entry: _EventsFile | None) -> EventRules | None:
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


def _resolved(folder: Path, text: str) -> Path:
    return Path(os.path.normpath(folder / Path(text).expanduser()))


def _load(path: Path) -> tuple[Any, dict[_Place, int], list[ConfigError]]:
    """The plain content of a YAML file, the line (from 1) of every place in it, and the mistakes of its form."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError("larger than 4 MB", where=str(path), remedy="is this the right file?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="name an existing file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", where=str(path), remedy="name a YAML file") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            f"not YAML: {problem}", where=f"{path}:{line}", remedy="mind indentation and quotes"
        ) from error
    if node is None:
        raise ConfigError("is empty", where=str(path), remedy="see the README for an example")
    places: dict[_Place, int] = {}
    errors: list[ConfigError] = []
    content = _plain(node, (), places, errors, path)
    return content, places, errors


def _plain(node: yaml.Node, place: _Place, places: dict[_Place, int], errors: list[ConfigError], path: Path) -> Any:
    """A node as plain Python values, noting lines and duplicate keys."""
    line = node.start_mark.line + 1
    places.setdefault(place, line)
    if len(place) > 32:
        errors.append(ConfigError("is nested too deeply", where=f"{path}:{line}"))
        return None
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else str(key_node.value)
            inner = (*place, str(key))
            if key in mapping:
                where = f"{path}:{key_node.start_mark.line + 1}"
                errors.append(ConfigError(f"key {key} stands twice", where=where, remedy="keep one"))
            places[inner] = key_node.start_mark.line + 1
            mapping[key] = _plain(value_node, inner, places, errors, path)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*place, number), places, errors, path) for number, child in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _line(places: dict[_Place, int], place: _Place) -> int:
    """The line of a place, or of the nearest thing around it."""
    while place and place not in places:
        place = place[:-1]
    return places.get(place, 1)


def _validated(
    model: type[_Model], content: Any, places: dict[_Place, int], mistakes: list[ConfigError], path: Path
) -> _Model:
    """`content` as `model`; otherwise everything wrong with it, together with the `mistakes` of its form."""
    found = {(0, str(mistake)): mistake for mistake in mistakes}
    valid: _Model | None = None
    try:
        valid = model.model_validate(content)
    except ValidationError as error:
        for entry in error.errors():
            line = _line(places, entry["loc"])
            name = ".".join(str(part) for part in entry["loc"]) or "the file"
            problem = entry["msg"].removeprefix("Value error, ").replace("Input should", "should")
            if entry["type"] == "extra_forbidden":
                problem = "unknown key"
            if entry["type"] == "missing":
                problem = "is missing"
            found.setdefault((line, name), ConfigError(f"{name}: {problem}", where=f"{path}:{line}"))
    if valid is None or found:
        raise ConfigMistakesError(tuple(found[key] for key in sorted(found)))
    return valid
