from __future__ import annotations

import datetime

import pytest

from harness.recording.sun import sun_elevation_deg


@pytest.mark.parametrize(
    ("moment", "place", "elevation_deg"),
    [
        # At noon of an equinox the sun stands in the zenith over the equator, and at 90° − latitude elsewhere.
        ("2024-03-20T12:07", (0.0, 0.0), 90.0),
        ("2024-03-20T12:07", (50.0, 0.0), 40.0),
        # At a solstice its declination is the tilt of the axis, 23.44°.
        ("2024-06-20T12:02", (23.44, 0.0), 90.0),
        ("2024-12-21T11:58", (51.48, 0.0), 90.0 - 51.48 - 23.44),
        # Midnight is the mirror of noon, and longitude is time.
        ("2024-06-20T00:02", (60.0, 0.0), -(90.0 - 60.0 - 23.44)),
        ("2024-06-20T20:02", (37.77, -120.0), 90.0 - 37.77 + 23.44),
    ],
)
def test_the_sun_stands_where_it_must(moment: str, place: tuple[float, float], elevation_deg: float):
    unix_s = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC).timestamp()
    assert sun_elevation_deg(unix_s, *place) == pytest.approx(elevation_deg, abs=0.5)
