"""comma2k19 minutes: known drives come back as driven, and the real minute agrees with the data set's own decoding."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from opendbc.can.dbc import DBC

from harness.errors import ConfigError, DataError
from harness.recording.can_decode import CanFrames, batches, find_car, restore_lengths
from harness.recording.comma2k19 import comma2k19_log, load_comma2k19
from harness.recording.log import Log, parse_log
from harness.recording.pose import DeviceMotion, estimate_mounting, euler_from_rotation, rotation_from_quaternion
from tests.recording import made_minute
from tests.recording.made_minute import (
    PITCH_RAD,
    SPEED_MPS,
    STEERING_DEG,
    YAW_RATE_RADPS,
    heading_rad,
    multiply,
    write_minute,
)

REAL_SEGMENT = "comma2k19/Example_1/b0c9d2329ad1606b|2018-08-02--08-34-47/40"
SECONDS = 6.0


@pytest.fixture(scope="module")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_minute(tmp_path_factory.mktemp("made"), seconds=SECONDS)


@pytest.fixture(scope="module")
def made(made_folder: Path) -> Log:
    return parse_log(b"".join(comma2k19_log(load_comma2k19(made_folder)).events), where="made")


@pytest.fixture(scope="module")
def real_folder(shared_data: Path) -> Path:
    return shared_data / REAL_SEGMENT


@pytest.fixture(scope="module")
def real(real_folder: Path) -> Log:
    return parse_log(b"".join(comma2k19_log(load_comma2k19(real_folder)).events), where="real")


def column(log: Log, service: str, field: str) -> np.ndarray:
    return log.columns(service, [field])[field]


# ---- a made-up drive, whose truth is known


def test_car_state_is_what_was_packed(made: Log) -> None:
    fields = [
        "vEgo",
        "vEgoRaw",
        "wheelSpeeds.rr",
        "steeringAngleDeg",
        "steeringTorque",
        "steeringTorqueEps",
        "canValid",
    ]
    flags = ["rightBlinker", "leftBlinker", "doorOpen", "seatbeltUnlatched", "standstill", "steeringPressed"]
    state = made.columns("carState", [*fields, *flags, "gasPressed", "brakePressed", "gearShifter"])
    settled = slice(200, None)
    assert state["vEgoRaw"][settled] == pytest.approx(SPEED_MPS, abs=0.01)
    assert state["vEgo"][settled] == pytest.approx(SPEED_MPS, abs=0.02)
    assert state["steeringAngleDeg"][settled] == pytest.approx(STEERING_DEG, abs=0.05)
    assert state["steeringTorque"][settled] == pytest.approx(120)
    assert state["steeringTorqueEps"][settled] == pytest.approx(-300 * 0.73, abs=0.5)
    assert state["canValid"][settled].all()
    assert np.array_equal(state.valid, state["canValid"])
    for name, expected in zip(flags, (True, False, True, True, False, True), strict=True):
        assert (state[name][settled] == expected).all(), name
    gear = {str(message.payload.gearShifter) for message in made.messages("carState")}
    assert gear == {"drive"} | ({"unknown"} & gear)
    elapsed = (state.t_ns - state.t_ns[0]) / 1e9
    assert state["gasPressed"][np.searchsorted(elapsed, made_minute.GAS_S + 0.05) :].all()
    assert not state["gasPressed"][5 : np.searchsorted(elapsed, made_minute.GAS_S - 0.05)].any()
    assert state["brakePressed"][np.searchsorted(elapsed, made_minute.BRAKE_S + 0.05) :].all()
    cruise = made.columns("carState", ["cruiseState.enabled", "cruiseState.available", "cruiseState.speed"])
    assert cruise["cruiseState.available"][settled].all()
    assert cruise["cruiseState.speed"][settled] == pytest.approx(25.0, abs=0.01)
    assert not cruise["cruiseState.enabled"][-1]


def test_motion_is_that_of_the_circle(made: Log) -> None:
    names = [
        *(f"velocityDevice.{axis}" for axis in "xyz"),
        *(f"angularVelocityDevice.{axis}" for axis in "xyz"),
        *(f"accelerationDevice.{axis}" for axis in "xyz"),
        *(f"orientationNED.{axis}" for axis in "xyz"),
        "timestamp",
    ]
    motion = made.columns("deviceMotion", names)
    inner = slice(1, -1)
    assert motion["velocityDevice.x"] == pytest.approx(SPEED_MPS * np.cos(PITCH_RAD), abs=1e-4)
    assert motion["velocityDevice.y"] == pytest.approx(0, abs=1e-4)
    assert motion["velocityDevice.z"] == pytest.approx(-SPEED_MPS * np.sin(PITCH_RAD), abs=1e-4)
    assert motion["angularVelocityDevice.z"][inner] == pytest.approx(YAW_RATE_RADPS * np.cos(PITCH_RAD), abs=1e-5)
    assert motion["angularVelocityDevice.x"][inner] == pytest.approx(YAW_RATE_RADPS * np.sin(PITCH_RAD), abs=1e-5)
    assert motion["accelerationDevice.y"][inner] == pytest.approx(SPEED_MPS * YAW_RATE_RADPS, abs=1e-3)
    assert motion["accelerationDevice.x"][inner] == pytest.approx(0, abs=1e-3)
    assert motion["orientationNED.z"] == pytest.approx(heading_rad(motion.t_ns / 1e9), abs=1e-4)
    assert motion["orientationNED.y"] == pytest.approx(-PITCH_RAD, abs=1e-4)
    assert motion["orientationNED.x"] == pytest.approx(0, abs=1e-4)
    assert np.array_equal(motion["timestamp"].astype(np.int64), motion.t_ns)


def test_the_mounting_is_told_from_the_direction_of_travel(made: Log) -> None:
    rpy = column(made, "extrinsicsCalibration", "rpyCalib")
    assert rpy == pytest.approx(np.tile([0, PITCH_RAD, 0], (len(rpy), 1)), abs=1e-4)
    assert {str(message.payload.calStatus) for message in made.messages("extrinsicsCalibration")} == {"calibrated"}


def test_too_slow_a_drive_tells_no_mounting() -> None:
    still = np.zeros((300, 3))
    mounting = estimate_mounting(DeviceMotion(still, still + np.array([5.0, 0.1, -0.4]), still, still))
    assert mounting.frames == 0
    assert not mounting.rpy.any()


def turn(axis: int, angle: float) -> np.ndarray:
    """A rotation about one axis, right-handed."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[i, i] = rotation[j, j] = np.cos(angle)
    rotation[i, j], rotation[j, i] = -np.sin(angle), np.sin(angle)
    return rotation


