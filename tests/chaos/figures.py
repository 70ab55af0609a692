"""The figures of the long form: kept as JSON, told as a table, and written into docs/reliability.md."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from collections import Counter
from dataclasses import asdict, fields
from typing import Any

from tests.chaos.crowds import Rivalry
from tests.chaos.faults import Kind
from tests.chaos.nursery import ROOT
from tests.chaos.runners import Tally

PARTS = ("scenarios", "noticing", "crowd", "rivalry")
DOCUMENT = ROOT / "docs" / "reliability.md"
KEPT = ROOT / ".closet" / "chaos"
_FIGURES = KEPT / "figures.json"
_BEGIN, _END = "<!-- figures: written by ci/chaos -->", "<!-- end of figures -->"
_FROZEN_S, _KILLED_S, _RSS_MB, _STALL_S = 35.0, 5.0, 400.0, 30.0
_LIMITS = {"frozen": _FROZEN_S, "silent": _FROZEN_S, "cable": _FROZEN_S, "killed": _KILLED_S, "agent": _KILLED_S}


class Figures:
    """What was measured last, part by part."""

    def __init__(self, kept: dict[str, Any]) -> None:
        self._kept = kept

    @staticmethod
    def load() -> Figures:
        """What earlier runs of `ci/chaos` left."""
        return Figures(json.loads(_FIGURES.read_text()) if _FIGURES.exists() else {})

    def save(self) -> None:
        """For the next one."""
        KEPT.mkdir(parents=True, exist_ok=True)
        _FIGURES.write_text(json.dumps(self._kept, indent=1) + "\n")

    def scenarios(self, tally: Tally) -> None:
        """What came of scenarios."""
        # `asdict` would make of a Counter one that counts its items.
        self._keep("scenarios", {entry.name: getattr(tally, entry.name) for entry in fields(tally)})

    def noticing(self, seconds: dict[str, list[float]]) -> None:
        """How long each loss took to be noticed."""
        self._keep("noticing", seconds)

    def crowd(self, told: dict[str, Any]) -> None:
        """Fifty workers."""
        self._keep("crowd", told)

    def rivalry(self, found: Rivalry) -> None:
        """Two orchestrators."""
        self._keep("rivalry", asdict(found))

    def good(self, parts: list[str]) -> bool:
        """Whether every goal of these parts is met."""
        return all(verdict == "met" for part in parts for _, _, _, verdict in self._rows(part))

    def table(self) -> str:
        """Every figure with its goal."""
        lines = ["| figure | measured | goal | |", "|---|---|---|---|"]
        for part in PARTS:
            lines += [f"| {' | '.join(row)} |" for row in self._rows(part)]
        return "\n".join(lines)

    def write_document(self) -> None:
        """Put the table between its marks."""
        text = DOCUMENT.read_text()
        before, _, rest = text.partition(_BEGIN)
        _, _, after = rest.partition(_END)
        told = [self.table(), "", self._faults(), "", self._when()]
        DOCUMENT.write_text(f"{before}{_BEGIN}\n\n" + "\n".join(told).strip() + f"\n\n{_END}{after}")

    def _keep(self, part: str, value: Any) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
        self._kept[part] = {"at": now, "value": value}

    def _rows(self, part: str) -> list[tuple[str, str, str, str]]:
        if part not in self._kept:
            return []
        value = self._kept[part]["value"]
        match part:
            case "scenarios":
                return _scenario_rows(value)
            case "noticing":
                return [_noticing_row(harm, seconds) for harm, seconds in value.items()]
            case "crowd":
                return _crowd_rows(value)
        return _rivalry_rows(value)

    def _faults(self) -> str:
        if "scenarios" not in self._kept:
            return ""
        faults = Counter(self._kept["scenarios"]["value"]["faults"])
        lines = ["| fault | injected |", "|---|---|"]
        lines += [f"| {kind} | {faults[kind]} |" for kind in Kind]
        return "\n".join(lines)

    def _when(self) -> str:
        parts = ", ".join(f"{part} {self._kept[part]['at']}" for part in PARTS if part in self._kept)
        machine = f"{os.cpu_count()} cores, Linux {platform.machine()}, Python {platform.python_version()}"
        return f"Measured on {machine}: {parts}."


def _scenario_rows(value: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    told = [text for _, text in value["violations"]]
    rows = [
        _row("fault scenarios", value["scenarios"], "≥ 1 000", value["scenarios"] >= 1000),
        _row("scenarios in which no fault found anything to harm", value["harmless"], "", True),
        _row("faults injected in them", sum(value["faults"].values()), "", True),
        _row("faults that this machine cannot make", sum(value["skipped"].values()), "", True),
        _row("runs, resumed ones included", value["runs"], "", True),
        _row("jobs judged", value["jobs"], "", True),
    ]
    verdicts = " · ".join(f"{name} {count}" for name, count in sorted(value["verdicts"].items()))
    rows.append(_row("verdicts", verdicts, "", True))
    for name, words in (
        ("wrong verdicts", ("wrong verdict",)),
        ("lost jobs", ("lost job",)),
        ("leaked processes", (": process", "job's process")),
        (
            "files, folders, slots and leases left",
            ("half a file", "job folder", "temporary file", "is held", "lease left", "holder left"),
        ),
        ("stores that do not verify", ("does not verify",)),
        ("stalls", ("stalled", "died")),
    ):
        count = sum(any(word in text for word in words) for text in told)
        rows.append(_row(name, count, "0", count == 0))
    rows.append(_row("violations of any kind", len(told), "0", not told))
    return rows


def _noticing_row(harm: str, seconds: list[float]) -> tuple[str, str, str, str]:
    limit = _LIMITS[harm.partition(" ")[0]]
    seconds = sorted(seconds)
    told = f"median {statistics.median(seconds):.2f} s, longest {seconds[-1]:.2f} s of {len(seconds)}"
    return _row(f"noticed: {harm}", told, f"≤ {limit:.0f} s", seconds[-1] <= limit)


def _crowd_rows(value: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    jobs, seconds, rss_mb = value["asked"], value["seconds"], value["peak_rss_mb"]
    rate = value["well"] / seconds
    done = f"{value['well']} of {jobs} in {seconds:.0f} s ({rate:.1f} jobs/s) on {value['devices']} workers"
    return [
        _row("50 workers, 2 000 short jobs", done, "all", value["well"] == jobs and value["devices"] == 50),
        _row("longest time without an end", f"{value['longest_s']:.1f} s", "no stall", value["longest_s"] < _STALL_S),
        _row("most memory of the orchestrator", f"{rss_mb:.0f} MB", "≤ 400 MB", rss_mb <= _RSS_MB),
    ]


def _rivalry_rows(value: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    minutes, errors = value["seconds"] / 60, sum(sum(told["errors"].values()) for told in value["told"])
    done = f"{value['jobs']} jobs in {minutes:.1f} min, {value['freezes']} times one of them frozen, {errors} errors"
    return [
        _row("two orchestrators, 10 devices", done, "10 min", minutes >= 10),
        _row("uses told by the devices", value["uses"], "", True),
        _row("double uses", len(value["doubles"]), "0", not value["doubles"]),
    ]


def _row(name: str, measured: object, goal: str, met: bool) -> tuple[str, str, str, str]:
    return name, str(measured), goal, "met" if met else "MISSED"
