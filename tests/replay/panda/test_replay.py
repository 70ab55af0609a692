"""The replayer against a replay written the slow way, and against what the drive was made to show."""

from __future__ import annotations

import ctypes
import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from harness.recording.log import Log, load_log
from harness.recording.log_writer import encode_event, write_log
from harness.replay.panda.kernel import find_compiler, load_sources
from harness.trace import Trace, load_trace
from tests.replay.panda.toyota import ALTERNATIVE_BRAKE, EPS_FACTOR, START_NS, make_events, steer

# Hooks one by one, as opendbc's own replay calls them.
_ONE_BY_ONE = """
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
uint32_t microsecond_timer_get(void);
static uint32_t now;
uint32_t microsecond_timer_get(void) { return now; }
#include "opendbc/safety/can.h"
#include "opendbc/safety/safety.h"
static CANPacket_t packet(int bus, unsigned address, const unsigned char *data, int length) {
  CANPacket_t p; memset(&p, 0, sizeof p); p.addr = address; p.bus = bus; p.extended = address >= 0x800;
  for (int i = 0; i < 16; i++) if (dlc_to_len[i] == length) p.data_len_code = i;
  memcpy(p.data, data, length); return p;
}
void one_time(unsigned t, unsigned s) { now = t; safety_mode_cnt = s; }
int one_mode(int mode, int param) { return set_safety_hooks(mode, param); }
int one_tick(void) { safety_tick(&current_safety_config); return safety_rx_checks_invalid; }
int one_receive(int bus, unsigned a, const unsigned char *d, int n) {
  CANPacket_t p = packet(bus, a, d, n); return safety_rx_hook(&p);
}
int one_send(int bus, unsigned a, const unsigned char *d, int n) {
  CANPacket_t p = packet(bus, a, d, n); return safety_tx_hook(&p);
}
int one_forward(int bus, int address) { return safety_fwd_hook(bus, address); }
int one_state(void) {
  return controls_allowed | relay_malfunction << 1 | gas_pressed << 2 | brake_pressed << 3 | vehicle_moving << 4;
}
"""


