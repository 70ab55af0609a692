"""The explanation and the kernel are never of two minds, whatever is commanded."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from harness.recording.log_writer import encode_event, write_log
from tests.replay.panda.toyota import START_NS, checked, signed, steer


def hyundai_torque(torque: int, request: int) -> tuple[int, bytes, int]:
    """LKAS11: torque in 11 bits with an offset, limited by the driver's torque and by speed."""
    raw = torque + 1024
    return (832, bytes([0, 0, raw & 0xFF, (raw >> 8 & 7) | request << 3, 0, 0, 0, 0]), 0)


def toyota_sensor(dice: random.Random) -> tuple[int, bytes, int]:
    body = b"\0" + signed(dice.randint(-200, 200)) + bytes(2) + signed(dice.randint(-900, 900))
    return (0x260, checked(0x260, body), 0)


def hyundai_driver(dice: random.Random) -> tuple[int, bytes, int]:
    """MDPS12: the driver's torque in the first 11 bits."""
    raw = dice.randint(-700, 700) + 2048 // 2
    return (593, bytes([raw & 0xFF, raw >> 8 & 7]) + bytes(6), 0)


CARS = {
    "toyota": (73, steer, toyota_sensor, 1500),
    "hyundai": (0, hyundai_torque, hyundai_driver, 400),
}


def random_drive(path: Path, model: str, seed: int) -> Path:
    """Two seconds (no tick, so controls stay as seeded) of a torque that wanders by steps around the limits."""
    param, command, sensor, most = CARS[model]
    dice = random.Random(seed)
    config = {"safetyConfigs": [{"safetyModel": model, "safetyParam": param}]}
    events = [encode_event("carParams", START_NS - 1, config)]
    torque = dice.choice((-1, 1))
    patient = seed % 2 == 1  # never too fast, so that it gets far
    for i in range(400):
        t_ns = START_NS + i * 5_000_000
        said = [sensor(dice)] if i % 3 == 0 else []
        events.append(encode_event("can", t_ns, [{"address": a, "dat": d, "src": s} for a, d, s in said]))
        a, d, s = command(torque, patient or dice.random() < 0.9)
        events.append(encode_event("sendcan", t_ns, [{"address": a, "dat": d, "src": s}]))
        step = dice.choice((10, 12, 14, 15) if patient else (1, 2, 3, 4, 5, 10, 14, 15, 16, 25, 26))
        torque = (
            0
            if dice.random() < 0.02
            else max(-most - 9, min(most + 9, torque + (step if patient else dice.choice((step, step, -step)))))
        )
    write_log(path, events)
    return path


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        ("toyota", {"torqueRateUp", "torqueError", "steerRequest"}),
        ("hyundai", {"torqueRateUp", "maxTorque", "steerRequest"}),
    ],
)
def test_every_refusal_has_a_reason_and_no_pass_has_one(model, reasons, tmp_path, installed_kernel, replay):
    seen: set[str] = set()
    refused = 0
    for seed in range(6):
        log = random_drive(tmp_path / f"{seed}.zst", model, seed)
        _, result, out = replay(log, {"a": {"kernel.yaml": installed_kernel}})
        notes = json.loads((out / "a.notes.json").read_bytes())
        assert notes["unexplained_commands"] == 0
        assert "modeRule" not in notes["limits"]
        seen |= set(notes["limits"])
        refused += result["a"]["measurements"]["blocked_limit"]
    assert reasons <= seen
    assert 50 < refused < 6 * 400
