"""Events and their types, by openpilot release; names of every age lead to the newest one.

Events are known by name, never by number: the two enums openpilot had differ in every number from 12 on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.errors import ConfigError
from harness.recording.migration import EVENT_FLAGS
from harness.replay.selfdrive.machine import (
    ENABLE,
    IMMEDIATE_DISABLE,
    NO_ENTRY,
    OVERRIDE_LATERAL,
    OVERRIDE_LONGITUDINAL,
    PERMANENT,
    PRE_ENABLE,
    SOFT_DISABLE,
    USER_DISABLE,
    WARNING,
)

# Bit 0 first: the order of the flags of OnroadEvent on the wire.
TYPE_NAMES = EVENT_FLAGS
TYPE_BITS: Mapping[str, int] = MappingProxyType({name: 1 << bit for bit, name in enumerate(TYPE_NAMES)})

NEWEST = "0.11.2"
# The releases whose rules are known to differ, oldest first; others take those of the last one before them.
RELEASES = (
    *("0.9.4", "0.9.5", "0.9.6", "0.9.7", "0.9.8", "0.9.9"),
    *("0.10.0", "0.10.1", "0.10.2", "0.10.3", "0.11.0", "0.11.1", NEWEST),
)

# The newest table (openpilot master, August 2026), by type.
_BY_TYPE: Mapping[int, str] = {
    SOFT_DISABLE: """
        cameraMalfunction cameraFrameRate locationdTemporaryError paramsdTemporaryError steerTempUnavailable
        steerTimeLimit sensorDataInvalid excessiveActuation overheat wrongGear calibrationInvalid calibrationIncomplete
        calibrationRecalibrating doorOpen seatbeltNotLatched espDisabled commIssue commIssueAvgFreq selfdrivedLagging
        processNotRunning radarFault radarTempUnavailable modeldLagging posenetInvalid lowMemory espActive""",
    IMMEDIATE_DISABLE: """
        locationdPermanentError paramsdPermanentError accFaulted controlsMismatch canError canBusMissing
        steerUnavailable cruiseDisabled relayMalfunction speedTooLow vehicleSensorsInvalid""",
    USER_DISABLE: """
        pcmDisable buttonCancel parkBrake pedalPressed steerDisengage wrongCarMode wrongCruiseMode reverseGear""",
    ENABLE: "pcmEnable buttonEnable",
    PRE_ENABLE: "preEnableStandstill",
    OVERRIDE_LONGITUDINAL: "gasPressedOverride",
    OVERRIDE_LATERAL: "steerOverride",
    NO_ENTRY: """
        cameraMalfunction cameraFrameRate locationdTemporaryError paramsdTemporaryError steerTempUnavailable
        steerTimeLimit sensorDataInvalid excessiveActuation overheat wrongGear calibrationInvalid calibrationIncomplete
        calibrationRecalibrating doorOpen seatbeltNotLatched espDisabled commIssue commIssueAvgFreq selfdrivedLagging
        processNotRunning radarFault radarTempUnavailable modeldLagging posenetInvalid lowMemory espActive
        locationdPermanentError paramsdPermanentError accFaulted controlsMismatch canError canBusMissing
        steerUnavailable relayMalfunction vehicleSensorsInvalid
        buttonCancel parkBrake pedalPressed steerDisengage wrongCarMode wrongCruiseMode reverseGear bigModelLoading
        selfdriveInitializing startupNoControl invalidLkasSetting aeb stockAeb stockLkas resumeBlocked carNotReady
        outOfSpace belowEngageSpeed tooDistracted speedTooHigh""",
    WARNING: """
        joystickDebug longitudinalManeuver lateralManeuver steerTempUnavailableSilent manualRestart resumeRequired
        belowSteerSpeed preLaneChangeLeft preLaneChangeRight laneChangeBlocked laneChange steerSaturated brakeHold
        speedTooHigh personalityChanged""",
    PERMANENT: """
        joystickDebug longitudinalManeuver lateralManeuver bigModelFailed startup startupMaster startupNoControl
        startupNoCar startupNoSecOcKey dashcamMode invalidLkasSetting carUnrecognized aeb stockAeb fcw ldw
        driverDistracted1 driverDistracted2 driverDistracted3 driverUnresponsive1 driverUnresponsive2
        driverUnresponsive3 fanMalfunction cameraMalfunction cameraFrameRate locationdPermanentError
        paramsdPermanentError outOfSpace sensorDataInvalid overheat calibrationInvalid calibrationIncomplete
        calibrationRecalibrating modeldLagging lowMemory accFaulted canError canBusMissing steerUnavailable reverseGear
        relayMalfunction vehicleSensorsInvalid userBookmark""",
    0: "noGps stockFcw actuatorsApiUnavailable cruiseMismatch",
}


@dataclass(frozen=True, slots=True)
class _Older:
    """An event's types up to and with a release; None where it did not exist yet."""

    until: str
    event: str
    types: int | None


