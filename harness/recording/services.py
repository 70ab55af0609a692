"""Every kind of message there is: its place in the Event union, its rate, and what loggerd keeps of it.

Names changed over the years (cameras and "live" services in August 2026 most of all), ordinals never did. A message
is known here by its newest name; every older name leads to the same ordinal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from types import MappingProxyType

from harness.errors import ConfigError

VALID_ORDINAL = 67  # `valid` has an ordinal of its own, between the members of the union

# Newest name of every ordinal of Event, in order.
_NAMES = """
logMonoTime initData narrowRoadCameraState gpsNMEADEPRECATED sensorEventDEPRECATED can deviceState controlsState
liveEventDEPRECATED model featuresDEPRECATED sensorEventsDEPRECATED pandaStateDEPRECATED radarState liveUIDEPRECATED
narrowRoadEncodeIdx liveTracksDEPRECATED sendcan logMessage extrinsicsCalibration operatingSystemLog gpsLocation
carState carControl longitudinalPlan liveLocationDEPRECATED ethernetDataDEPRECATED navUpdateDEPRECATED
cellInfoDEPRECATED wifiScanDEPRECATED androidGnssDEPRECATED qcomGnss lidarPtsDEPRECATED procLog ubloxGnss clocks
liveMpcDEPRECATED liveLongitudinalMpcDEPRECATED navStatusDEPRECATED ubloxRaw gpsPlannerPointsDEPRECATED
gpsPlannerPlanDEPRECATED applanixRawDEPRECATED trafficEventsDEPRECATED liveLocationTimingDEPRECATED
orbslamCorrectionDEPRECATED liveLocationCorrectedDEPRECATED orbObservationDEPRECATED gpsLocationExternal
locationDEPRECATED uiNavigationEventDEPRECATED liveLocationKalmanDeprecatedDEPRECATED testJoystick
orbOdometryDEPRECATED orbFeaturesDEPRECATED applanixLocationDEPRECATED orbKeyFrameDEPRECATED uiLayoutStateDEPRECATED
orbFeaturesSummaryDEPRECATED driverStateDEPRECATED boot vehicleParameters liveMapDataDEPRECATED cameraOdometry
lateralPlanDEPRECATED kalmanOdometryDEPRECATED thumbnail valid onroadEventsDEPRECATED carParams cabinCameraState
driverMonitoringStateDEPRECATED liveLocationKalmanDEPRECATED sentinel wideRoadCameraState modelV2 cabinEncodeIdx
wideRoadEncodeIdx managerState uploaderStateDEPRECATED peripheralState pandaStates navInstructionDEPRECATED
navRouteDEPRECATED navThumbnailDEPRECATED errorLogMessage narrowRoadEncodeData cabinEncodeData wideRoadEncodeData
qNarrowRoadEncodeData qNarrowRoadEncodeIdx gnssMeasurementsDEPRECATED driverStateV2 userBookmark
lateralTorqueParameters magnetometer lightSensor temperatureSensor accelerometer gyroscope gyroscope2DEPRECATED
accelerometer2DEPRECATED uiDebug soundPressure navModelDEPRECATED mapRenderStateDEPRECATED uiPlanDEPRECATED
customReserved0 customReserved1 customReserved2 customReserved3 customReserved4 customReserved5 customReserved6
customReserved7 customReserved8 customReserved9 livestreamNarrowRoadEncodeIdx livestreamWideRoadEncodeIdx
livestreamCabinEncodeIdx livestreamNarrowRoadEncodeData livestreamWideRoadEncodeData livestreamCabinEncodeData
temperatureSensor2DEPRECATED customReservedRawData0 customReservedRawData1 customReservedRawData2 carOutput
drivingModelData deviceMotion selfdriveState radarTracks driverAssistance alertDebug onroadEvents touch
customReserved10 customReserved11 customReserved12 customReserved13 customReserved14 customReserved15 customReserved16
customReserved17 customReserved18 customReserved19 lateralDelay rawAudioData bookmarkButton audioFeedbackDEPRECATED
lateralManeuverPlan driverMonitoringState chestnutState
"""
EVENT_NAMES: tuple[str, ...] = tuple(_NAMES.split())

# Older name -> newest name. Where one name has meant two slots (driverMonitoringState, liveTracks), it is the newer.
_ALIASES = {
    "frame": "narrowRoadCameraState",
    "roadCameraState": "narrowRoadCameraState",
    "frontFrame": "cabinCameraState",
    "driverCameraState": "cabinCameraState",
    "wideFrame": "wideRoadCameraState",
    "encodeIdx": "narrowRoadEncodeIdx",
    "roadEncodeIdx": "narrowRoadEncodeIdx",
    "driverEncodeIdx": "cabinEncodeIdx",
    "qRoadEncodeIdx": "qNarrowRoadEncodeIdx",
    "roadEncodeData": "narrowRoadEncodeData",
    "driverEncodeData": "cabinEncodeData",
    "qRoadEncodeData": "qNarrowRoadEncodeData",
    "livestreamRoadEncodeIdx": "livestreamNarrowRoadEncodeIdx",
    "livestreamDriverEncodeIdx": "livestreamCabinEncodeIdx",
    "livestreamRoadEncodeData": "livestreamNarrowRoadEncodeData",
    "livestreamDriverEncodeData": "livestreamCabinEncodeData",
    "thermal": "deviceState",
    "health": "pandaStateDEPRECATED",
    "plan": "longitudinalPlan",
    "pathPlan": "lateralPlanDEPRECATED",
    "dMonitoringState": "driverMonitoringStateDEPRECATED",
    "liveCalibration": "extrinsicsCalibration",
    "liveParameters": "vehicleParameters",
    "liveTorqueParameters": "lateralTorqueParameters",
    "livePose": "deviceMotion",
    "liveTracks": "radarTracks",
    "liveDelay": "lateralDelay",
    "carEvents": "onroadEventsDEPRECATED",
    "events": "onroadEventsDEPRECATED",
    "userFlag": "userBookmark",
    "microphone": "soundPressure",
    "androidLog": "operatingSystemLog",
}


@dataclass(frozen=True, slots=True)
class Service:
    """A message stream: its nominal rate (0 = on demand) and whether rlog has it.

    Of `qlog_decimation` messages the first goes to the qlog; None means that none does.
    """

    name: str
    ordinal: int
    logged: bool
    frequency_hz: float
    qlog_decimation: int | None


# name, nominal Hz, qlog decimation, kept in rlog ("log") or not; openpilot's services table of August 2026.
_TABLE = """
gyroscope 104 104 log
accelerometer 104 104 log
temperatureSensor 2 200 log
deviceState 2 1 log
chestnutState 10 10 log
touch 20 1 log
can 100 2053 log
controlsState 100 10 log
selfdriveState 100 10 log
pandaStates 10 1 log
peripheralState 2 1 log
radarState 20 5 log
narrowRoadEncodeIdx 20 1 -
radarTracks 20 - log
sendcan 100 139 log
logMessage 0 - log
errorLogMessage 0 1 log
extrinsicsCalibration 4 4 log
lateralTorqueParameters 4 1 log
lateralDelay 4 1 log
operatingSystemLog 0 - log
carState 100 10 log
carControl 100 10 log
carOutput 100 10 log
longitudinalPlan 20 10 log
lateralManeuverPlan 20 - log
driverAssistance 20 20 log
procLog 0.5 15 log
gpsLocationExternal 10 10 log
gpsLocation 1 1 log
ubloxGnss 10 - log
qcomGnss 2 - log
clocks 0.1 1 log
ubloxRaw 20 - log
deviceMotion 20 4 log
vehicleParameters 20 5 log
cameraOdometry 20 10 log
thumbnail 1/60 1 log
onroadEvents 1 1 log
carParams 0.02 1 log
narrowRoadCameraState 20 20 log
cabinCameraState 20 20 log
cabinEncodeIdx 20 1 -
driverStateV2 20 10 log
driverMonitoringState 20 10 log
wideRoadEncodeIdx 20 1 -
wideRoadCameraState 20 20 log
drivingModelData 20 10 log
modelV2 20 - log
managerState 2 1 log
qNarrowRoadEncodeIdx 20 - -
userBookmark 0 1 log
soundPressure 10 10 log
rawAudioData 20 - -
bookmarkButton 0 1 log
narrowRoadEncodeData 20 - -
cabinEncodeData 20 - -
wideRoadEncodeData 20 - -
qNarrowRoadEncodeData 20 - -
uiDebug 0 1 log
testJoystick 0 - log
alertDebug 20 5 log
livestreamWideRoadEncodeIdx 20 - -
livestreamNarrowRoadEncodeIdx 20 - -
livestreamCabinEncodeIdx 20 - -
livestreamWideRoadEncodeData 20 - -
livestreamNarrowRoadEncodeData 20 - -
livestreamCabinEncodeData 20 - -
customReservedRawData0 0 - log
"""

UNKNOWN_PREFIX = "unknown@"

_ORDINALS: Mapping[str, int] = {name: ordinal for ordinal, name in enumerate(EVENT_NAMES)}


def name_of_ordinal(ordinal: int) -> str:
    """The newest name of an Event ordinal; `unknown@N` for one that is newer than this table."""
    return EVENT_NAMES[ordinal] if ordinal < len(EVENT_NAMES) else f"{UNKNOWN_PREFIX}{ordinal}"


def canonical_name(name: str) -> str:
    """The newest name of the service called `name`, whatever its age; ConfigError when there is none."""
    if name in _ORDINALS and name not in ("logMonoTime", "valid"):
        return name
    if name in _ALIASES:
        return _ALIASES[name]
    if f"{name}DEPRECATED" in _ORDINALS:
        return f"{name}DEPRECATED"
    number = name.removeprefix(UNKNOWN_PREFIX)
    if number != name and number.isdecimal() and len(EVENT_NAMES) <= int(number) <= 0xFFFF:
        return f"{UNKNOWN_PREFIX}{int(number)}"
    near = get_close_matches(name, (*_ORDINALS, *_ALIASES), n=3)
    raise ConfigError(
        f"there is no service called {name!r}",
        remedy=f"did you mean {', '.join(near)}?" if near else "`closet log info FILE` lists what a log has",
    )


def ordinal_of(name: str) -> int:
    """The Event ordinal of a service by any of its names."""
    canonical = canonical_name(name)
    if canonical in _ORDINALS:
        return _ORDINALS[canonical]
    return int(canonical.removeprefix(UNKNOWN_PREFIX))


def _parse_row(row: str) -> Service:
    name, frequency, decimation, logged = row.split()
    return Service(
        name,
        _ORDINALS[name],
        logged == "log",
        float(Fraction(frequency)),
        None if decimation == "-" else int(decimation),
    )


SERVICES: Mapping[str, Service] = MappingProxyType(
    {service.name: service for service in map(_parse_row, _TABLE.strip().splitlines())}
)