def test_a_quaternion_turns_vectors_as_its_product_does() -> None:
    random = np.random.default_rng(7)
    for q, v in zip(random.normal(size=(50, 4)), random.normal(size=(50, 3)), strict=True):
        inverse = q * [1, -1, -1, -1] / (q @ q)
        turned = multiply(multiply(q, np.array([0, *v])), inverse)[1:]
        assert rotation_from_quaternion(q[None])[0] @ v == pytest.approx(turned, abs=1e-12)


def test_euler_angles_are_those_that_were_composed() -> None:
    random = np.random.default_rng(8)
    for roll, pitch, yaw in random.uniform([-3.1, -1.5, -3.1], [3.1, 1.5, 3.1], (50, 3)):
        composed = turn(2, yaw) @ turn(1, pitch) @ turn(0, roll)
        assert euler_from_rotation(composed[None])[0] == pytest.approx([roll, pitch, yaw], abs=1e-9)


def test_frames_and_marks(made: Log) -> None:
    count = round(SECONDS * 20)
    ids = column(made, "narrowRoadEncodeIdx", "frameId")
    assert ids.tolist() == list(range(3 * 1200, 3 * 1200 + count))
    assert column(made, "narrowRoadEncodeIdx", "segmentId").tolist() == list(range(count))
    assert column(made, "narrowRoadCameraState", "frameId").tolist() == ids.tolist()
    ends = column(made, "narrowRoadEncodeIdx", "timestampEof").astype(np.int64)
    assert ends.tolist() == np.round(made_minute.frame_times_s(SECONDS) * 1e9).astype(np.int64).tolist()
    services = [message.service for message in made.messages()]
    assert services[:2] == ["initData", "sentinel"]
    assert services[-1] == "sentinel"
    kinds = [str(message.payload.type) for message in made.messages("sentinel")]
    assert kinds == ["startOfSegment", "endOfSegment"]
    assert np.all(np.diff(made.index.t_ns) >= 0)


def test_initial_data_says_how_the_car_was_found(made: Log) -> None:
    start = next(made.messages("initData")).payload
    notes = {entry.key: bytes(entry.value).decode() for entry in start.params.entries}["ImportNotes"]
    assert "TOYOTA_RAV4: brake message 0x224" in notes
    assert str(start.dongleId) == made_minute.DONGLE
    # GPS week 2012, second 405000 of the first frame, less 18 leap seconds, less the 10 ms before it.
    assert start.wallTimeNanos == (315_964_800 + 2012 * 604_800 + 405_000 - 18) * 10**9 - 10**7


def test_first_segment_starts_the_route(tmp_path: Path) -> None:
    log = comma2k19_log(load_comma2k19(write_minute(tmp_path, seconds=0.5, number=0)))
    kinds = [str(m.payload.type) for m in parse_log(b"".join(log.events), where="x").messages("sentinel")]
    assert kinds == ["startOfRoute", "endOfSegment"]