# What older releases had otherwise. Where openpilot gives a date, the last release before it is named.
_OLDER = (
    _Older("0.11.1", "deviceFalling", SOFT_DISABLE | NO_ENTRY),
    _Older("0.11.1", "lowBattery", SOFT_DISABLE | NO_ENTRY),
    _Older("0.11.1", "usbError", SOFT_DISABLE | NO_ENTRY | PERMANENT),
    _Older("0.10.2", "stockLkas", None),
    _Older("0.9.9", "excessiveActuation", None),
    _Older("0.9.8", "steerDisengage", None),
    _Older("0.9.8", "radarTempUnavailable", None),
    _Older("0.9.7", "brakeHold", USER_DISABLE | NO_ENTRY),
    _Older("0.9.7", "noGps", PERMANENT),
    _Older("0.9.7", "soundsUnavailable", NO_ENTRY),
    _Older("0.9.7", "highCpuUsage", NO_ENTRY),
    _Older("0.9.7", "lkasDisabled", NO_ENTRY),
    _Older("0.9.7", "lowSpeedLockout", NO_ENTRY),
    _Older("0.9.5", "plannerError", IMMEDIATE_DISABLE | NO_ENTRY),
)


def parse_release(text: str) -> tuple[int, ...] | None:
    """`0.10.1-release` as (0, 10, 1); None for what is no version."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in match.groups()) if match else None


def known_release(text: str) -> str:
    """The release of `RELEASES` whose rules hold for a version: itself, or the last one before it.

    ConfigError for a text that is no version. Newer than the newest takes the newest, older than the oldest the oldest.
    """
    version = parse_release(text)
    if version is None:
        raise ConfigError(
            f"no openpilot release is called {text!r}", where="release", remedy=f"one of {', '.join(RELEASES)}"
        )
    before = [name for name in RELEASES if (parse_release(name) or ()) <= version]
    return before[-1] if before else RELEASES[0]


def event_types(release: str) -> dict[str, int]:
    """Event name → types of a release, as bits. An event without types is there with 0."""
    at = RELEASES.index(known_release(release))
    table: dict[str, int] = {}
    for bit, names in _BY_TYPE.items():
        for name in names.split():
            table[name] = table.get(name, 0) | bit
    for older in _OLDER:
        if at > RELEASES.index(older.until):
            continue
        if older.types is None:
            table.pop(older.event, None)
        else:
            table[older.event] = older.types
    return dict(sorted(table.items()))


def known_events() -> frozenset[str]:
    """Every event any release had, by its newest name."""
    return frozenset(event_types(NEWEST)) | {older.event for older in _OLDER}


def types_in_words(types: int) -> str:
    """`softDisable+noEntry` for a mask; `no types` for 0."""
    return "+".join(name for name, bit in TYPE_BITS.items() if types & bit) or "no types"
