"""What the corpus index knows of a segment: the columns of its table, and the names expressions may use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = "str | int | float | None"


class ColumnType(StrEnum):
    """What a column holds, by its SQLite type."""

    TEXT = "TEXT"
    NUMBER = "REAL"
    COUNT = "INT"
    FLAG = "INTEGER"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type, and what it says."""

    name: str
    type: ColumnType
    words: str


def _text(name: str, words: str) -> Column:
    return Column(name, ColumnType.TEXT, words)


def _number(name: str, words: str) -> Column:
    return Column(name, ColumnType.NUMBER, words)


def _count(name: str, words: str) -> Column:
    return Column(name, ColumnType.COUNT, words)


# Counts first: what is asked for most stands first in a row, where SQLite finds it soonest.
COLUMNS: tuple[Column, ...] = (
    _text("segment", "dongle/log_id/number"),
    _count("soft_disables", "times a softDisable event came while engaged"),
    _count("immediate_disables", "times an immediateDisable event came while engaged"),
    _count("user_disables", "times a userDisable event came while engaged"),
    _text("brand", "brand of the car, as toyota"),
    _text("car", "fingerprint of the car"),
    _text("device", "kind of device: tici, tizi, mici …"),
    _text("version", "openpilot version"),
    _number("length_s", "seconds from the first message to the last"),
    _number("engaged_s", "seconds engaged"),
    _number("engaged_m", "metres driven while engaged"),
    _number("distance_m", "metres driven"),
    _number("max_speed_mps", "greatest speed, m/s"),
    _number("mean_speed_mps", "mean speed, m/s"),
    _number("min_curvature", "least signed curvature, 1/m"),
    _number("max_curvature", "greatest signed curvature, 1/m"),
    _number("max_lateral_mps2", "greatest lateral acceleration |curvature|·speed², m/s²"),
    _number("standstill_s", "seconds at standstill"),
    _number("left_blinker_s", "seconds with the left blinker on"),
    _number("right_blinker_s", "seconds with the right blinker on"),
    Column("night", ColumnType.FLAG, "whether it is dark (by the sun where there is a GPS fix, else by the clock)"),
    _text("night_by", "sun (more than 6° below the horizon) or clock (20 to 6 h of the clock as logged)"),
    _number("sun_deg", "height of the sun, degrees; unknown without a GPS fix"),
    _text("wall_time", "when it began, as 2026-01-02T03:04:05Z"),
    _text("soft_disable_events", "names of the softDisable events while engaged, with a space before and after each"),
    _text("immediate_disable_events", "the same of immediateDisable"),
    _text("user_disable_events", "the same of userDisable"),
    _count("soft_disables_any", "softDisable intervals, engaged or not"),
    _count("can_messages", "batches of CAN frames that were logged"),
    _text("route", "dongle/log_id"),
    _text("dongle", "dongle id"),
    _count("number", "number of the segment in its route"),
    _text("log", "which log was read: rlog or qlog"),
    _text("files", "files there are, with a space before and after each, as ' rlog fcamera '"),
    _text("commit_id", "git commit of openpilot"),
    _text("branch", "git branch of openpilot"),
    _text("damage", "what is wrong with the end of the log; empty when it is whole"),
    _text("error", "why the log could not be read; empty when it could"),
    _text("place", "folder of the log"),
)
COLUMN_BY_NAME = {column.name: column for column in COLUMNS}

EVENT_TYPES = ("softDisable", "immediateDisable", "userDisable")
