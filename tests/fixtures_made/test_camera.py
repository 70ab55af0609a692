from __future__ import annotations

import numpy as np
import pytest

from fixtures.camera import (
    CAMERA_PAIRS,
    MODEL_NARROW,
    MODEL_WIDE,
    Lens,
    Mounting,
    calibrated_rays,
    project,
    warp_matrix,
)

OX, OS = CAMERA_PAIRS["ox03c10"], CAMERA_PAIRS["os04c10"]


@pytest.mark.parametrize(
    ("lens", "model", "scale", "shift"),
    [
        (OX.narrow, MODEL_NARROW, 2.909890, (219.068132, 465.489231)),
        (OX.wide, MODEL_WIDE, 1.246154, (644.984615, 414.833846)),
        (OS.narrow, MODEL_NARROW, 1.254396, (350.874725, 320.290769)),
        (OS.wide, MODEL_WIDE, 0.934615, (432.738462, 238.125385)),
    ],
)
def test_level_warp_is_the_published_one(lens: Lens, model: Lens, scale: float, shift: tuple[float, float]) -> None:
    matrix = warp_matrix(lens, model, (0.0, 0.0, 0.0))
    expected = [[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]]
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


def test_turned_warp_is_the_published_one() -> None:
    expected = [
        [2.920338, 0.020602, 188.697590],
        [0.006637, 2.922581, 410.078533],
        [1.09888e-5, 2.19755e-5, 0.995891],
    ]
    np.testing.assert_allclose(warp_matrix(OX.narrow, MODEL_NARROW, (0.0, 0.02, -0.01)), expected, atol=1e-6)


def test_a_point_is_projected_onto_the_pixel_whose_ray_meets_it() -> None:
    mounting = Mounting((0.01, 0.02, -0.03))
    forward, right, down = calibrated_rays(OS.narrow, mounting)
    row, column = 600, 200
    ray = np.array([[forward[row, column], right[row, column], down[row, column]]])
    np.testing.assert_allclose(project(OS.narrow, mounting, ray * 17.0), [[column, row]], atol=1e-6)
