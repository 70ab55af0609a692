"""Every key of the files people write, from the forms they are checked against."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ci.reference.text import GENERATED, cell, enum_rows, first_line, member_docs, table
from harness.config import forms, quarantine
from harness.config.intent import IntentFile
from harness.config.upkeep import EMULATED_LIMITS, Limits, LimitsFile
from harness.intent import POLICIES, Action, Size

# What a form is called where another one refers to it. Every form has one: a test holds this against the files' own.
TITLES = {
    "SuiteFile": "A suite",
    "RoutesFile": "An entry of routes",
    "ReplayerFile": "A replayer",
    "CheckFile": "A check",
    "ToleranceFile": "A tolerance",
    "EventsFile": "Rules of events",
    "TargetFile": "Devices of a suite",
    "RuntimeFile": "What executes models",
    "FleetFile": "The file",
    "ShelfFile": "Devices",
    "DeviceFile": "A device",
    "LimitsFile": "Limits",
    "RecoveryFile": "A recovery hook",
    "BurnInFile": "Burn-in",
    "IntentFile": "An intent",
    "_MetricFile": "A metric",
    "_GuardFile": "A guard",
    "_BudgetFile": "A budget",
    "_ActionsFile": "A policy",
    "_QuarantineFile": "The quarantine file",
    "_EntryFile": "An entry",
}
_NAMES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Size: "amount or share",
}
_ELSEWHERE = dict.fromkeys(("IntentFile", "_MetricFile", "_GuardFile", "_BudgetFile", "_ActionsFile"), "intent.md")


def render_suite() -> str:
    """The page about suites."""
    return _page(
        "Suite files",
        "What is replayed, how it is judged, and on which devices. `closet check` tells every mistake in one, with\n"
        "file and line. Unknown keys are mistakes. Paths are relative to the file.\n"
        "[An intent](intent.md) may stand in it.",
        [forms.SuiteFile],
        without=_ELSEWHERE,
    )


def render_devices() -> str:
    """The page about devices.yaml."""
    defaults = table(
        ["limit", "device", "emulated worker"],
        [(f"`{name}`", _limit(Limits(), name), _limit(EMULATED_LIMITS, name)) for name in LimitsFile.model_fields],
    )
    return _page(
        "devices.yaml",
        "The shelf: its devices, where what several runs share is kept, and what keeps the devices in order.\n"
        "`closet devices add` writes entries. How to use it: [keeping devices in order](../devices.md).",
        [forms.FleetFile],
    ) + (f"\n## Limits that hold by default\n\nA limit that is `null` limits nothing.\n\n{defaults}")


def render_intent() -> str:
    """The page about intents and policies."""
    policies = table(
        ["policy", "`worse`", "`inconclusive`", "`not_better`", "`changed`"],
        [
            (f"`{name}`", *(getattr(policy, key).value for key in ("worse", "inconclusive", "not_better", "changed")))
            for name, policy in POLICIES.items()
        ],
    )
    return _page(
        "Intents and policies",
        "What a change is declared to do: a file (`--intent FILE`), `intent:` of a suite, or files that a suite names\n"
        "(`intents:`). How to read the answers: [reading a verdict](../reading-a-verdict.md). An amount is in the\n"
        "metric's unit (`0.04`), a share is of the baseline's mean (`5 %`). Metrics and conditions:\n"
        "[metrics](../metrics.md).",
        [IntentFile],
    ) + (f"\n## Policies that have a name\n\n{policies}\n{table(['action', 'meaning'], enum_rows(Action))}")


def render_quarantine() -> str:
    """The page about quarantine files."""
    return _page(
        "Quarantine",
        "`quarantine.yaml` beside a suite, or the file it names: checks that may go wrong for a while. What that\n"
        "means: [the gate of a pull request](../pr-gate.md#quarantine).",
        [quarantine._QuarantineFile],
    )


def _page(title: str, words: str, roots: list[type[BaseModel]], without: dict[str, str] | None = None) -> str:
    parts = [f"{GENERATED}# {title}\n\n{words}\n"]
    away = without or {}
    parts += [
        f"\n## {TITLES[form.__name__]}\n\n{_introduction(form)}{_keys(form, away)}"
        for form in forms_below(roots)
        if form.__name__ not in away
    ]
    return "".join(parts)


def _introduction(form: type[BaseModel]) -> str:
    said = first_line(form) if form.__doc__ else ""
    return f"{said}\n\n" if said and said.rstrip(".") != TITLES[form.__name__] else ""


def forms_below(roots: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """The forms of a file, each once, in the order in which their keys stand."""
    found: dict[type[BaseModel], None] = {}
    for root in roots:
        _collect(root, found)
    return list(found)


def _collect(form: type[BaseModel], found: dict[type[BaseModel], None]) -> None:
    if form in found:
        return
    found[form] = None
    for annotation in _annotations(form).values():
        for inner in _inner_forms(annotation):
            _collect(inner, found)


def _annotations(form: type[BaseModel]) -> dict[str, Any]:
    """The type of each key; those of names that are the person's own are under `NAME`."""
    keys = {name: field.annotation for name, field in form.model_fields.items()}
    if form.model_config.get("extra") == "allow":
        given = typing.get_type_hints(form, include_extras=True)["__pydantic_extra__"]
        keys = {"NAME": get_args(given)[1], **keys}
    return keys


def _inner_forms(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner_forms(part)


def _keys(form: type[BaseModel], away: dict[str, str]) -> str:
    docs = member_docs(form) | {"NAME": "A device, under a name of yours: letters, digits, `-`, `_` and `.`."}
    rows = []
    for name, annotation in _annotations(form).items():
        field = form.model_fields.get(name)
        rows.append(
            (f"`{name}`", _type(annotation, field, away), "" if field is None else _default(field), docs.get(name, ""))
        )
    return table(["key", "type", "default", "meaning"], rows)


def _type(annotation: Any, field: FieldInfo | None, away: dict[str, str]) -> str:
    bounds = _bounds(field.metadata if field else [])
    return _spoken(annotation, away) + (f", {bounds}" if bounds else "")


def _spoken(annotation: Any, away: dict[str, str]) -> str:
    if get_origin(annotation) is Annotated:
        return _spoken(get_args(annotation)[0], away)
    if get_origin(annotation) is Literal:
        return " · ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in {Union, types.UnionType}:
        return " or ".join(_spoken(part, away) for part in get_args(annotation) if part is not types.NoneType)
    if get_origin(annotation) is list:
        return f"list of {_spoken(get_args(annotation)[0], away)}"
    if get_origin(annotation) is dict:
        return f"mapping: name to {_spoken(get_args(annotation)[1], away)}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        title = TITLES[annotation.__name__]
        anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        return f"[{title[0].lower()}{title[1:]}]({away.get(annotation.__name__, '')}#{anchor})"
    return _NAMES.get(
        annotation, "any value" if annotation is Any else str(getattr(annotation, "__name__", annotation))
    )


def _bounds(metadata: list[Any]) -> str:
    words = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}
    said = [
        form.format(f"{value:g}")
        for entry in metadata
        for name, form in words.items()
        if isinstance(value := getattr(entry, name, None), int | float)
    ]
    if any(getattr(entry, "min_length", None) for entry in metadata):
        said.append("not empty")
    return ", ".join(said)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return "`{}`" if value == {} else f"`{cell(f'{value:g}' if isinstance(value, float) else str(value))}`"


def _limit(limits: Limits, name: str) -> str:
    value = getattr(limits, name)
    return (
        "–"
        if value is None or value == ()
        else f"{value:,}".replace(",", " ")
        if isinstance(value, int)
        else f"{value:g}"
    )
