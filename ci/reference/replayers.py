"""The replayers with their options, from the values that options are checked into."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from ci.reference.text import GENERATED, first_line, member_docs, table
from harness.replay.options import DriverMonitoringOptions, DrivingModelOptions, PandaSafetyOptions, SelfdriveOptions

OPTIONS: dict[str, tuple[type, str]] = {
    "driving_model": (DrivingModelOptions, "Camera files and log through a driving model: [models](../models.md)."),
    "driver_monitoring": (DriverMonitoringOptions, "A camera file through a driver-monitoring model."),
    "selfdrive_state": (
        SelfdriveOptions,
        "A log through the rules of engagement: [changing a threshold](../safety.md).",
    ),
    "panda_safety": (PandaSafetyOptions, "A log's CAN frames through the car-side safety kernel of opendbc."),
}


def render() -> str:
    """The page."""
    head = (
        f"{GENERATED}# Replayers and their options\n\n"
        "A replayer turns a recording into a trace. Its options stand under `options:` of\n"
        "[a replayer](suite.md#a-replayer) in a suite. Every option is part of a job's identity: another value\n"
        "is another job.\n"
    )
    parts = [head]
    for name, (options, words) in OPTIONS.items():
        docs = member_docs(options)
        rows = [(f"`{field.name}`", _default(field.default), docs.get(field.name, "")) for field in fields(options)]
        parts.append(f"\n## {name}\n\n{words} {first_line(options)}\n\n{table(['option', 'default', 'meaning'], rows)}")
    return "".join(parts)


def _default(value: Any) -> str:
    return "" if value is None or value is MISSING else f"`{str(value).lower() if isinstance(value, bool) else value}`"
