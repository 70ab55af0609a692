"""A comma2k19 segment folder made up from a known drive: a car on a level circle, its CAN packed by opendbc."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from opendbc.can import CANPacker

DONGLE, LOG_ID, NUMBER = "b0c9d2329ad1606b", "2018-08-02--08-34-47", 3
SPEED_MPS = 12.0
YAW_RATE_RADPS = 0.02
STEERING_DEG = -7.5
PITCH_RAD = 0.05
"""The device looks down by this: in its own axes the car moves a little upwards."""
GAS_S, BRAKE_S = 2.0, 3.0
"""From here on the gas, then the brake is pressed."""

_START_S = 1000.0
_PLAIN_MESSAGES = ("VSC1S07", "ESP_CONTROL", "PCM_CRUISE_SM", "BODY_CONTROL_STATE_2", "LIGHT_STALK", "GAS_PEDAL")
_LATITUDE, _LONGITUDE = np.radians(37.5), np.radians(-122.3)
_EQUATOR_M = 6378137.0


def write_minute(root: Path, *, seconds: float = 4.0, number: int = NUMBER) -> Path:
    """Write the folder `<root>/<dongle>|<log_id>/<number>` and return it."""
    folder = root / f"{DONGLE}|{LOG_ID}" / str(number)
    arrays = {**_pose(seconds), **_can(seconds)}
    for name, array in arrays.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as stream:
            np.save(stream, array)
    return folder


def heading_rad(times_s: np.ndarray) -> np.ndarray:
    """Heading from north at those times of the log's clock."""
    return 0.3 + YAW_RATE_RADPS * (times_s - _START_S)


def frame_times_s(seconds: float) -> np.ndarray:
    return _START_S + np.arange(round(seconds * 20)) / 20


def _pose(seconds: float) -> dict[str, np.ndarray]:
    times = frame_times_s(seconds)
    heading = heading_rad(times)
    radius = SPEED_MPS / YAW_RATE_RADPS
    north, east = radius * np.sin(heading), -radius * np.cos(heading)
    velocity_ned = SPEED_MPS * np.stack([np.cos(heading), np.sin(heading), np.zeros_like(heading)], 1)
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(_LATITUDE), np.cos(_LATITUDE), np.sin(_LONGITUDE), np.cos(_LONGITUDE)
    ecef_from_ned = np.array(
        [
            [-sin_lat * cos_lon, -sin_lon, -cos_lat * cos_lon],
            [-sin_lat * sin_lon, cos_lon, -cos_lat * sin_lon],
            [cos_lat, 0, -sin_lat],
        ]
    )
    first_eccentricity_2 = 0.00669437999014
    normal = _EQUATOR_M / np.sqrt(1 - first_eccentricity_2 * sin_lat**2)
    origin = np.array(
        [normal * cos_lat * cos_lon, normal * cos_lat * sin_lon, normal * (1 - first_eccentricity_2) * sin_lat]
    )
    positions = origin + np.stack([north, east, np.zeros_like(north)], 1) @ ecef_from_ned.T
    # Device axes: yawed by the heading, pitched up by -PITCH (nose down).
    half_yaw, half_pitch = heading / 2, -PITCH_RAD / 2
    zero = np.zeros_like(heading)
    yaw_q = np.stack([np.cos(half_yaw), zero, zero, np.sin(half_yaw)], 1)
    pitch_q = np.array([np.cos(half_pitch), 0, np.sin(half_pitch), 0])
    ned_q = np.array([multiply(q, pitch_q) for q in yaw_q])
    frame_q = _quaternion(ecef_from_ned)
    return {
        "global_pose/frame_times": times,
        "global_pose/frame_gps_times": np.stack([np.full_like(times, 2012.0), 404000.0 + times], 1),
        "global_pose/frame_positions": positions,
        "global_pose/frame_velocities": velocity_ned @ ecef_from_ned.T,
        "global_pose/frame_orientations": np.array([multiply(frame_q, q) for q in ned_q]),
    }


def _can(seconds: float) -> dict[str, np.ndarray]:
    """Every message openpilot reads of a RAV4, at 100 Hz, and some that tell it from its sisters."""
    packer = CANPacker("toyota_new_mc_pt_generated")
    rows: list[tuple[float, int, int, bytes]] = []
    for step in range(round(seconds * 100)):
        t = _START_S + step / 100
        elapsed = step / 100
        wheel = {f"WHEEL_SPEED_{corner}": SPEED_MPS * 3.6 for corner in ("FL", "FR", "RL", "RR")}
        gas, brake = elapsed >= GAS_S, elapsed >= BRAKE_S
        messages = {
            "WHEEL_SPEEDS": wheel,
            "STEER_ANGLE_SENSOR": {"STEER_ANGLE": STEERING_DEG},
            "STEER_TORQUE_SENSOR": {"STEER_TORQUE_DRIVER": 120, "STEER_TORQUE_EPS": -300},
            "BRAKE_MODULE": {"BRAKE_PRESSED": brake},
            "PCM_CRUISE": {"GAS_RELEASED": not gas, "CRUISE_ACTIVE": not brake, "CRUISE_STATE": 8},
            "PCM_CRUISE_2": {"MAIN_ON": 1, "SET_SPEED": 90},
            "GEAR_PACKET": {"GEAR": 0},
            "BLINKERS_STATE": {"TURN_SIGNALS": 2},
            "BODY_CONTROL_STATE": {"SEATBELT_DRIVER_UNLATCHED": 1, "DOOR_OPEN_FL": 1},
            "EPS_STATUS": {"LKA_STATE": 1},
        }
        messages |= {name: {} for name in _PLAIN_MESSAGES}
        for name, values in messages.items():
            address, data, _ = packer.make_can_msg(name, 0, values)
            rows.append((t, 0, address, data))
        rows += [(t, 0, address, bytes(4)) for address in (0x232, 0x2D5, 0x396, 0x3F0)]
        # The unit openpilot stands in for, and the camera's picture of the dashboard.
        for name in ("PRE_COLLISION", "ACC_CONTROL", "LKAS_HUD"):
            address, data, _ = packer.make_can_msg(name, 0, {})
            rows.append((t, 128, address, data))
    return {
        "processed_log/CAN/raw_can/t": np.array([row[0] for row in rows]),
        "processed_log/CAN/raw_can/src": np.array([row[1] for row in rows], np.int64),
        "processed_log/CAN/raw_can/address": np.array([row[2] for row in rows], np.int64),
        "processed_log/CAN/raw_can/data": np.array([row[3] for row in rows], "S8"),
    }


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of two quaternions w, x, y, z."""
    w, v, x, u = a[0], a[1:], b[0], b[1:]
    return np.concatenate([[w * x - v @ u], w * u + x * v + np.cross(v, u)])


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """The quaternion of a rotation, as the eigenvector that Bar-Itzhack's method gives."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]],
            [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    x, y, z, w = np.linalg.eigh(k)[1][:, -1]
    return np.array([w, x, y, z])
