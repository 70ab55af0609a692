"""Where a device was and how it turned, from positions on the globe: motion in its own axes, as locationd says it.

Frames: ECEF (earth-centred, earth-fixed), NED (north, east, down) at the device, and the device's own (x forward, y
right, z down). A quaternion (w, x, y, z) turns device axes into ECEF, as comma2k19's `frame_orientations` do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# WGS-84.
_EQUATOR_M = 6378137.0
_FLATTENING = 1 / 298.257223563
_ECCENTRICITY_2 = _FLATTENING * (2 - _FLATTENING)

# openpilot calibrationd: what counts as driving straight enough to tell how the device is mounted.
_CALIBRATION_SPEED_MPS = 15 * 0.44704
_CALIBRATION_YAW_RATE_RADPS = np.radians(2)
_CALIBRATION_FRAMES = 100


@dataclass(frozen=True, slots=True)
class DeviceMotion:
    """One row a frame: `orientation_ned` (n,3) roll, pitch, yaw in rad; the rest (n,3) in device axes and SI units."""

    orientation_ned: Floats
    velocity_mps: Floats
    acceleration_mps2: Floats
    angular_velocity_radps: Floats


@dataclass(frozen=True, slots=True)
class Mounting:
    """How the device sits in the car: `rpy` (3,) rad turns car axes into device axes; `spread` (3,) of its estimate.

    `frames` is how many told it; zero means nothing could be told, and `rpy` is level.
    """

    rpy: Floats
    spread: Floats
    frames: int


def device_motion(times_s: Floats, positions: Floats, velocities: Floats, orientations: Floats) -> DeviceMotion:
    """Motion at each frame, from ECEF `positions` (n,3) m, `velocities` (n,3) m/s and `orientations` (n,4).

    Rates are central differences over the two neighbouring frames.
    """
    ecef_from_device = rotation_from_quaternion(orientations)
    device_from_ecef = ecef_from_device.transpose(0, 2, 1)
    latitude, longitude = _latitude_longitude(positions)
    return DeviceMotion(
        orientation_ned=euler_from_rotation(_ned_from_ecef(latitude, longitude) @ ecef_from_device),
        velocity_mps=_turned(device_from_ecef, velocities),
        acceleration_mps2=_turned(device_from_ecef, np.gradient(velocities, times_s, axis=0)),
        angular_velocity_radps=_angular_velocity(times_s, ecef_from_device),
    )


def estimate_mounting(motion: DeviceMotion) -> Mounting:
    """How the device is mounted: where it sees itself go while the car drives straight (openpilot calibrationd).

    Roll cannot be seen from the direction of travel and stays zero.
    """
    forward, right, down = motion.velocity_mps.T
    straight = (forward > _CALIBRATION_SPEED_MPS) & (
        np.abs(motion.angular_velocity_radps[:, 2]) < _CALIBRATION_YAW_RATE_RADPS
    )
    frames = int(np.count_nonzero(straight))
    if frames < _CALIBRATION_FRAMES:
        return Mounting(np.zeros(3), np.zeros(3), 0)
    pitch = -np.arctan2(down[straight], forward[straight])
    yaw = np.arctan2(right[straight], forward[straight])
    rpy = np.array([0.0, np.median(pitch), np.median(yaw)])
    return Mounting(rpy, np.array([0.0, np.std(pitch), np.std(yaw)]), frames)


def rotation_from_quaternion(quaternions: Floats) -> Floats:
    """(n,3,3) rotations of (n,4) quaternions w, x, y, z, of any length but zero."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)


def euler_from_rotation(rotations: Floats) -> Floats:
    """(n,3) roll, pitch, yaw of (n,3,3) rotations: R = Rz(yaw) · Ry(pitch) · Rx(roll)."""
    roll = np.arctan2(rotations[:, 2, 1], rotations[:, 2, 2])
    pitch = -np.arcsin(np.clip(rotations[:, 2, 0], -1, 1))
    yaw = np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0])
    return np.stack([roll, pitch, yaw], 1)


def _turned(rotations: Floats, vectors: Floats) -> Floats:
    turned: Floats = np.einsum("nij,nj->ni", rotations, vectors)
    return turned


def _angular_velocity(times_s: Floats, ecef_from_device: Floats) -> Floats:
    """(n,3) rad/s in device axes: the turn between the neighbours of a frame, as axis times angle, over their time."""
    count = len(times_s)
    before, after = np.maximum(np.arange(count) - 1, 0), np.minimum(np.arange(count) + 1, count - 1)
    turn = ecef_from_device[before].transpose(0, 2, 1) @ ecef_from_device[after]
    skew = np.stack([turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]], 1)
    sine = np.linalg.norm(skew, axis=1) / 2
    cosine = (np.trace(turn, axis1=1, axis2=2) - 1) / 2
    angle = np.arctan2(sine, cosine)
    scale = np.divide(angle, 2 * sine, out=np.full(count, 0.5), where=sine > 1e-12)
    rate: Floats = skew * (scale / (times_s[after] - times_s[before]))[:, None]
    return rate


def _latitude_longitude(positions: Floats) -> tuple[Floats, Floats]:
    """Geodetic latitude and longitude (n,) in rad of ECEF positions, by Bowring's formula (1e-9 rad near ground)."""
    x, y, z = positions.T
    equatorial = np.hypot(x, y)
    polar_m = _EQUATOR_M * (1 - _FLATTENING)
    reduced = np.arctan2(z * _EQUATOR_M, equatorial * polar_m)
    second = _ECCENTRICITY_2 / (1 - _ECCENTRICITY_2)
    latitude = np.arctan2(
        z + second * polar_m * np.sin(reduced) ** 3,
        equatorial - _ECCENTRICITY_2 * _EQUATOR_M * np.cos(reduced) ** 3,
    )
    return latitude, np.arctan2(y, x)


def _ned_from_ecef(latitude: Floats, longitude: Floats) -> Floats:
    """(n,3,3) rotations of ECEF axes into north, east, down."""
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(latitude), np.cos(latitude), np.sin(longitude), np.cos(longitude)
    rows = (
        (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat),
        (-sin_lon, cos_lon, np.zeros_like(latitude)),
        (-cos_lat * cos_lon, -cos_lat * sin_lon, -sin_lat),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)