def test_sent_frames_stand_in_can_as_echoes_and_in_sendcan_as_sent(made: Log) -> None:
    echoes = [
        (message.t_ns, frame.address, bytes(frame.dat), frame.src - 128)
        for message in made.messages("can")
        for frame in message.payload
        if frame.src >= 128
    ]
    sent = [
        (message.t_ns, frame.address, bytes(frame.dat), frame.src)
        for message in made.messages("sendcan")
        for frame in message.payload
    ]
    assert sent == echoes
    assert len(sent) == 3 * 100 * SECONDS
    assert made.counts()["can"] == 100 * SECONDS


def test_car_params_say_what_openpilot_did(made: Log) -> None:
    params = next(made.messages("carParams")).payload
    assert str(params.carFingerprint) == "TOYOTA_RAV4"
    # openpilot sent the cruise commands here; the brake message on the other address.
    assert params.openpilotLongitudinalControl
    assert params.safetyConfigs[0].safetyParam == 73 | 256


# ---- lengths, cars, damage


def test_lengths_come_from_the_dbc(made_folder: Path) -> None:
    minute = load_comma2k19(made_folder)
    frames, notes = restore_lengths(minute.can, find_car(minute.can))
    dbc = DBC("toyota_new_mc_pt_generated")
    for address, message in dbc.addr_to_msg.items():
        chosen = frames.address == address
        assert (frames.length[chosen] == message.size).all()
    assert minute.can.length.min() == 0 < frames.length[frames.address == 0x224].min()
    assert "toyota_new_mc_pt_generated" in notes[0]


def frames_of(addresses: set[int]) -> CanFrames:
    count = len(addresses)
    zeros = np.zeros(count, np.int64)
    return CanFrames(zeros, np.array(sorted(addresses)), zeros, np.zeros((count, 8), np.uint8), zeros)


def test_cars_are_told_by_their_addresses() -> None:
    common = {0x224, 0x1D2, 0x2C1, 0x3BC}
    assert find_car(frames_of(common | {0x232, 0x2D5, 0x396, 0x3F0})).platform == "TOYOTA_RAV4"
    assert find_car(frames_of(common | {0x3E0})).platform == "TOYOTA_COROLLA"
    assert find_car(frames_of({1}), platform="HONDA_CIVIC").platform == "HONDA_CIVIC"
    for strangers in (common, {0x226, 0x1D2}, common | {0x127, 0x3E0}):
        with pytest.raises(DataError, match="car is not recognised") as raised:
            find_car(frames_of(strangers), where="here")
        assert raised.value.remedy
    with pytest.raises(ConfigError, match="no platform 'TOYOTA_CLOWN'"):
        find_car(frames_of(common), platform="TOYOTA_CLOWN")


def test_batches_hold_every_frame_once_and_none_early() -> None:
    random = np.random.default_rng(3)
    t_ns = np.sort(random.integers(5_000_000_000, 5_400_000_000, 700))
    # A silent stretch: its batches are there, empty.
    t_ns = np.concatenate([t_ns, t_ns + 700_000_000])
    count = len(t_ns)
    octets = random.integers(0, 255, (count, 8), dtype=np.uint8)
    frames = CanFrames(t_ns, np.arange(count), np.zeros(count, np.int64), octets, random.integers(0, 9, count))
    found = batches(frames, 10_000_000)
    assert np.all(np.diff([batch.t_ns for batch in found]) == 10_000_000)
    seen = [(batch.t_ns, *frame) for batch in found for frame in batch.frames]
    assert [frame[1] for frame in seen] == list(range(count))
    for batch_t_ns, address, data, _ in seen:
        assert 0 < batch_t_ns - t_ns[address] <= 10_000_000
        assert data == octets[address].tobytes()[: frames.length[address]]
    assert any(not batch.frames for batch in found)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("global_pose/frame_times", None, "is missing"),
        ("processed_log/CAN/raw_can/data", None, "is missing"),
        ("global_pose/frame_velocities", np.zeros((80, 4)), r"holds float64 \(80, 4\), wanted \(n, 3\)"),
        ("global_pose/frame_velocities", np.zeros((79, 3)), "differ in length"),
        ("global_pose/frame_positions", np.full((80, 3), np.nan), "NaN"),
        ("global_pose/frame_times", np.zeros(80), "does not increase"),
        ("processed_log/CAN/raw_can/t", np.zeros(7), "differ in length"),
        ("processed_log/CAN/raw_can/src", np.zeros(1840), "wanted"),
        ("global_pose/frame_times", b"\x93NUMPY\x01\x00", "not a numpy array file"),
        ("global_pose/frame_times", b"", "not a numpy array file"),
        ("global_pose/frame_times", np.array([{"a": 1}], object), "not a numpy array file"),
    ],
)
def test_damaged_folders_are_refused(tmp_path: Path, name: str, content: object, problem: str) -> None:
    folder = write_minute(tmp_path)
    path = folder / name
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with path.open("wb") as stream:
            np.save(stream, content, allow_pickle=True)
    with pytest.raises(DataError, match=problem) as raised:
        load_comma2k19(folder)
    assert str(folder) in raised.value.where


