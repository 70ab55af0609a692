"""The services table: ordinals never move, whatever the name."""

from __future__ import annotations

import pytest

from harness.errors import ConfigError
from harness.recording.services import EVENT_NAMES, SERVICES, canonical_name, name_of_ordinal, ordinal_of


@pytest.mark.parametrize(
    ("names", "ordinal"),
    [
        (("frame", "roadCameraState", "narrowRoadCameraState"), 2),
        (("frontFrame", "driverCameraState", "cabinCameraState"), 70),
        (("wideFrame", "wideRoadCameraState"), 74),
        (("encodeIdx", "roadEncodeIdx", "narrowRoadEncodeIdx"), 15),
        (("driverEncodeIdx", "cabinEncodeIdx"), 76),
        (("qRoadEncodeIdx", "qNarrowRoadEncodeIdx"), 90),
        (("roadEncodeData", "narrowRoadEncodeData"), 86),
        (("driverEncodeData", "cabinEncodeData"), 87),
        (("qRoadEncodeData", "qNarrowRoadEncodeData"), 89),
        (("livestreamRoadEncodeIdx", "livestreamNarrowRoadEncodeIdx"), 117),
        (("livestreamDriverEncodeIdx", "livestreamCabinEncodeIdx"), 119),
        (("livestreamRoadEncodeData", "livestreamNarrowRoadEncodeData"), 120),
        (("livestreamDriverEncodeData", "livestreamCabinEncodeData"), 122),
        (("thermal", "deviceState"), 6),
        (("health", "pandaState", "pandaStateDEPRECATED"), 12),
        (("plan", "longitudinalPlan"), 24),
        (("pathPlan", "lateralPlan", "lateralPlanDEPRECATED"), 64),
        (("dMonitoringState", "driverMonitoringStateDEPRECATED"), 71),
        (("driverMonitoringState",), 151),
        (("liveCalibration", "extrinsicsCalibration"), 19),
        (("liveParameters", "vehicleParameters"), 61),
        (("liveTorqueParameters", "lateralTorqueParameters"), 94),
        (("livePose", "deviceMotion"), 129),
        (("liveTracks", "radarTracks"), 131),
        (("liveTracksDEPRECATED",), 16),
        (("liveDelay", "lateralDelay"), 146),
        (("liveLocationKalman", "liveLocationKalmanDEPRECATED"), 72),
        (("carEvents", "events", "onroadEventsDEPRECATED"), 68),
        (("onroadEvents",), 134),
        (("userFlag", "userBookmark"), 93),
        (("microphone", "soundPressure"), 103),
        (("androidLog", "operatingSystemLog"), 20),
        (("sensorEvents", "sensorEventsDEPRECATED"), 11),
        (("unknown@200",), 200),
    ],
)
def test_every_name_a_slot_has_had_leads_to_its_ordinal(names: tuple[str, ...], ordinal: int) -> None:
    assert {ordinal_of(name) for name in names} == {ordinal}
    assert {canonical_name(name) for name in names} == {name_of_ordinal(ordinal)}


def test_newest_names_are_their_own() -> None:
    for ordinal, name in enumerate(EVENT_NAMES):
        if name not in ("logMonoTime", "valid"):
            assert (canonical_name(name), ordinal_of(name)) == (name, ordinal)


@pytest.mark.parametrize(
    ("name", "frequency_hz", "decimation", "logged"),
    [
        ("can", 100, 2053, True),
        ("sendcan", 100, 139, True),
        ("carState", 100, 10, True),
        ("modelV2", 20, None, True),
        ("gyroscope", 104, 104, True),
        ("cabinEncodeIdx", 20, 1, False),
        ("thumbnail", 1 / 60, 1, True),
        ("procLog", 0.5, 15, True),
        ("logMessage", 0, None, True),
    ],
)
def test_rates_and_decimation(name: str, frequency_hz: float, decimation: int | None, logged: bool) -> None:
    service = SERVICES[name]
    assert (service.frequency_hz, service.qlog_decimation, service.logged) == (frequency_hz, decimation, logged)
    assert service.ordinal == ordinal_of(name)


@pytest.mark.parametrize("name", ["carStat", "valid", "logMonoTime", "unknown@22", "unknown@70000", "unknown@x", ""])
def test_what_is_no_service_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no service"):
        canonical_name(name)


def test_a_slip_of_the_pen_gets_a_proposal() -> None:
    with pytest.raises(ConfigError, match="did you mean carState"):
        ordinal_of("carStat")
