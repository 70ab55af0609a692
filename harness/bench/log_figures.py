"""Figures of reading logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from harness.bench.clock import best_cpu_s
from harness.bench.drive_log import MESSAGES_PER_MINUTE, drive_log
from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.recording.log import parse_log
from harness.recording.log_index import index_log
from harness.recording.log_schema import event_type

# Numbers only: reading lists through pycapnp is slower still, and would flatter us.
_FIELDS: Mapping[str, Sequence[str]] = {
    "carState": ("vEgo", "aEgo", "steeringAngleDeg"),
    "carControl": ("latActive", "actuators.accel"),
    "controlsState": ("curvature", "desiredCurvature"),
}


def _content(bench: Workbench) -> bytes:
    """The uncompressed log that is read."""

    def make() -> bytes:
        messages = bench.scale.log_messages
        bench.tell(f"making a log of {messages} messages")
        return drive_log(60.0 * messages / MESSAGES_PER_MINUTE, messages, seed=1)

    return bench.once("log", make)


def columns_speed(bench: Workbench) -> float:
    """How many times faster our columns are than a loop over pycapnp's messages, both from uncompressed bytes."""
    content = _content(bench)
    ours = best_cpu_s(lambda: _read_columns(content), bench.scale.repeats)
    theirs = best_cpu_s(lambda: _read_by_iterating(content), max(1, bench.scale.repeats // 2))
    bench.tell(f"three services as columns {ours * 1e3:.0f} ms, by iterating {theirs * 1e3:.0f} ms of processor time")
    return theirs / ours


def index_speed(bench: Workbench) -> float:
    """Gigabytes of uncompressed log indexed in a second."""
    content = _content(bench)
    taken = best_cpu_s(lambda: index_log(content), bench.scale.repeats)
    bench.tell(f"index of {len(content) / 1e6:.1f} MB in {taken * 1e3:.1f} ms")
    return len(content) / 1e9 / taken


def _read_columns(content: bytes) -> None:
    log = parse_log(content, where="bench")
    for service, fields in _FIELDS.items():
        log.columns(service, fields)


def _read_by_iterating(content: bytes) -> dict[str, list[list[object]]]:
    values: dict[str, list[list[object]]] = {service: [] for service in _FIELDS}
    for event in event_type().read_multiple_bytes(content):
        service = event.which()
        fields = _FIELDS.get(service)
        if fields is not None:
            payload = getattr(event, service)
            values[service].append([reduce(getattr, field.split("."), payload) for field in fields])
    return values


FIGURES = (
    Figure("log columns against pycapnp", "times as fast", 5.0, Better.HIGHER, columns_speed),
    Figure("log index", "GB/s", 1.0, Better.HIGHER, index_speed),
)
