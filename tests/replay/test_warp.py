"""Warp matrices against the published check vectors; tables and packing against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError, DataError
from harness.replay.cameras import find_cameras, fit_to_picture
from harness.replay.warp import (
    NARROW_MODEL,
    WIDE_MODEL,
    build_table,
    chroma_matrix,
    picture_digest,
    warp,
    warp_matrix,
)

AR_OX = find_cameras("tici", "ox03c10", 1928, 1208)
OS = find_cameras("mici", "os04c10", 1344, 760)


@pytest.mark.parametrize(
    ("camera", "model", "scale", "x", "y"),
    [
        (AR_OX.narrow, NARROW_MODEL, 2.909890, 219.068132, 465.489231),
        (AR_OX.wide, WIDE_MODEL, 1.246154, 644.984615, 414.833846),
        (OS.narrow, NARROW_MODEL, 1.254396, 350.874725, 320.290769),
        (OS.wide, WIDE_MODEL, 0.934615, 432.738462, 238.125385),
    ],
)
def test_matrices_of_a_level_camera(camera, model, scale, x, y):
    matrix = warp_matrix((0.0, 0.0, 0.0), camera, model)
    expected = [[scale, 0, x], [0, scale, y], [0, 0, 1]]
    np.testing.assert_allclose(matrix / matrix[2, 2], expected, atol=6e-7)


def test_matrix_of_a_tilted_camera():
    matrix = warp_matrix((0.0, 0.02, -0.01), AR_OX.narrow, NARROW_MODEL)
    expected = [
        [2.920338, 0.020602, 188.697590],
        [0.006637, 2.922581, 410.078533],
        [1.09888e-5, 2.19755e-5, 0.995891],
    ]
    np.testing.assert_allclose(matrix[:2], expected[:2], atol=6e-7)
    np.testing.assert_allclose(matrix[2], expected[2], rtol=1e-5)


def slow_plane(plane, matrix, width, height):
    out = np.empty((height, width), np.uint8)
    rows, columns = plane.shape
    for v in range(height):
        for u in range(width):
            x, y, z = matrix @ (u, v, 1.0)
            column = min(max(round(x / z), 0), columns - 1)
            row = min(max(round(y / z), 0), rows - 1)
            out[v, u] = plane[row, column]
    return out


def slow_warp(matrix, y, u, v):
    luma = slow_plane(y, matrix, 512, 256)
    scale = np.array([[1, 1, 0.5], [1, 1, 0.5], [2, 2, 1]])
    chroma = [slow_plane(plane, matrix * scale, 256, 128) for plane in (u, v)]
    packed = np.empty((6, 128, 256), np.uint8)
    for row in range(128):
        for column in range(256):
            packed[0, row, column] = luma[2 * row, 2 * column]
            packed[1, row, column] = luma[2 * row + 1, 2 * column]
            packed[2, row, column] = luma[2 * row, 2 * column + 1]
            packed[3, row, column] = luma[2 * row + 1, 2 * column + 1]
    packed[4], packed[5] = chroma
    return packed


def planes(seed=0, width=1928, height=1208, padding=0):
    """Random planes; with padding, as a decoder lays them out: views with longer lines."""
    rng = np.random.default_rng(seed)
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    return [rng.integers(0, 256, (h, w + padding), np.uint8)[:, :w] for h, w in sizes]


def test_warp_and_packing_equal_a_slow_reference():
    # Turned far enough that part of the view lies outside the picture and is clamped.
    matrix = warp_matrix((0.05, 0.1, -0.2), AR_OX.wide, WIDE_MODEL)
    table = build_table(matrix, 1928, 1208)
    y, u, v = planes()
    np.testing.assert_array_equal(warp(table, y, u, v), slow_warp(matrix, y, u, v))


def test_line_sizes_do_not_matter():
    table = build_table(warp_matrix((0, 0.02, 0), AR_OX.narrow, NARROW_MODEL), 1928, 1208)
    padded = planes(padding=120)
    tight = [np.ascontiguousarray(plane) for plane in padded]
    np.testing.assert_array_equal(warp(table, *padded), warp(table, *tight))
    reversed_columns = [plane[:, ::-1] for plane in tight]
    np.testing.assert_array_equal(
        warp(table, *reversed_columns), warp(table, *(np.ascontiguousarray(p) for p in reversed_columns))
    )


@settings(max_examples=25)
@given(st.tuples(*[st.floats(-0.3, 0.3)] * 3))
def test_chroma_sees_what_luma_sees(rpy):
    """A luma sample twice as far from the corner lands twice as far away."""
    matrix = warp_matrix(rpy, AR_OX.narrow, NARROW_MODEL)
    full = matrix @ (200.0, 80.0, 1.0)
    half = chroma_matrix(matrix) @ (100.0, 40.0, 1.0)
    np.testing.assert_allclose(half[:2] / half[2] * 2, full[:2] / full[2], rtol=1e-9)


def test_the_digest_follows_every_sample():
    packed = np.zeros((6, 128, 256), np.uint8)
    before = picture_digest(packed)
    packed[5, 127, 255] = 1
    assert picture_digest(packed) != before
    assert 0 <= before < 2**64


def test_cameras_are_found_by_name_then_by_size():
    assert find_cameras("tizi", "unknown", 1344, 760) == OS
    assert find_cameras("tici", "unknown", 482, 302) == AR_OX
    assert find_cameras("neo", "unknown", 1164, 874).narrow.focal_px == 910
    with pytest.raises(DataError, match=r"640x480 picture of device 'pc'.*name them in the options"):
        find_cameras("pc", "unknown", 640, 480)
    with pytest.raises(ConfigError, match="no sensor is called 'imx'"):
        find_cameras("tici", "imx", 1928, 1208)


def test_a_lens_scales_with_its_picture_but_only_in_its_shape():
    quarter = fit_to_picture(AR_OX.narrow, 482, 302, "fcamera")
    assert quarter.focal_px == pytest.approx(662.0)
    with pytest.raises(DataError, match="640x480, the camera of this device gives 1928x1208"):
        fit_to_picture(AR_OX.narrow, 640, 480, "fcamera")
