"""The driver's picture: which part of the cabin camera a driver-monitoring model sees, and how it is scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError

Bytes: TypeAlias = npt.NDArray[np.uint8]
Tensor: TypeAlias = npt.NDArray[Any]

MODEL_WIDTH, MODEL_HEIGHT = 320, 640
_CABIN = (1928, 1208)
_OLD_CABIN_HEIGHT = 864

# Weights of the four neighbours are whole numbers of this many bits, so that scaling is the same on every machine.
_BITS = 11


@dataclass(frozen=True, slots=True)
class Crop:
    """Part of a picture in pixels, all even; `mirrored` left to right for a driver on the right."""

    x: int
    y: int
    width: int
    height: int
    mirrored: bool


@dataclass(frozen=True, slots=True)
class CropRule:
    """How one model generation cuts the newer cabin camera, and the width it takes of the older one.

    `adapt_width` px wide and 1.33 times less high, the half at the driver's side of it; offsets in pixels.
    """

    adapt_width: int
    x_offset: int
    driver_left_extra: int
    y_offset: int
    old_width: int  # of a picture 864 high


# openpilot 0.8.9 (38 outputs) and 0.8.13 (39 outputs).
RULES = {
    38: CropRule(668, 0, 32, 196, _OLD_CABIN_HEIGHT // 2),
    39: CropRule(954, -72, 0, 144, 372),
}


def find_crop(rule: CropRule, width: int, height: int, *, right_hand_drive: bool) -> Crop:
    """The driver's part of a `width` x `height` picture; sizes other than the newer camera's are cut as the older one.

    The cabin camera looks back, so a driver on the left is at the right edge of its picture.
    """
    if (width, height) == _CABIN:
        crop_height = int(rule.adapt_width / 1.33)
        crop_width = crop_height // 2
        x = width // 2 - rule.adapt_width // 2 + rule.x_offset
        if not right_hand_drive:
            x += rule.adapt_width - crop_width + rule.driver_left_extra
        y = height // 2 - crop_height // 2 - rule.y_offset
        return _even(x, y, crop_width, crop_height, right_hand_drive)
    crop_width = min(width, height * rule.old_width // _OLD_CABIN_HEIGHT)
    return _even(0 if right_hand_drive else width - crop_width, 0, crop_width, height, right_hand_drive)


def checked_crop(crop: tuple[int, int, int, int], width: int, height: int, *, right_hand_drive: bool) -> Crop:
    """A crop somebody asked for; ConfigError when it is not inside the picture."""
    x, y, crop_width, crop_height = crop
    if x + crop_width > width or y + crop_height > height:
        raise ConfigError(
            f"the crop {list(crop)} is not inside the {width}x{height} picture",
            where="option crop",
            remedy="give [x, y, width, height] in pixels of this camera",
        )
    return Crop(x, y, crop_width, crop_height, right_hand_drive)


def _even(x: int, y: int, width: int, height: int, mirrored: bool) -> Crop:
    """Chroma has half the pixels, so everything starts and ends on even ones."""
    return Crop(x & ~1, y & ~1, width & ~1, height & ~1, mirrored)


@dataclass(frozen=True, slots=True)
class _Plane:
    """Bilinear scaling of one plane: neighbours' rows and columns, and the weight (11 bits) of the later one."""

    top: npt.NDArray[np.intp]
    bottom: npt.NDArray[np.intp]
    down: npt.NDArray[np.int32]
    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    across: npt.NDArray[np.int32]

    def scale(self, plane: Bytes) -> npt.NDArray[np.int32]:
        """(out_height, out_width) values 0..255, rounded to nearest."""
        one = 1 << _BITS
        # Columns first, of the rows that are needed only: the picture shrinks before the second pass.
        rows = plane.astype(np.int32)
        wide = rows[:, self.left] * (one - self.across) + rows[:, self.right] * self.across
        total = wide[self.top].astype(np.int64) * (one - self.down) + wide[self.bottom].astype(np.int64) * self.down
        result: npt.NDArray[np.int32] = ((total + (1 << (2 * _BITS - 1))) >> (2 * _BITS)).astype(np.int32)
        return result


class CropTable:
    """One crop, scaled to 320x640 and packed: `pack` of a picture gives (6, 320, 160) uint8."""

    def __init__(self, crop: Crop) -> None:
        self.crop = crop
        self._luma = _plane(crop.width, crop.height, MODEL_WIDTH, MODEL_HEIGHT, mirrored=crop.mirrored)
        self._chroma = _plane(
            crop.width // 2, crop.height // 2, MODEL_WIDTH // 2, MODEL_HEIGHT // 2, mirrored=crop.mirrored
        )

    def pack(self, y: Bytes, u: Bytes, v: Bytes) -> Bytes:
        """Planes (h, w) and (h/2, w/2) twice, to Y[even, even], Y[odd, even], Y[even, odd], Y[odd, odd], U, V."""
        crop = self.crop
        luma = self._luma.scale(y[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width])
        rows = slice(crop.y // 2, (crop.y + crop.height) // 2)
        columns = slice(crop.x // 2, (crop.x + crop.width) // 2)
        chroma = (self._chroma.scale(plane[rows, columns]) for plane in (u, v))
        packed = (luma[0::2, 0::2], luma[1::2, 0::2], luma[0::2, 1::2], luma[1::2, 1::2], *chroma)
        return np.stack(packed).astype(np.uint8)


def normalised(packed: Bytes) -> Tensor:
    """(1, 6, 320, 160) float32 as the model takes it: (x - 128) / 128."""
    tensor: Tensor = ((packed.astype(np.float32) - 128.0) / 128.0)[None]
    return tensor


def _plane(width: int, height: int, out_width: int, out_height: int, *, mirrored: bool) -> _Plane:
    top, bottom, down = _neighbours(height, out_height)
    left, right, across = _neighbours(width, out_width)
    if mirrored:
        left, right, across = left[::-1], right[::-1], across[::-1]
    return _Plane(top, bottom, down[:, None], left, right, across[None])


def _neighbours(size: int, out_size: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """For each output sample its two input neighbours and the weight of the later one; sample centres are matched."""
    position = np.clip((np.arange(out_size) + 0.5) * size / out_size - 0.5, 0.0, size - 1.0)
    first = np.floor(position).astype(np.intp)
    weight = np.rint((position - first) * (1 << _BITS)).astype(np.int32)
    return first, np.minimum(first + 1, size - 1), weight
