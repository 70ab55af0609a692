"""The warp from a camera picture to what a driving model sees: matrices, index tables, packing to six channels.

Geometry after openpilot's model frames: a 512x256 virtual camera that looks along the car's forward axis. Tables
change only with the calibration, so a frame costs one gather a plane.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.replay.cameras import Intrinsics

Matrix = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

MODEL_WIDTH, MODEL_HEIGHT = 512, 256
PACKED_SHAPE = (6, MODEL_HEIGHT // 2, MODEL_WIDTH // 2)

# Virtual cameras of the model's two pictures (openpilot "medmodel" and "sbigmodel").
NARROW_MODEL: Matrix = np.array([[910.0, 0.0, 256.0], [0.0, 910.0, 47.6], [0.0, 0.0, 1.0]])
WIDE_MODEL: Matrix = np.array([[455.0, 0.0, 256.0], [0.0, 455.0, (256.0 + 47.6) / 2], [0.0, 0.0, 1.0]])

# Camera axes (x right, y down, z forward) from device axes (x forward, y right, z down).
VIEW_FROM_DEVICE: Matrix = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])

# Chroma planes have half the pixels each way on both sides; openpilot scales the matrix, element by element.
_CHROMA_SCALE: Matrix = np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [2.0, 2.0, 1.0]])


def rotation_from_rpy(roll: float, pitch: float, yaw: float) -> Matrix:
    """(3, 3) rotation Rz(yaw)·Ry(pitch)·Rx(roll), angles in radians."""
    sr, cr, sp, cp, sy, cy = (f(x) for x in (roll, pitch, yaw) for f in (np.sin, np.cos))
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    matrix: Matrix = about_z @ about_y @ about_x
    return matrix


def warp_matrix(rpy: tuple[float, float, float], camera: Intrinsics, model: Matrix) -> Matrix:
    """(3, 3) matrix that maps a pixel of the model's picture to one of the camera's, up to scale."""
    device_from_model = np.linalg.inv(model @ VIEW_FROM_DEVICE)
    matrix: Matrix = camera.matrix() @ VIEW_FROM_DEVICE @ rotation_from_rpy(*rpy) @ device_from_model
    return matrix


def chroma_matrix(matrix: Matrix) -> Matrix:
    """The same map between the half-size chroma planes."""
    return matrix * _CHROMA_SCALE


@dataclass(frozen=True, slots=True)
class WarpTable:
    """For each packed output sample the row and column of the camera sample it copies.

    `y_rows`, `y_columns` (4, 128, 256) into the Y plane; `c_rows`, `c_columns` (128, 256) into U and V.
    """

    width: int
    height: int
    y_rows: npt.NDArray[np.intp]
    y_columns: npt.NDArray[np.intp]
    c_rows: npt.NDArray[np.intp]
    c_columns: npt.NDArray[np.intp]
    _flat: dict[tuple[int, int], tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]] = field(
        default_factory=dict, compare=False
    )

    def flat(self, y_stride: int, c_stride: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Offsets into planes of these line sizes; made once a line size."""
        tables = self._flat.get((y_stride, c_stride))
        if tables is None:
            tables = (self.y_rows * y_stride + self.y_columns, self.c_rows * c_stride + self.c_columns)
            self._flat[y_stride, c_stride] = tables
        return tables


def build_table(matrix: Matrix, width: int, height: int) -> WarpTable:
    """The table of `matrix` for a camera of `width` x `height` pixels: nearest neighbour, rounded, then clamped."""
    rows, columns = _nearest(matrix, MODEL_WIDTH, MODEL_HEIGHT, width, height)
    c_rows, c_columns = _nearest(chroma_matrix(matrix), MODEL_WIDTH // 2, MODEL_HEIGHT // 2, width // 2, height // 2)
    return WarpTable(width, height, _pack_luma(rows), _pack_luma(columns), c_rows, c_columns)


def _nearest(
    matrix: Matrix, out_width: int, out_height: int, width: int, height: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Row and column (out_height, out_width) of the nearest camera sample to each output sample."""
    v, u = np.mgrid[0:out_height, 0:out_width].astype(np.float64)
    x, y, z = (row[0] * u + row[1] * v + row[2] for row in matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = np.nan_to_num(np.rint(x / z), nan=0.0, posinf=width, neginf=0.0)
        rows = np.nan_to_num(np.rint(y / z), nan=0.0, posinf=height, neginf=0.0)
    return np.clip(rows, 0, height - 1).astype(np.intp), np.clip(columns, 0, width - 1).astype(np.intp)


def _pack_luma(plane: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """(2h, 2w) to (4, h, w): [even row, even column], [odd, even], [even, odd], [odd, odd]."""
    return np.stack([plane[0::2, 0::2], plane[1::2, 0::2], plane[0::2, 1::2], plane[1::2, 1::2]])


def warp(table: WarpTable, y: Bytes, u: Bytes, v: Bytes) -> Bytes:
    """One picture as the model takes it: (6, 128, 256) uint8 of `y` (h, w) and `u`, `v` (h/2, w/2)."""
    packed = np.empty(PACKED_SHAPE, np.uint8)
    y_flat, y_stride = _flat_plane(y)
    u_flat, u_stride = _flat_plane(u)
    v_flat, v_stride = _flat_plane(v)
    y_table, u_table = table.flat(y_stride, u_stride)
    _, v_table = table.flat(y_stride, v_stride)
    # mode "clip" skips a check for every sample; the tables are inside the picture by construction.
    y_flat.take(y_table, out=packed[:4], mode="clip")
    u_flat.take(u_table, out=packed[4], mode="clip")
    v_flat.take(v_table, out=packed[5], mode="clip")
    return packed


def _flat_plane(plane: Bytes) -> tuple[Bytes, int]:
    """The plane as one row of memory, padding at line ends included, and its line size."""
    height, width = plane.shape
    stride = plane.strides[0]
    if plane.strides[1] != 1 or stride < width:
        plane = np.ascontiguousarray(plane)
        stride = width
    size = (height - 1) * stride + width
    return np.lib.stride_tricks.as_strided(plane, (size,), (1,), writeable=False), stride


def picture_digest(packed: Bytes) -> int:
    """blake2b-64 of a packed picture, as the number kept in a trace's picture channel."""
    return int.from_bytes(hashlib.blake2b(packed.data, digest_size=8).digest(), "little")
