"""Single changes of the engagement rules, each of which a comparison of two replays must see.

Three kinds: another rule set (a threshold, a type, a time), another state machine (a changed machine.py of the model),
and another derivation (a changed line of the replayer itself).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.replay.selfdrive.thresholds import THRESHOLDS

MACHINE = "machine.py"
RULES = "rules.yaml"


@dataclass(frozen=True, slots=True)
class RuleMutant:
    """One change. For `file` RULES `replace` are lines added to the base's; else `find` stands once in the source."""

    name: str
    file: str
    find: str
    replace: str
    mode: str = "derived"


def _threshold_mutants() -> tuple[RuleMutant, ...]:
    """Every threshold a tenth higher, counts by one; those of the excess hold a count lower as well."""
    found = []
    for each in THRESHOLDS.values():
        value = each.value + 1 if each.whole else each.value * 1.1
        text = f"thresholds: {{{each.name}: '{value:.12g} {each.unit}'}}"
        found.append(RuleMutant(f"{each.name} {'plus one' if each.whole else '× 1.1'}", RULES, "", text))
    for name in ("actuation_hold_frames", "lateral_settled_frames", "mismatch_frames"):
        each = THRESHOLDS[name]
        text = f"thresholds: {{{name}: '{each.value - 1:g} {each.unit}'}}"
        found.append(RuleMutant(f"{name} minus one", RULES, "", text))
    return tuple(found)


def _types(event: str, change: str) -> str:
    return f"event_types: {{{event}: {{{change}}}}}"


def _derive(name: str, file: str, find: str, replace: str, mode: str = "derived") -> RuleMutant:
    return RuleMutant(name, f"{file}.py", find, replace, mode)


_FAULT = (
    "    if state != DISABLED and types & IMMEDIATE_DISABLE:\n"
    "        state, alerts = DISABLED, alerts | IMMEDIATE_DISABLE\n"
)
_DRIVER = (
    "    elif state != DISABLED and types & USER_DISABLE:\n        state, alerts = DISABLED, alerts | USER_DISABLE\n"
)

_WHEN_ENABLED = "elif state == ENABLED:\n        if types & SOFT_DISABLE:"

