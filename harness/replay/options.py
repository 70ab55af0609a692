"""The options of a replay, checked: an option nobody knows is an error, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.domain import Json
from harness.errors import ConfigError

CAMERA_STEMS = ("fcamera", "ecamera", "dcamera", "qcamera")


@dataclass(frozen=True, slots=True)
class DrivingModelOptions:
    """Which frames to replay, and what to believe about the device where the log does not say.

    `frames` None means all; `start_frame` counts paired frames of the segment, not frame ids.
    """

    frames: int | None = None
    """Replay so many frames; all unless it is said."""
    start_frame: int = 0
    """Begin with this frame of the segment, counted from 0."""
    device: str | None = None
    """Which device recorded it (`tici`, `tizi` …), where the log does not say."""
    sensor: str | None = None
    """Which camera sensor recorded it, where the log does not say."""
    features_cache: bool = True
    """`false`: vision features are neither kept nor reused."""


@dataclass(frozen=True, slots=True)
class DriverMonitoringOptions:
    """Which camera, which frames, which side; `crop` is (x, y, width, height) in pixels instead of the model's own.

    `right_hand_drive` None means what the log says, and driver on the left where it says nothing.
    """

    camera: str = "dcamera"
    """Which camera file: `dcamera`, `fcamera`, `ecamera` or `qcamera`."""
    frames: int | None = None
    """Replay so many frames; all unless it is said."""
    start_frame: int = 0
    """Begin with this frame of the segment, counted from 0."""
    right_hand_drive: bool | None = None
    """Whether the driver sits on the right, where the log does not say."""
    crop: tuple[int, int, int, int] | None = None
    """`[x, y, width, height]` in pixels, even numbers, instead of the model's own."""


@dataclass(frozen=True, slots=True)
class PandaSafetyOptions:
    """What the panda is told, where the log's carParams do not say it or say it otherwise.

    `safety_model` is a number or a name of opendbc's SafetyModel. `sent` None means sendcan, and the echoes where the
    log has none. `seed`: begin where the first steering command shows the drive was.
    """

    safety_model: int | str | None = None
    """A number or a name of opendbc's SafetyModel, instead of the log's."""
    safety_param: int | None = None
    """Instead of the log's."""
    alternative_experience: int | None = None
    """Instead of the log's."""
    sent: str | None = None
    """What counts as sent: `sendcan`, or `echoes` (what came back on the bus). Without it sendcan, and the echoes where
    the log has none."""
    seed: bool = True
    """Whether the kernel begins where the first steering command shows the drive was."""


@dataclass(frozen=True, slots=True)
class SelfdriveOptions:
    """Which events drive the state machine: the log's (`recorded`) or re-derived ones (`derived`).

    `mode` None means recorded where the log carries events, else derived.
    """

    mode: str | None = None
    """`recorded`: the log's own events. `derived`: events from messages. Without it recorded where the log has events,
    else derived."""


def parse_driving_model_options(options: Mapping[str, Json], *, replayer: str = "driving_model") -> DrivingModelOptions:
    """Checked options of a driving_model replay; ConfigError names every mistake."""
    if replayer != "driving_model":
        raise ConfigError(
            f"no replayer is called {replayer!r}",
            where="replayer",
            remedy="use driving_model or driver_monitoring",
        )
    reader = _Reader(options, replayer)
    parsed = DrivingModelOptions(
        frames=reader.count("frames", least=1),
        start_frame=reader.count("start_frame", least=0) or 0,
        device=reader.word("device"),
        sensor=reader.word("sensor"),
        features_cache=reader.flag("features_cache") is not False,
    )
    reader.finish()
    return parsed


def parse_driver_monitoring_options(options: Mapping[str, Json]) -> DriverMonitoringOptions:
    """Checked options of a driver_monitoring replay; ConfigError names every mistake."""
    reader = _Reader(options, "driver_monitoring")
    parsed = DriverMonitoringOptions(
        camera=reader.word("camera", CAMERA_STEMS) or "dcamera",
        frames=reader.count("frames", least=1),
        start_frame=reader.count("start_frame", least=0) or 0,
        right_hand_drive=reader.flag("right_hand_drive"),
        crop=reader.crop("crop"),
    )
    reader.finish()
    return parsed


def parse_panda_safety_options(options: Mapping[str, Json]) -> PandaSafetyOptions:
    """Checked options of a panda_safety replay; ConfigError names every mistake."""
    reader = _Reader(options, "panda_safety")
    named = isinstance(options.get("safety_model"), str)
    parsed = PandaSafetyOptions(
        safety_model=reader.word("safety_model") if named else reader.count("safety_model", least=0, most=0xFFFF),
        safety_param=reader.count("safety_param", least=0, most=0xFFFF),
        alternative_experience=reader.count("alternative_experience", least=0, most=0x7FFF),
        sent=reader.word("sent", ("sendcan", "echoes")),
        seed=reader.flag("seed") is not False,
    )
    reader.finish()
    return parsed


def parse_selfdrive_options(options: Mapping[str, Json]) -> SelfdriveOptions:
    """Checked options of a selfdrive_state replay; ConfigError names every mistake."""
    reader = _Reader(options, "selfdrive_state")
    parsed = SelfdriveOptions(mode=reader.word("mode", ("recorded", "derived")))
    reader.finish()
    return parsed


class _Reader:
    """Takes options one by one and keeps every mistake, so that all are told together."""

    def __init__(self, options: Mapping[str, Json], replayer: str) -> None:
        self._left = dict(options)
        self._known: list[str] = []
        self._mistakes: list[str] = []
        self._replayer = replayer

    def _take(self, name: str) -> Json:
        self._known.append(name)
        return self._left.pop(name, None)

    def count(self, name: str, *, least: int, most: int | None = None) -> int | None:
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._mistakes.append(f"{name} must be a whole number of at least {least}, not {value!r}")
            return None
        if most is not None and value > most:
            self._mistakes.append(f"{name} must be at most {most}, not {value}")
            return None
        return value

    def flag(self, name: str) -> bool | None:
        value = self._take(name)
        if value is None or isinstance(value, bool):
            return value
        self._mistakes.append(f"{name} must be true or false, not {value!r}")
        return None

    def word(self, name: str, among: tuple[str, ...] = ()) -> str | None:
        value = self._take(name)
        if value is None:
            return None
        if not isinstance(value, str) or (among and value not in among):
            choice = f"one of {', '.join(among)}" if among else "a word"
            self._mistakes.append(f"{name} must be {choice}, not {value!r}")
            return None
        return value

    def crop(self, name: str) -> tuple[int, int, int, int] | None:
        value = self._take(name)
        if value is None:
            return None
        numbers = (
            [x for x in value if isinstance(x, int) and not isinstance(x, bool)] if isinstance(value, list) else []
        )
        if isinstance(value, list) and len(value) == len(numbers) == 4:
            x, y, width, height = numbers
            if min(x, y) >= 0 and min(width, height) >= 2 and not any(n % 2 for n in numbers):
                return (x, y, width, height)
        self._mistakes.append(f"{name} must be four even numbers [x, y, width, height], not {value!r}")
        return None

    def finish(self) -> None:
        """Raise what was wrong, all of it."""
        mistakes = [f"unknown option {name!r}" for name in sorted(self._left)] + self._mistakes
        if mistakes:
            raise ConfigError(
                "; ".join(mistakes),
                where=f"options of {self._replayer}",
                remedy=f"known options: {', '.join(sorted(self._known))}",
            )
