"""A rule set: rules.yaml names the release it begins with and what it changes.

format: 1
base: 0.11.2                       # or `log`: the release that recorded each log
name: softer                       # optional, for reports
soft_disable_time_s: 3.0
thresholds:
  longitudinal_accel_max: 4.4 m/s²  # number and unit; see thresholds.py
event_types:
  steerSaturated: {add: [softDisable, noEntry], remove: [warning]}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from harness.domain import Json
from harness.errors import ConfigError, DataError
from harness.replay.selfdrive.events import (
    RELEASES,
    TYPE_BITS,
    event_types,
    known_events,
    known_release,
    parse_release,
)
from harness.replay.selfdrive.machine import SOFT_DISABLE_FRAMES
from harness.replay.selfdrive.thresholds import STEP_S, THRESHOLDS, Threshold

RULES_NAME, MACHINE_NAME = "rules.yaml", "machine.py"
OF_THE_LOG = "log"

_FORMAT = 1
_KEYS = {"format", "base", "name", "soft_disable_time_s", "thresholds", "event_types"}
_MAX_BYTES = 1 << 20
_MAX_SOFT_DISABLE_S = 600.0
_MAX_NUMBER = 1e9
_REMEDY = (
    "a rules.yaml is `format: 1` and `base: 0.11.2`, and what it changes: thresholds, soft_disable_time_s, event_types"
)
_UNIT_SPELLINGS = {"m/s2": "m/s²", "m/s^2": "m/s²", "kph": "km/h", "percent": "%"}


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """What rules.yaml says. `added` and `removed` are type bits by event; `thresholds` only what is changed."""

    base: str
    name: str = ""
    soft_disable_frames: int | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    added: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules a replay goes by: types of every event that exists, every threshold, the time of a soft disable."""

    release: str
    types: Mapping[str, int]
    thresholds: Mapping[str, float]
    soft_disable_frames: int = SOFT_DISABLE_FRAMES

    def __getitem__(self, threshold: str) -> float:
        return self.thresholds[threshold]


def release_rules(release: str) -> Rules:
    """The rules of a release, as they stand in the tables."""
    name = known_release(release)
    return Rules(name, event_types(name), {each.name: each.at(name) for each in THRESHOLDS.values()})


def apply_spec(spec: RuleSpec, log_release: str) -> Rules:
    """The rules for one log: of the base with the changes of the rule set. `log_release` serves `base: log`."""
    base = release_rules(log_release if spec.base == OF_THE_LOG else spec.base)
    types = dict(base.types)
    for name in sorted({*spec.added, *spec.removed}):
        types[name] = (types.get(name, 0) & ~spec.removed.get(name, 0)) | spec.added.get(name, 0)
    frames = base.soft_disable_frames if spec.soft_disable_frames is None else spec.soft_disable_frames
    return Rules(base.release, types, {**base.thresholds, **spec.thresholds}, frames)


def load_rules(path: Path) -> RuleSpec:
    """Read a rules.yaml; ConfigError with every mistake in it, DataError when it is no text."""
    try:
        content = path.read_bytes()
        if len(content) > _MAX_BYTES:
            raise DataError(f"rules of {len(content)} bytes", where=str(path), remedy=_REMEDY)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path), remedy=_REMEDY) from error
    return parse_rules(text, where=str(path))


def parse_rules(text: str, *, where: str) -> RuleSpec:
    """Read the text of a rules.yaml; ConfigError with every mistake in it."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {error}", where=where, remedy=_REMEDY) from error
    if not isinstance(value, dict):
        raise ConfigError("it must be a mapping", where=where, remedy=_REMEDY)
    mistakes = [f"unknown key {key!r}" for key in sorted(map(str, set(value) - _KEYS))]
    if value.get("format") != _FORMAT:
        mistakes.append(f"format must be {_FORMAT}, not {value.get('format')!r}")
    base = _base(value.get("base"), mistakes)
    name = value.get("name", "")
    if not isinstance(name, str):
        mistakes.append("name must be text")
    frames = _soft_disable_frames(value.get("soft_disable_time_s"), mistakes)
    thresholds = _thresholds(value.get("thresholds"), mistakes)
    added, removed = _type_changes(value.get("event_types"), mistakes)
    if mistakes:
        raise ConfigError("; ".join(mistakes), where=where, remedy=_REMEDY)
    return RuleSpec(base, name, frames, thresholds, added, removed)


def describe_spec(spec: RuleSpec) -> dict[str, Json]:
    """What a rule set changes, for a trace's provenance."""
    return {
        "base": spec.base,
        "name": spec.name,
        "soft_disable_frames": spec.soft_disable_frames,
        "thresholds": dict(sorted(spec.thresholds.items())),
        "types_added": dict(sorted(spec.added.items())),
        "types_removed": dict(sorted(spec.removed.items())),
    }


