"""Single changes of the safety kernel, each of which a comparison of two replays must see.

Every one is an override of kernel.yaml: a text that stands once in a header of opendbc, and what is put in its place.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KernelMutant:
    """One change of one header below opendbc/safety."""

    name: str
    file: str
    find: str
    replace: str


_TOYOTA, _LATERAL, _LONGITUDINAL, _SAFETY, _HELPERS, _DECLARATIONS = (
    *("modes/toyota.h", "lateral.h", "longitudinal.h", "safety.h", "helpers.h", "declarations.h"),
)
_RX_SENSOR = "  {.msg = {{0x260, 0, 8, 50U, .ignore_counter = true, .ignore_quality_flag=!(lta)}, { 0 }, { 0 }}}, "
_RX_SENSOR_LOOSE = _RX_SENSOR.replace(".ignore_counter", ".ignore_checksum = true, .ignore_counter")

KERNEL_MUTANTS: tuple[KernelMutant, ...] = (
    # Limits of the mode.
    KernelMutant("halved torque limit", _TOYOTA, ".max_torque = 1500", ".max_torque = 750"),
    KernelMutant("torque limit plus one", _TOYOTA, ".max_torque = 1500", ".max_torque = 1501"),
    KernelMutant("doubled rate up", _TOYOTA, ".max_rate_up = 15", ".max_rate_up = 30"),
    KernelMutant("rate up plus one", _TOYOTA, ".max_rate_up = 15", ".max_rate_up = 16"),
    KernelMutant("rate up minus one", _TOYOTA, ".max_rate_up = 15", ".max_rate_up = 14"),
    KernelMutant("doubled rate down", _TOYOTA, ".max_rate_down = 25", ".max_rate_down = 50"),
    KernelMutant("rate down minus one", _TOYOTA, ".max_rate_down = 25", ".max_rate_down = 24"),
    KernelMutant("doubled motor error", _TOYOTA, ".max_torque_error = 350", ".max_torque_error = 700"),
    KernelMutant("motor error plus one", _TOYOTA, ".max_torque_error = 350", ".max_torque_error = 351"),
    KernelMutant("motor error minus one", _TOYOTA, ".max_torque_error = 350", ".max_torque_error = 349"),
    KernelMutant("doubled realtime rate", _TOYOTA, ".max_rt_delta = 450", ".max_rt_delta = 900"),
    KernelMutant("realtime rate minus a fifth", _TOYOTA, ".max_rt_delta = 450", ".max_rt_delta = 360"),
    KernelMutant("no frames between cuts", _TOYOTA, ".min_valid_request_frames = 17", ".min_valid_request_frames = 0"),
    KernelMutant(
        "no time between cuts",
        _TOYOTA,
        ".min_valid_request_rt_interval = 162000",
        ".min_valid_request_rt_interval = 0",
    ),
    KernelMutant("cuts of two frames", _TOYOTA, ".max_invalid_request_frames = 1", ".max_invalid_request_frames = 2"),
    KernelMutant("no cuts at all", _TOYOTA, ".has_steer_req_tolerance = true", ".has_steer_req_tolerance = false"),
    KernelMutant("more acceleration", _TOYOTA, ".max_accel = 2000", ".max_accel = 2001"),
    KernelMutant("more braking", _TOYOTA, ".min_accel = -3500", ".min_accel = -3501"),
    KernelMutant("motor torque unscaled", _TOYOTA, "* toyota_dbc_eps_torque_factor) / 100", "* 100) / 100"),
    KernelMutant("motor torque not rounded up", _TOYOTA, "torque_meas.max++;", ""),
    KernelMutant("motor torque not rounded down", _TOYOTA, "torque_meas.min--;", ""),
    # Lists and checks of the mode.
    KernelMutant("steering not sendable", _TOYOTA, "  {0x2E4, 0, 5, .check_relay = true}, \\\n", "  \\\n"),
    KernelMutant(
        "relay not judged by steering",
        _TOYOTA,
        "{0x2E4, 0, 5, .check_relay = true}",
        "{0x2E4, 0, 5, .check_relay = false}",
    ),
    KernelMutant("motor torque never heard", _TOYOTA, _RX_SENSOR, " "),
    KernelMutant("motor torque without check sum", _TOYOTA, _RX_SENSOR, _RX_SENSOR_LOOSE),
    KernelMutant(
        "brake never heard",
        _TOYOTA,
        "  {.msg = {{0x224, 0, 8, 40U, .ignore_checksum = true, .ignore_counter = true, .ignore_quality_flag = true}, "
        "{ 0 }, { 0 }}},  \\\n",
        "  \\\n",
    ),
    KernelMutant("brake of another car", _TOYOTA, "if (toyota_alt_brake && (msg->addr == 0x224U))", "if (false)"),
    KernelMutant("gas ignored", _TOYOTA, "gas_pressed = !GET_BIT(msg, 4U);", "gas_pressed = false;"),
    KernelMutant("angle commands pass", _TOYOTA, "steer_control_enabled || (lta_angle != 0)", "(lta_angle != 0)"),
    KernelMutant("emergency braking passes", _TOYOTA, "(GET_BYTES(msg, 0, 4) != 0U)", "(GET_BYTES(msg, 0, 2) != 0U)"),
    KernelMutant("wheels always turn", _TOYOTA, "vehicle_moving = speed != 0;", "vehicle_moving = true;"),
    # Rules of all modes.
    KernelMutant(
        "refusals forgotten",
        _LATERAL,
        "  if (violation || !controls_allowed) {\n    valid_steer_req_count = 0;",
        "  if (!controls_allowed) {\n    valid_steer_req_count = 0;",
    ),
    KernelMutant(
        "torque without controls",
        _LATERAL,
        "if (!controls_allowed && (desired_torque != 0)) {\n    violation = true;",
        "if (!controls_allowed && (desired_torque != 0)) {\n    violation = false;",
    ),
    KernelMutant(
        "limit reached is limit broken",
        _HELPERS,
        "(val > MAX_VAL) || (val < MIN_VAL)",
        "(val >= MAX_VAL) || (val < MIN_VAL)",
    ),
    KernelMutant("no lower limit", _HELPERS, "(val > MAX_VAL) || (val < MIN_VAL)", "(val > MAX_VAL)"),
    KernelMutant("shorter window", _DECLARATIONS, "MAX_RT_INTERVAL 250000U", "MAX_RT_INTERVAL 125000U"),
    KernelMutant(
        "fewer samples",
        _SAFETY,
        "for (int i = 1; i < MAX_SAMPLE_VALS; i++) {\n    if (sample",
        "for (int i = 1; i < 3; i++) {\n    if (sample",
    ),
    KernelMutant(
        "gas does not stop acceleration", _LONGITUDINAL, "controls_allowed && !gas_pressed_prev", "controls_allowed"
    ),
    KernelMutant(
        "brake does not disengage",
        _SAFETY,
        "if (brake_pressed && (!brake_pressed_prev || vehicle_moving)) {\n    controls_allowed = false;",
        "if (brake_pressed && (!brake_pressed_prev || vehicle_moving)) {",
    ),
    KernelMutant(
        "held brake does not disengage",
        _SAFETY,
        "brake_pressed && (!brake_pressed_prev || vehicle_moving)",
        "brake_pressed && !brake_pressed_prev",
    ),
    KernelMutant(
        "cruise off does not disengage",
        _SAFETY,
        "if (!cruise_engaged) {\n    controls_allowed = false;",
        "if (!cruise_engaged) {",
    ),
    KernelMutant("cruise on engages always", _SAFETY, "cruise_engaged && !cruise_engaged_prev", "cruise_engaged"),
    KernelMutant(
        "later lag",
        _SAFETY,
        "SAFETY_MAX(timestep * MAX_MISSED_MSGS, 1e6)",
        "SAFETY_MAX(timestep * MAX_MISSED_MSGS, 1.1e6)",
    ),
    KernelMutant(
        "earlier lag",
        _SAFETY,
        "SAFETY_MAX(timestep * MAX_MISSED_MSGS, 1e6)",
        "SAFETY_MAX(timestep * MAX_MISSED_MSGS, 8e5)",
    ),
    KernelMutant(
        "lag does not disengage", _SAFETY, "if (lagging) {\n        controls_allowed = false;", "if (lagging) {"
    ),
    KernelMutant(
        "bad message does not disengage", _SAFETY, "valid = false;\n      controls_allowed = false;", "valid = false;"
    ),
    KernelMutant("relay never judged", _SAFETY, "RELAY_TRNS_TIMEOUT = 1U", "RELAY_TRNS_TIMEOUT = 1000U"),
    KernelMutant("broken relay sends on", _SAFETY, "return !relay_malfunction && whitelisted", "return whitelisted"),
    KernelMutant("camera's command crosses", _SAFETY, "        blocked = true;\n        break;", "        break;"),
    KernelMutant(
        "any length is sendable",
        _SAFETY,
        "(msg->bus == msg_list[i].bus) && (length == msg_list[i].len)",
        "(msg->bus == msg_list[i].bus)",
    ),
    KernelMutant(
        "any bus is sendable",
        _SAFETY,
        "(addr == msg_list[i].addr) && (msg->bus == msg_list[i].bus)",
        "(addr == msg_list[i].addr)",
    ),
)

# Changes that hold for every drive with these headers, seen or not: none. A survivor is a hole in the drive.
QUICK = ("halved torque limit", "doubled rate up", "brake does not disengage")
