"""Which lens looked: intrinsics from device type and sensor, or from the picture's size where the log is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError, DataError

DEVICE_NAMES = ("unknown", "neo", "chffrAndroid", "chffrIos", "tici", "pc", "tizi", "mici")
SENSOR_NAMES = ("unknown", "ar0231", "ox03c10", "os04c10")

# A recording that was scaled down keeps its lens; one of another shape was cropped, and its lens is not known.
_ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera whose principal point is the middle of its picture. `focal_px` in pixels."""

    width: int
    height: int
    focal_px: float

    def matrix(self) -> npt.NDArray[np.float64]:
        """(3, 3) camera matrix."""
        return np.array([[self.focal_px, 0.0, self.width / 2], [0.0, self.focal_px, self.height / 2], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, slots=True)
class Cameras:
    """The road cameras of one device."""

    narrow: Intrinsics
    wide: Intrinsics


_AR_OX = Cameras(Intrinsics(1928, 1208, 2648.0), Intrinsics(1928, 1208, 567.0))
_OS = Cameras(Intrinsics(1344, 760, 1141.5), Intrinsics(1344, 760, 425.25))
_NEO = Cameras(Intrinsics(1164, 874, 910.0), Intrinsics(1164, 874, 910.0))

_BY_SENSOR: Mapping[str, Cameras] = {"ar0231": _AR_OX, "ox03c10": _AR_OX, "os04c10": _OS}
_BY_DEVICE: Mapping[str, Cameras] = {"neo": _NEO, "tici": _AR_OX}


def find_cameras(device: str, sensor: str, width: int, height: int) -> Cameras:
    """The lenses of `device` with `sensor`; where these are unknown, those whose narrow picture has this size.

    Raises ConfigError for a name that does not exist, DataError where nothing fits.
    """
    for kind, name, known in (("device", device, DEVICE_NAMES), ("sensor", sensor, SENSOR_NAMES)):
        if name not in known:
            raise ConfigError(
                f"no {kind} is called {name!r}", where=f"option {kind}", remedy=f"use one of {', '.join(known)}"
            )
    cameras = _BY_DEVICE["neo"] if device == "neo" else _BY_SENSOR.get(sensor)
    if cameras is None:
        by_size = {(c.narrow.width, c.narrow.height): c for c in (_AR_OX, _OS, _NEO)}
        cameras = by_size.get((width, height)) or _BY_DEVICE.get(device)
    if cameras is None:
        raise DataError(
            f"the lens of a {width}x{height} picture of device {device!r}, sensor {sensor!r} is not known",
            where="fcamera",
            remedy="name them in the options: device: tici, sensor: ox03c10",
        )
    return cameras


def fit_to_picture(camera: Intrinsics, width: int, height: int, where: str) -> Intrinsics:
    """`camera` as it is in a picture of this size: scaled when the shape is kept, refused when it is not."""
    if (camera.width, camera.height) == (width, height):
        return camera
    if abs((width / height) / (camera.width / camera.height) - 1.0) > _ASPECT_TOLERANCE:
        raise DataError(
            f"pictures are {width}x{height}, the camera of this device gives {camera.width}x{camera.height}",
            where=where,
            remedy="check that the video belongs to this log, or name device and sensor in the options",
        )
    return Intrinsics(width, height, camera.focal_px * width / camera.width)