def test_a_folder_with_another_name_is_refused(tmp_path: Path) -> None:
    folder = write_minute(tmp_path, seconds=0.5)
    shutil.move(folder, tmp_path / "minute")
    with pytest.raises(DataError, match="does not tell the segment"):
        load_comma2k19(tmp_path / "minute")


# ---- the real minute


def test_the_real_minute_is_whole(real: Log) -> None:
    counts = real.counts()
    assert (counts["can"], counts["carState"]) == (6000, 6000)
    assert counts["narrowRoadEncodeIdx"] == counts["narrowRoadCameraState"] == counts["deviceMotion"] == 1200
    frames = [frame.src for message in real.messages("can") for frame in message.payload]
    assert len(frames) == 135_468
    assert column(real, "narrowRoadEncodeIdx", "frameId")[0] == 48_000


def test_real_car_state_agrees_with_the_data_sets_own_decoding(real: Log, real_folder: Path) -> None:
    state = real.columns("carState", ["vEgo", "vEgoRaw", "steeringAngleDeg", "canValid"])
    seconds = state.t_ns / 1e9 - 0.004
    can = real_folder / "processed_log" / "CAN"
    speed = np.interp(seconds, np.load(can / "speed" / "t"), np.load(can / "speed" / "value")[:, 0])
    angle = np.interp(seconds, np.load(can / "steering_angle" / "t"), np.load(can / "steering_angle" / "value"))
    settled = slice(300, None)
    # Every message of the car has come after a second; from then on its data is valid to the end.
    assert state["canValid"][100:].all()
    for name, expected, rms, worst in (
        ("vEgoRaw", speed, 0.02, 0.4),
        ("vEgo", speed, 0.035, 0.55),
        ("steeringAngleDeg", angle, 0.05, 0.4),
    ):
        error = (state[name] - expected)[settled]
        assert abs(error.mean()) < 0.002, name
        assert np.sqrt(np.mean(error**2)) < rms, name
        assert np.abs(error).max() < worst, name


def test_real_motion_agrees_with_the_car(real: Log) -> None:
    motion = real.columns(
        "deviceMotion", ["velocityDevice.x", "velocityDevice.y", "velocityDevice.z", "angularVelocityDevice.z"]
    )
    state = real.columns("carState", ["vEgo", "steeringAngleDeg"])
    at_frames = {
        name: np.interp(motion.t_ns, state.t_ns - 4_000_000, state[name]) for name in ("vEgo", "steeringAngleDeg")
    }
    velocity = np.stack([motion[f"velocityDevice.{axis}"] for axis in "xyz"], 1)
    speed = np.linalg.norm(velocity, axis=1)
    # The wheels read 0.85 % less than the satellites.
    ratio = speed[60:] / at_frames["vEgo"][60:]
    assert 1.006 < ratio.mean() < 1.011
    assert ratio.std() < 0.004
    # A kinematic car with the RAV4's wheelbase and steering ratio, left positive; what the steering angle is off by
    # when driving straight turns the car in proportion to its speed.
    steer = np.radians(at_frames["steeringAngleDeg"]) / 16.88
    expected = np.stack([speed * np.tan(steer) / 2.65, speed], 1)
    measured = -motion["angularVelocityDevice.z"]
    (gain, offset), *_ = np.linalg.lstsq(expected, measured, rcond=None)
    # Understeer, and play in the steering at these small angles, take their part.
    assert 0.5 < gain < 1.0
    assert abs(offset) < 1e-3
    assert np.sqrt(np.mean((expected @ [gain, offset] - measured) ** 2)) < 0.003
    assert np.std(measured) > 0.004


def test_the_real_mounting_makes_the_car_drive_straight_ahead(real: Log) -> None:
    rpy = column(real, "extrinsicsCalibration", "rpyCalib")[0]
    assert rpy[0] == 0
    assert np.degrees(rpy[1]) == pytest.approx(3.8, abs=0.1)
    assert np.degrees(rpy[2]) == pytest.approx(0.81, abs=0.1)
    motion = real.columns("deviceMotion", [f"velocityDevice.{axis}" for axis in "xyz"])
    velocity = np.stack([motion[f"velocityDevice.{axis}"] for axis in "xyz"], 1)
    device_from_car = turn(2, rpy[2]) @ turn(1, rpy[1]) @ turn(0, rpy[0])
    car_velocity = velocity @ device_from_car
    assert np.abs(np.degrees(np.arctan2(car_velocity[:, 1:], car_velocity[:, :1]))).mean() < 0.2
