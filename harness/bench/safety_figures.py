"""The figure of replaying the engagement state machine: how many times faster than the drive it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.bench.clock import best_cpu_s
from harness.bench.drive_log import FIRST_T_NS, MESSAGES_PER_MINUTE, drive_log
from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.recording.log import Log, parse_log
from harness.recording.log_writer import encode_event
from harness.replay.selfdrive.events import NEWEST
from harness.replay.selfdrive.inputs import Inputs
from harness.replay.selfdrive.replay import make_channels, run_rules
from harness.replay.selfdrive.rules import RuleSpec, release_rules
from harness.replay.selfdrive.run import run_machine

_TIME_BYTES = slice(16, 24)  # in a message of one segment
_VECTOR = {"x": 0.1, "y": 0.0, "z": 0.0, "valid": True}
_EVENTS = [{"name": "steerOverride", "overrideLateral": True}]

# What a drive's log has besides, and the engagement rules look at: rate and payload.
_MORE: Mapping[str, tuple[float, Any]] = {
    "deviceMotion": (20, {"accelerationDevice": _VECTOR, "angularVelocityDevice": _VECTOR, "inputsOK": True}),
    "radarState": (20, {"radarErrors": {}}),
    "driverAssistance": (20, {}),
    "lateralTorqueParameters": (4, {}),
    "deviceState": (2, {"freeSpacePercent": 50.0, "memoryUsagePercent": 40}),
    "peripheralState": (2, {"fanSpeedRpm": 1000}),
    "managerState": (
        2,
        {"processes": [{"name": f"p{i}", "running": True, "shouldBeRunning": True} for i in range(40)]},
    ),
    "onroadEvents": (1, _EVENTS),
}


def state_machine_speed(bench: Workbench) -> float:
    """Seconds of drive replayed in a second: columns, conditions, machine and channels, from the log in memory."""
    log = bench.once("safety log", lambda: _log(bench))
    rules, spec = release_rules(NEWEST), RuleSpec(NEWEST)

    def replay() -> None:
        inputs = Inputs(log)
        replayed, recorded = run_rules(inputs, rules, spec, run_machine, "derived")
        for _ in make_channels(inputs, replayed, recorded, rules):
            pass

    replay()  # the schema is read once in a process
    taken_s = best_cpu_s(replay, bench.scale.repeats)
    rows = len(log.rows("carState"))
    bench.tell(f"engagement rules over {rows} rows in {taken_s * 1e3:.0f} ms of processor time")
    return rows / 100 / taken_s


def _log(bench: Workbench) -> Log:
    seconds = 60.0 * bench.scale.log_messages / MESSAGES_PER_MINUTE
    content = [drive_log(seconds, bench.scale.log_messages, seed=2)]
    for service, (rate_hz, payload) in _MORE.items():
        message = bytearray(encode_event(service, 0, payload))
        for i in range(round(seconds * rate_hz)):
            message[_TIME_BYTES] = (FIRST_T_NS + round(i * 1e9 / rate_hz)).to_bytes(8, "little")
            content.append(bytes(message))
    return parse_log(b"".join(content), where="bench")


FIGURES = (Figure("engagement rules", "× real time", 500.0, Better.HIGHER, state_machine_speed),)
