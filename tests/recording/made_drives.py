"""Short made logs for the corpus: a state over time and the events that go with it, in the messages of either age."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.domain import Route, SegmentId
from harness.recording.log_writer import encode_event, write_log

FIRST_NS = 500_000_000_000
WALL_NS = 1_767_323_045_000_000_000  # 2026-01-02 03:04:05 UTC
STATES = {"disabled": False, "enabled": True, "softDisabling": True, "overriding": True, "preEnabled": True}

Events = Sequence[tuple[float, float, str, Sequence[str]]]


def segment(number: int, dongle: str = "0123456789abcdef", log_id: str = "0000010a--a51155e496") -> SegmentId:
    return SegmentId(Route(dongle, log_id), number)


def drive(
    *,
    seconds: float = 10.0,
    states: Mapping[float, str] | None = None,
    events: Events = (),
    old: bool = False,
    brand: str = "toyota",
    car: str = "TOYOTA_RAV4",
    device: str = "tici",
    version: str = "0.11.2",
    dongle: str = "0123456789abcdef",
    speed_mps: float = 20.0,
    standstill_until_s: float = 0.0,
    left_blinker: tuple[float, float] = (0.0, 0.0),
    curvature: float = 0.0,
    wall_ns: int | None = WALL_NS,
    place: tuple[float, float] | None = None,
    drive_began_s: float = 0.0,
) -> list[bytes]:
    """The messages of a log. `states` by the second they begin; `events` as (from s, to s, name, types)."""
    states = states or {0.0: "enabled"}
    init: dict[str, Any] = {"dongleId": dongle, "deviceType": device, "version": version, "gitBranch": "release"}
    if wall_ns is not None:
        init["wallTimeNanos"] = wall_ns
    timed: list[tuple[float, int, bytes]] = []
    put = _Putter(timed)
    steps = round(seconds * 100)
    for step in range(steps):
        at = step / 100
        state = states[max(begin for begin in states if begin <= at + 1e-9)]
        still = at < standstill_until_s
        car_state = {
            "vEgo": 0.0 if still else speed_mps,
            "standstill": still,
            "leftBlinker": left_blinker[0] <= at < left_blinker[1],
        }
        put(at, 1, "carState", car_state)
        kept = {"state": state, "enabled": STATES[state], "active": state in ("enabled", "softDisabling", "overriding")}
        controls: dict[str, Any] = {"curvature": curvature * math.sin(at)}
        if old:
            controls["deprecated"] = kept
        else:
            put(at, 2, "selfdriveState", kept)
        put(at, 2, "controlsState", controls)
    changes = {0.0, *(begin for begin, _, _, _ in events), *(end for _, end, _, _ in events if end < seconds)}
    for at in sorted(changes | set(map(float, range(int(seconds))))):
        listed = [
            {"name": name, **dict.fromkeys(types, True)}
            for begin, end, name, types in events
            if begin <= at + 1e-9 < end
        ]
        put(at, 3, "onroadEventsDEPRECATED" if old else "onroadEvents", listed)
    put(0.1, 0, "carParams", {"brand": brand, "carFingerprint": car})
    if place is not None:
        put(0.5, 0, "gpsLocation", {"latitude": place[0], "longitude": place[1], "hasFix": True})
    first = encode_event("initData", FIRST_NS - round(drive_began_s * 1e9), init)
    return [first, *(content for _, _, content in sorted(timed, key=lambda entry: entry[:2]))]


class _Putter:
    def __init__(self, timed: list[tuple[float, int, bytes]]) -> None:
        self._timed = timed

    def __call__(self, at: float, rank: int, service: str, payload: Any) -> None:
        self._timed.append((at, rank, encode_event(service, FIRST_NS + round(at * 1e9), payload)))


def write_drive(folder: Path, number: int = 0, *, dongle: str = "0123456789abcdef", **said: Any) -> Path:
    """A segment folder with an rlog; returns the log."""
    path = folder / segment(number, dongle).folder_name / "rlog.zst"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_log(path, drive(dongle=dongle, **said))
    return path
