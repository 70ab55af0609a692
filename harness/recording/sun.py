"""Where the sun stands, well enough to tell night from day: the Astronomical Almanac's low-precision formulas."""

from __future__ import annotations

import math

_J2000_UNIX_S = 946_728_000  # 2000-01-01 12:00 UTC
_DAY_S = 86_400


def sun_elevation_deg(unix_s: float, latitude_deg: float, longitude_deg: float) -> float:
    """The sun's height above the horizon, good to about 0.1°; east and north are positive."""
    days = (unix_s - _J2000_UNIX_S) / _DAY_S
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    declination = math.asin(math.sin(obliquity) * math.sin(longitude))
    sidereal = math.radians(280.46062 + 360.98564737 * days + longitude_deg)
    hour_angle = sidereal - ascension
    latitude = math.radians(latitude_deg)
    height = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
        hour_angle
    )
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))