def find_rules(path: Path) -> tuple[tuple[str, Path], ...]:
    """The named files of a rule set: of its YAML, or of a folder with rules.yaml and, if it has one, machine.py."""
    spec_path = path / RULES_NAME if path.is_dir() else path
    if not spec_path.is_file() or spec_path.suffix not in {".yaml", ".yml"}:
        raise ConfigError(
            "there is no such rule set", where=str(path), remedy=f"name a .yaml file, or a folder with {RULES_NAME}"
        )
    load_rules(spec_path)
    machine = spec_path.with_name(MACHINE_NAME)
    files = ((RULES_NAME, spec_path),)
    return (*files, (MACHINE_NAME, machine)) if path.is_dir() and machine.is_file() else files


def _base(value: Any, mistakes: list[str]) -> str:
    if value == OF_THE_LOG:
        return OF_THE_LOG
    if not isinstance(value, str) or value not in RELEASES:
        said = "is missing" if value is None else f"must be a release that is known, not {value!r}"
        newer = isinstance(value, str) and parse_release(value) is not None
        mistakes.append(f"base {said}: {OF_THE_LOG}, {', '.join(RELEASES)}" + (" (take the last before it)" * newer))
        return RELEASES[-1]
    return value


def _soft_disable_frames(value: Any, mistakes: list[str]) -> int | None:
    if value is None:
        return None
    if not _is_number(value) or not 0 <= value <= _MAX_SOFT_DISABLE_S:
        mistakes.append(f"soft_disable_time_s must be seconds from 0 to {_MAX_SOFT_DISABLE_S:g}, not {value!r}")
        return None
    return round(float(value) / STEP_S)


def _thresholds(value: Any, mistakes: list[str]) -> dict[str, float]:
    changes: dict[str, float] = {}
    for name, entry in _mapping(value, "thresholds", mistakes).items():
        if name not in THRESHOLDS:
            mistakes.append(f"no threshold is called {name!r}{_near(name, THRESHOLDS)}")
            continue
        number = _parse_quantity(entry, THRESHOLDS[name], mistakes)
        if number is not None:
            changes[name] = number
    return changes


def _parse_quantity(value: Any, threshold: Threshold, mistakes: list[str]) -> float | None:
    """`4.4 m/s²` as 4.4. The unit must be there, so that nobody changes a number in another unit than it has."""
    example = f"{threshold.value:g} {threshold.unit}".strip()
    text = f"{value}" if _is_number(value) else value
    match = (
        re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*", text)
        if isinstance(text, str)
        else None
    )
    if match is None:
        mistakes.append(f"{threshold.name} must be a number with its unit, as in `{example}`, not {value!r}")
        return None
    number, unit = float(match[1]), _UNIT_SPELLINGS.get(match[2], match[2])
    if unit != threshold.unit:
        wanted = f"in {threshold.unit}" if threshold.unit else "without a unit"
        mistakes.append(f"{threshold.name} is {wanted}, as in `{example}`, not {value!r}")
        return None
    if not math.isfinite(number) or abs(number) > _MAX_NUMBER:
        mistakes.append(f"{threshold.name} cannot be {value!r}")
        return None
    if threshold.whole and (number != round(number) or number < 0):
        mistakes.append(f"{threshold.name} must be a whole number, not {value!r}")
        return None
    return number


def _type_changes(value: Any, mistakes: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    added: dict[str, int] = {}
    removed: dict[str, int] = {}
    for event, entry in _mapping(value, "event_types", mistakes).items():
        if event not in known_events():
            mistakes.append(f"no event is called {event!r}{_near(event, known_events())}")
            continue
        if not isinstance(entry, dict) or not entry or set(entry) - {"add", "remove"}:
            mistakes.append(f"event_types.{event} must be a mapping of add and remove, as in `{{add: [softDisable]}}`")
            continue
        for key, bits in (("add", added), ("remove", removed)):
            if key in entry:
                bits[event] = _type_mask(entry[key], f"event_types.{event}.{key}", mistakes)
        if added.get(event, 0) & removed.get(event, 0):
            mistakes.append(f"event_types.{event} adds and removes the same type")
    return added, removed


def _type_mask(value: Any, name: str, mistakes: list[str]) -> int:
    mask = 0
    for word in value if isinstance(value, list) else [value]:
        if not isinstance(word, str) or word not in TYPE_BITS:
            mistakes.append(f"{name}: no event type is called {word!r}, one of {', '.join(TYPE_BITS)}")
            continue
        mask |= TYPE_BITS[word]
    return mask


def _mapping(value: Any, name: str, mistakes: list[str]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        mistakes.append(f"{name} must be a mapping")
        return {}
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(name: str, among: Any) -> str:
    near = get_close_matches(name, sorted(among), n=2)
    return f", did you mean {' or '.join(near)}?" if near else ""
