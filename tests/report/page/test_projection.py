"""A known road on the film: the page's projection against the fixtures' own camera, and against the picture itself."""

from __future__ import annotations

import av
import numpy as np
import pytest
from playwright.sync_api import Page

from fixtures.camera import project
from fixtures.make import Demo
from fixtures.road import LINES_M
from harness.report.page.site import film_path
from tests.report.page.conftest import MadePage, Visitor

_RIGHT_LINE_M = LINES_M[2]  # the unbroken white one


def _known_line(demo: Demo, frame: int) -> np.ndarray:
    """(k, 3): the right line of the road before the car in the calibrated frame, 8 to 60 m ahead."""
    recorded, part = demo.recorded[0]
    _, forward, right = recorded.drive.scene(part.first + frame).centre_line()
    ahead = np.array([8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 45.0, 60.0])
    y = np.interp(ahead, forward, right) + _RIGHT_LINE_M
    return np.stack([ahead, y, np.full(len(ahead), recorded.mounting.height_m)], axis=1)


def _on_the_film(page: Page, points: np.ndarray) -> np.ndarray:
    return np.array(page.evaluate("points => points.map(([x, y, z]) => closet.project(x, y, z))", points.tolist()))


@pytest.mark.parametrize("frame", [0, 40, 79])
def test_a_known_road_lies_where_an_independent_camera_sees_it(
    made_page: MadePage, tiny_demo: Demo, visitor: Visitor, frame: int
) -> None:
    recorded, _ = tiny_demo.recorded[0]
    lens = recorded.cameras.narrow
    points = _known_line(tiny_demo, frame)
    page = visitor.visit(made_page.segment())
    width, height = page.evaluate("[document.getElementById('video').width, document.getElementById('video').height]")
    expected = project(lens, recorded.mounting, points) * [width / lens.width, height / lens.height]
    assert _on_the_film(page, points) == pytest.approx(expected, abs=0.05)
    assert page.evaluate("closet.project(-3, 0, 1.2)") is None, "what lies behind the car is nowhere on the film"


def test_the_line_is_really_there_in_the_picture(made_page: MadePage, tiny_demo: Demo, visitor: Visitor) -> None:
    frame = 40
    page = visitor.visit(made_page.segment())
    with av.open(str(made_page.folder / film_path(made_page.run.segment))) as opened:
        pictures = [picture.to_ndarray(format="gray") for picture in opened.decode(video=0)]
    picture = pictures[frame].astype(float)
    places = _on_the_film(page, _known_line(tiny_demo, frame)[:4])
    inside = [
        (u, v) for u, v in np.rint(places).astype(int) if 12 <= u < picture.shape[1] - 12 and v < picture.shape[0]
    ]
    assert len(inside) >= 2
    for u, v in inside:
        on = picture[v, u - 1 : u + 2].mean()
        beside = np.concatenate([picture[v, u - 12 : u - 8], picture[v, u + 9 : u + 13]]).mean()
        assert on > beside + 40, (u, v)