RULE_MUTANTS: tuple[RuleMutant, ...] = (
    *_threshold_mutants(),
    RuleMutant("soft disable of 299 frames", RULES, "", "soft_disable_time_s: 2.99"),
    RuleMutant("soft disable of 301 frames", RULES, "", "soft_disable_time_s: 3.01"),
    # Tables
    RuleMutant("doors no soft disable", RULES, "", _types("doorOpen", "remove: [softDisable]"), "recorded"),
    RuleMutant("doors no obstacle", RULES, "", _types("doorOpen", "remove: [noEntry]"), "recorded"),
    RuleMutant("excess no soft disable", RULES, "", _types("excessiveActuation", "remove: [softDisable]")),
    RuleMutant("lagging only a warning", RULES, "", _types("modeldLagging", "add: [warning], remove: [softDisable]")),
    RuleMutant("mismatch no immediate disable", RULES, "", _types("controlsMismatch", "remove: [immediateDisable]")),
    RuleMutant("steering overrides speed", RULES, "", _types("steerOverride", "add: [overrideLongitudinal]")),
    RuleMutant(
        "brake at standstill not before enabling", RULES, "", _types("preEnableStandstill", "remove: [preEnable]")
    ),
    RuleMutant("cancel does nothing", RULES, "", _types("buttonCancel", "remove: [userDisable]")),
    RuleMutant("an older release", RULES, "base: 0.11.2", "base: 0.11.1"),
    # The machine
    RuleMutant("timer runs twice as fast", MACHINE, "timer - 1)", "timer - 2)"),
    RuleMutant("timer that never ends", MACHINE, "elif timer > 0:", "elif timer >= 0:"),
    RuleMutant(
        "timer starts one short",
        MACHINE,
        f"{_WHEN_ENABLED}\n            state, timer, alerts = SOFT_DISABLING, soft",
        f"{_WHEN_ENABLED}\n            state, timer, alerts = SOFT_DISABLING, -1 + soft",
    ),
    RuleMutant(
        "the driver before a fault", MACHINE, _FAULT + _DRIVER, _DRIVER.replace("elif", "if") + "    el" + _FAULT[4:]
    ),
    RuleMutant(
        "an override before a soft disable",
        MACHINE,
        "    elif state == ENABLED:\n        if types & SOFT_DISABLE:",
        "    elif state == ENABLED:\n        if types & SOFT_DISABLE and not types & OVERRIDE:",
    ),
    RuleMutant(
        "a soft disable does not recover",
        MACHINE,
        "if not types & SOFT_DISABLE:\n            state = ENABLED",
        "if not types & SOFT_DISABLE:\n            state = DISABLED",
    ),
    RuleMutant(
        "an override ends a soft disable",
        MACHINE,
        "if not types & SOFT_DISABLE:\n            state = ENABLED",
        "if types & OVERRIDE or not types & SOFT_DISABLE:\n            state = ENABLED",
    ),
    RuleMutant(
        "a soft disable ends preEnabled",
        MACHINE,
        "if not types & PRE_ENABLE:",
        "if types & SOFT_DISABLE or not types & PRE_ENABLE:",
    ),
    RuleMutant(
        "no entry ends preEnabled",
        MACHINE,
        "if not types & PRE_ENABLE:\n            state = ENABLED",
        "if types & NO_ENTRY:\n            state = DISABLED\n"
        "        elif not types & PRE_ENABLE:\n            state = ENABLED",
    ),
    RuleMutant(
        "overriding has no soft disable",
        MACHINE,
        "elif state == OVERRIDING:\n        if types & SOFT_DISABLE:",
        "elif state == OVERRIDING:\n        if False:",
    ),
    RuleMutant("only hands override", MACHINE, "elif not types & OVERRIDE:", "elif not types & OVERRIDE_LATERAL:"),
    RuleMutant("no entry ignored", MACHINE, "if types & NO_ENTRY:", "if False:"),
    RuleMutant(
        "preEnabled skipped",
        MACHINE,
        "if types & PRE_ENABLE:\n                state = PRE_ENABLED",
        "if False:\n                state = PRE_ENABLED",
    ),
    RuleMutant(
        "enabled straight through an override",
        MACHINE,
        "elif types & OVERRIDE:\n                state = OVERRIDING",
        "elif False:\n                state = OVERRIDING",
    ),
    RuleMutant(
        "warnings while preEnabled", MACHINE, "ACTIVE_STATES = (ENABLED,", "ACTIVE_STATES = (PRE_ENABLED, ENABLED,"
    ),
    RuleMutant(
        "no user disable from preEnabled",
        MACHINE,
        "elif state != DISABLED and types & USER_DISABLE:",
        "elif state not in (DISABLED, PRE_ENABLED) and types & USER_DISABLE:",
    ),
    # Excessive actuation
    _derive("at the limit forwards", "actuation", "(forward > rules", "(forward >= rules"),
    _derive("at the limit backwards", "actuation", "(forward < rules", "(forward <= rules"),
    _derive("at the limit sideways", "actuation", "np.abs(lateral) > rules", "np.abs(lateral) >= rules"),
    _derive("plausible at two", "actuation", "- forward) < rules", "- forward) <= rules"),
    _derive("plausibility ignored", "actuation", "run_lengths(plausible & (over_long", "run_lengths((over_long"),
    _derive("hold reached is held", "actuation", "accumulate(held > rules", "accumulate(held >= rules"),
    _derive(
        "excess not for good",
        "actuation",
        'np.logical_or.accumulate(held > rules["actuation_hold_frames"])',
        'held > rules["actuation_hold_frames"]',
    ),
    _derive("road bank ignored", "actuation", "- np.sin(roll_rad) * GRAVITY_MPS2", ""),
    _derive("road bank the other way", "actuation", "- np.sin(roll_rad)", "+ np.sin(roll_rad)"),
    _derive("touches forgotten", "actuation", 'lat_active & ~car["steeringPressed"]', "lat_active"),
    _derive(
        "settled one frame early",
        "actuation",
        '> rules["lateral_settled_frames"]',
        '>= rules["lateral_settled_frames"]',
    ),
    _derive("only to the right", "actuation", "np.abs(lateral) > rules", "lateral > rules"),
    _derive(
        "mounting turned the other way", "actuation", "transpose(0, 2, 1)[calibration.at]", "copy()[calibration.at]"
    ),
    _derive("judged while nobody drives", "actuation", "over_long = long_active &", "over_long = True &"),
    # Messages
    _derive("dead a moment later", "health", "/ 1e9 < rules", "/ 1e9 <= rules"),
    _derive("slow at the limit", "health", "rate >= least", "rate > least"),
    _derive("never too hasty", "health", " & (rate <= most)", ""),
    _derive("valid or not", "health", "self.alive & self.frequent & self.valid", "self.alive & self.frequent"),
    _derive("told although told already", "derive", "fails = ~health.good & ~(blocks & told)", "fails = ~health.good"),
    _derive("a door hides a silence", "derive", "~(blocks & told)", "~blocks"),
    _derive(
        "rate told as silence", "derive", "average = fails & health.alive & ~health.frequent", "average = fails & False"
    ),
    _derive("never waits", "derive", "ready | waited", "ready"),
    _derive("starts off", "derive", "start = ENABLED if", "start = DISABLED if"),
    _derive("mismatch counted on", "derive", "np.where(off >= 0, counted[off], 0)", "0"),
    _derive("mismatch a frame later", "derive", "(total >= self.rules", "(total > self.rules"),
    _derive("bad CAN unseen", "derive", 'invalid = ~silent & ~car["canValid"]', "invalid = silent & False"),
    # Device
    _derive("lagging at the limit", "driving_events", "dropped > rules", "dropped >= rules"),
    _derive(
        "memory at the limit", "device_events", '["memoryUsagePercent"] > rules', '["memoryUsagePercent"] >= rules'
    ),
    _derive("space at the limit", "device_events", '["freeSpacePercent"] < rules', '["freeSpacePercent"] <= rules'),
    _derive("heat only when critical", "device_events", '["thermalStatus"] >= rules', '["thermalStatus"] > rules'),
    _derive("fan at the limit", "device_events", '["fanSpeedRpm"] < rules', '["fanSpeedRpm"] <= rules'),
    _derive(
        "another mode at once", "device_events", "settled = np.ones(n, np.bool_)", "settled = np.zeros(n, np.bool_)"
    ),
    _derive("checks unseen", "device_events", " & known) | checks", " & known)"),
    _derive(
        "uncalibrated is well",
        "device_events",
        '"calibrationIncomplete": status == UNCALIBRATED',
        '"calibrationIncomplete": status == RECALIBRATING',
    ),
    # Car
    _derive("brake held at standstill", "car_events", '(rising(car[pedal]) | ~car["standstill"])', "True"),
    _derive("brake held while moving", "car_events", '(rising(car[pedal]) | ~car["standstill"])', "rising(car[pedal])"),
    _derive("neutral is forward", "car_events", "(2, 5, 6, 7, 8, 9)", "(2, 3, 5, 6, 7, 8, 9)"),
    _derive(
        "quiet at the limit",
        "car_events",
        '< int(rules["steer_fault_silence_s"]',
        '<= int(rules["steer_fault_silence_s"]',
    ),
    _derive("cruise on is no edge", "car_events", 'rising(on) & ~car["blockPcmEnable"]', 'on & ~car["blockPcmEnable"]'),
    # What the log says
    _derive(
        "a list is about the next row",
        "inputs",
        'return np.searchsorted(self.t_ns, t_ns, side="right") - 1',
        'return np.searchsorted(self.t_ns, t_ns, side="right")',
        "recorded",
    ),
    _derive(
        "events forgotten after their list",
        "recorded",
        "rows = inputs.row_of(lists.t_ns)",
        "rows = inputs.row_of(lists.t_ns) + 1",
        "recorded",
    ),
)

# Changes that cannot be seen by anybody: none. A survivor is a hole in the fixtures.
QUICK = ("soft disable of 299 frames", "plausibility ignored", "an override before a soft disable")