def slow_replay(log: Log, folder: Path, mode: int, param: int) -> dict[str, list[int]]:
    """Rows of a replay by pycapnp and one call a frame; without seeding."""
    _, sources = load_sources({})
    for name, content in sources.headers.items():
        path = folder / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "one.c").write_text(_ONE_BY_ONE)
    command = [*find_compiler().command, "-std=gnu11", "-O1", "-w", "-fPIC", "-shared", "-DALLOW_DEBUG"]
    subprocess.run([*command, "-I", folder / "include", folder / "one.c", "-o", folder / "one.so"], check=True)
    one = ctypes.CDLL(str(folder / "one.so"))
    assert one.one_mode(mode, param) == 0
    rows: dict[str, list[int]] = {name: [] for name in ("state", "tick", "invalid", "forward", "sent", "passed")}
    messages = [message for message in log.messages() if message.service in {"can", "sendcan"}]
    begin_us, end_us = messages[0].t_ns // 1000, messages[-1].t_ns // 1000
    for message in messages:
        t_us = message.t_ns // 1000
        one.one_time(t_us % 2**32, (t_us - begin_us) // 1_000_000)
        if message.service == "can":
            for values in rows.values():
                values.append(0)
        if t_us - begin_us > 1_000_000 and end_us - t_us > 1_000_000:
            rows["tick"][-1] |= one.one_tick()
        for frame in message.payload:
            data = bytes(frame.dat)
            if message.service == "sendcan":
                rows["sent"][-1] += 1
                rows["passed"][-1] += one.one_send(frame.src % 4, frame.address, data, len(data))
            elif frame.src < 128:
                rows["forward"][-1] += one.one_forward(frame.src, frame.address) == -1 and frame.src in {0, 2}
                rows["invalid"][-1] += not one.one_receive(frame.src % 4, frame.address, data, len(data))
        rows["state"][-1] = one.one_state()
    return rows


def trace_of(outcome: tuple[int, dict, Path], name: str = "a") -> Trace:
    code, result, out = outcome
    assert code == 0, result
    return load_trace(out / f"{name}.trace")


def assert_rows(trace: Trace, rows: dict[str, list[int]]) -> None:
    state = np.array(rows["state"])
    for bit, name in enumerate(("controlsAllowed", "relayMalfunction", "gasPressed", "brakePressed", "vehicleMoving")):
        assert np.array_equal(trace.channels[name].values, state >> bit & 1 == 1), name
    for name, channel in (
        ("tick", "tickInvalid"),
        ("invalid", "rxInvalid"),
        ("forward", "forwardBlocked"),
        ("sent", "sent"),
        ("passed", "passed"),
    ):
        assert np.array_equal(trace.channels[channel].values.astype(int), rows[name]), name


def test_rows_are_those_of_hooks_called_one_by_one(toyota_log, installed_kernel, replay, tmp_path):
    log = load_log(toyota_log)
    rows = slow_replay(log, tmp_path / "slow", 2, EPS_FACTOR + ALTERNATIVE_BRAKE)
    trace = trace_of(replay(toyota_log, {"a": {"kernel.yaml": installed_kernel}}, {"seed": False}))
    assert_rows(trace, rows)
    assert {0, 1} <= {int(value) & 1 for value in rows["state"]}
    assert all(sum(rows[name]) for name in rows)
    assert trace.frame_ids.tolist() == list(range(len(rows["state"])))
    assert trace.t_ns.tolist() == [message.t_ns for message in log.messages("can")]


def test_blocked_channels_add_up(toyota_log, installed_kernel, replay):
    trace = trace_of(replay(toyota_log, {"a": {"kernel.yaml": installed_kernel}}))
    counts = {name: channel.values.astype(int) for name, channel in trace.channels.items()}
    refused = counts["blocked.notListed"] + counts["blocked.limit"]
    assert np.array_equal(refused, counts["sent"] - counts["passed"])
    senders = [values for name, values in counts.items() if name.startswith("blocked.") and ":" in name]
    assert np.array_equal(sum(senders), refused)
    assert (counts["blocked.whileAllowed"] <= counts["blocked.limit"]).all()
    assert np.array_equal(counts["blocked.0:0x489"], counts["blocked.notListed"] * (counts["blocked.0:0x489"] > 0))


def test_every_refused_command_has_its_limit(toyota_log, installed_kernel, replay):
    _, _, out = replay(toyota_log, {"a": {"kernel.yaml": installed_kernel}})
    notes = json.loads((out / "a.notes.json").read_bytes())
    assert notes["explains"]
    assert notes["unexplained_commands"] == 0
    causes = Counter(cause for episode in notes["episodes"] for cause in episode["cause"])
    assert set(causes) == {
        *("controlsNotAllowed", "torqueRateUp", "maxTorque", "torqueError", "torqueRateDown", "realtimeRate"),
        *("steerRequest", "longitudinal", "modeRule", "relayMalfunction"),
    }
    first = next(episode for episode in notes["episodes"] if episode["cause"] == ["torqueRateUp"])
    assert first["command"]["desired"] == 16
    assert (first["command"]["low"], first["command"]["high"], first["refused"]) == (-15, 15, 4)
    assert "wanted 16 after 0, allowed -15 to 15" in first["words"]
    most = next(episode for episode in notes["episodes"] if episode["cause"] == ["maxTorque"])
    assert (most["command"]["desired"], most["command"]["high"]) == (1501, 1500)
    unlisted = notes["sent"]["0:0x489"]
    assert unlisted["reasons"] == {"notListed": unlisted["sent"] - 1, "notListed + relayMalfunction": 1}
    assert notes["sent"]["0:0x2E4"]["reasons"]["notListed + otherLength"] == 1
    assert set(notes["rx_invalid"]) == {"0x260", "0x1D2"}
    assert notes["relay_malfunction_s"] > 2.0


def test_two_kernels_in_one_job_do_not_share_state(toyota_log, installed_kernel, replay):
    model = {"kernel.yaml": installed_kernel}
    outcome = replay(toyota_log, {"a": model, "b": model})
    first, second = ((outcome[2] / f"{name}.trace").read_bytes() for name in "ab")
    assert first == second


def test_echoes_stand_in_for_sendcan(tmp_path, installed_kernel, replay):
    events = make_events(3)
    log = tmp_path / "both.zst"
    write_log(log, events)
    plain = load_log(log)
    echoed = [events[0]]
    for message in plain.messages():
        if message.service in {"can", "sendcan"}:
            shift = 128 if message.service == "sendcan" else 0
            frames = [{"address": f.address, "dat": bytes(f.dat), "src": f.src + shift} for f in message.payload]
            echoed.append(encode_event("can", message.t_ns, frames))
    write_log(tmp_path / "echoes.zst", echoed)
    model = {"a": {"kernel.yaml": installed_kernel}}
    of_sendcan = trace_of(replay(log, model))
    of_echoes = trace_of(replay(tmp_path / "echoes.zst", model))
    assert (of_sendcan.provenance["sent_from"], of_echoes.provenance["sent_from"]) == ("sendcan", "echoes")
    for name, channel in of_sendcan.channels.items():
        if channel.unit == "messages":
            assert channel.values.sum() == of_echoes.channels[name].values.sum(), name
    assert of_sendcan.channels["blocked.0:0x2E4"].values.sum() > 0
    ignored = trace_of(replay(tmp_path / "echoes.zst", model, {"sent": "sendcan"}))
    assert ignored.channels["sent"].values.sum() == 0


def test_the_first_steering_command_seeds_the_kernel(tmp_path, installed_kernel, replay):
    events = [encode_event("carParams", START_NS, {"safetyConfigs": [{"safetyModel": "toyota", "safetyParam": 73}]})]
    for i in range(20):
        t_ns = START_NS + i * 10_000_000
        events.append(encode_event("can", t_ns, [{"address": 0x3B7, "dat": bytes(8), "src": 0}]))
        frame = steer(400 + i)
        events.append(encode_event("sendcan", t_ns, [{"address": frame[0], "dat": frame[1], "src": frame[2]}]))
    write_log(tmp_path / "middle.zst", events)
    model = {"a": {"kernel.yaml": installed_kernel}}
    seeded = trace_of(replay(tmp_path / "middle.zst", model))
    assert seeded.provenance["seeded"] == {"by": "torque", "value": 400}
    assert seeded.channels["passed"].values.sum() == 20
    cold = trace_of(replay(tmp_path / "middle.zst", model, {"seed": False}))
    assert cold.provenance["seeded"] == {"by": "", "value": 0}
    assert cold.channels["limit.controlsNotAllowed"].values.sum() == 20


def test_options_stand_above_the_log(toyota_log, installed_kernel, replay):
    model = {"a": {"kernel.yaml": installed_kernel}}
    other_brake = trace_of(replay(toyota_log, model, {"safety_param": EPS_FACTOR}))
    assert other_brake.provenance["safety"] == {"model": 2, "param": 73, "alternative_experience": 0}
    # Its brake message never comes: at the first tick controls are off for good.
    assert not other_brake.channels["controlsAllowed"].values[300:].any()
    named = trace_of(replay(toyota_log, model, {"safety_model": "silent"}))
    assert named.provenance["safety"]["model"] == 0
    assert named.channels["passed"].values.sum() == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"safety_model": "ToyTown"}, "no safety model is called 'ToyTown'"),
        ({"safety_model": 999}, "the kernel has no safety mode 999"),
        ({"safety_param": -1}, "safety_param must be a whole number of at least 0"),
        ({"safety_param": 1 << 16}, "safety_param must be at most 65535"),
        ({"sent": "both"}, "sent must be one of sendcan, echoes"),
        ({"frames": 3}, "unknown option 'frames'"),
    ],
)
def test_options_that_cannot_be(toyota_log, installed_kernel, replay, options, problem):
    code, result, _ = replay(toyota_log, {"a": {"kernel.yaml": installed_kernel}}, options)
    assert code == 2
    assert result["a"]["error"]["kind"] == "ConfigError"
    assert problem in result["a"]["error"]["problem"]


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([encode_event("carState", 5, {})], "the log has no can messages"),
        ([encode_event("can", 5, [])], "the log does not say which safety mode"),
    ],
)
def test_logs_that_say_too_little(tmp_path, installed_kernel, replay, events, problem):
    write_log(tmp_path / "log.zst", events)
    code, result, _ = replay(tmp_path / "log.zst", {"a": {"kernel.yaml": installed_kernel}})
    assert code == 3
    assert result["a"]["error"]["kind"] == "DataError"
    assert problem in result["a"]["error"]["problem"]


def test_frames_no_bus_can_carry_are_counted_and_left_out(tmp_path, installed_kernel, replay):
    config = {"safetyConfigs": [{"safetyModel": "toyota", "safetyParam": 73}]}
    frames = [{"address": 0xAA, "dat": bytes(n), "src": 0} for n in (8, 9, 64, 65, 1000)]
    events = [encode_event("carParams", 1, config), encode_event("can", 5, frames)]
    write_log(tmp_path / "log.zst", events)
    _, _, out = replay(tmp_path / "log.zst", {"a": {"kernel.yaml": installed_kernel}})
    assert json.loads((out / "a.notes.json").read_bytes())["malformed"] == 3
