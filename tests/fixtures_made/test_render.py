from __future__ import annotations

import numpy as np
import pytest

from fixtures.camera import CAMERA_PAIRS, MODEL_NARROW, MODEL_WIDE, Lens, Mounting, Plane, Warp, packed, project
from fixtures.render import LEAD_BODY_Y, Renderer, Scene
from fixtures.road import LANE_WIDTH_M, Floats, Road, road_of_curvature

MOUNTING = Mounting((0.006, 0.02, -0.01))
PAIR = CAMERA_PAIRS["os04c10"]


def _bend(s: Floats) -> Floats:
    return 0.003 * np.clip((s - 20.0) / 20.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def road() -> Road:
    return road_of_curvature(500.0, _bend)


def _scene(road: Road, lead_gap_m: float | None = None) -> Scene:
    return Scene(road, 10.0, 0.4, 0.01, 10.0, lead_gap_m)


@pytest.mark.parametrize("distance_m", [12.0, 30.0, 60.0])
def test_the_solid_line_is_where_geometry_says(road: Road, distance_m: float) -> None:
    y, _u, _v = Renderer(PAIR.narrow, MOUNTING).draw(_scene(road))
    _s, forward, right = _scene(road).centre_line()
    line = np.interp(distance_m, forward, right) + LANE_WIDTH_M / 2
    column, row = project(PAIR.narrow, MOUNTING, np.array([[distance_m, line, MOUNTING.height_m]]))[0]
    window = y[round(row), round(column) - 40 : round(column) + 41].astype(float)
    paint = np.flatnonzero(window > 150)
    assert abs(paint.mean() - 40) < 1.1


@pytest.mark.parametrize(("lens", "model"), [(PAIR.narrow, MODEL_NARROW), (PAIR.wide, MODEL_WIDE)])
def test_a_camera_picture_warped_is_what_the_model_would_see(road: Road, lens: Lens, model: Lens) -> None:
    warped = Warp(lens, model, MOUNTING.rpy_rad)(*Renderer(lens, MOUNTING).draw(_scene(road, 30.0)))
    direct = packed(*Renderer(model, Mounting()).draw(_scene(road, 30.0)))
    apart = np.abs(warped.astype(int) - direct)
    assert np.median(apart) <= 2
    assert (apart > 40).mean() < 0.02


def test_a_lead_car_is_dark_and_grows_as_it_comes_nearer(road: Road) -> None:
    renderer = Renderer(PAIR.narrow, MOUNTING)

    def dark(gap_m: float | None) -> int:
        return int((renderer.draw(_scene(road, gap_m))[0] == LEAD_BODY_Y).sum())

    assert dark(None) == 0
    assert 3.0 < dark(20.0) / dark(40.0) < 5.0


def test_pictures_depend_on_nothing_but_the_scene(road: Road) -> None:
    def drawn(renderer: Renderer) -> list[Plane]:
        return [plane.copy() for plane in renderer.draw(_scene(road, 25.0))]

    first = Renderer(PAIR.wide, MOUNTING)
    once = drawn(first)
    first.draw(_scene(road, None))
    assert all(np.array_equal(a, b) for a, b in zip(once, drawn(first), strict=True))
    assert once[0].shape == (760, 1344)
    assert once[1].shape == once[2].shape == (380, 672)
