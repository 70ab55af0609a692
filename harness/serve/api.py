"""The JSON API: what the pages show, for programs. Described by /api/openapi.json."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from harness.config.quarantine import load_quarantine
from harness.pipeline.device_changes import DeviceChange
from harness.serve.changepoints import Change, change_points
from harness.serve.closet import DeviceView
from harness.serve.forms import (
    LARGEST_KEY,
    After,
    Before,
    Key,
    Name,
    Program,
    Run,
    Shown,
    Text,
    before_key,
    parse_before,
    require_program,
)
from harness.serve.triage import do_approve, do_device, do_quarantine, do_release
from harness.shelf import (
    AuditEntry,
    ClaimEntry,
    Covered,
    DeviceDays,
    FlakyPlace,
    HolderState,
    LastSeen,
    Moved,
    Point,
    RunFilter,
    RunRow,
    SeriesRow,
    TrialRow,
)

Limit = Annotated[int, Query(ge=1, le=500)]


class Problem(BaseModel):
    """What was wrong with a request."""

    detail: str | list[Any]


_WRONG: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": words}
    for code, words in (
        (400, "Not what it says it is."),
        (401, "Not known, or a wrong token."),
        (403, "Not from a page of the dashboard."),
        (404, "There is no such thing."),
        (409, "It cannot be done as things are, and why."),
        (413, "Too large."),
        (422, "Not understood."),
        (429, "Too many wrong tokens."),
        (503, "The database does not answer."),
    )
}
router = APIRouter(prefix="/api", responses=_WRONG)
changes = APIRouter(prefix="/api", responses=_WRONG, dependencies=[Depends(require_program)])


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, and the `before` that gives the next ones; empty at the end."""

    runs: tuple[RunRow, ...]
    before: str


@dataclass(frozen=True, slots=True)
class TrialPage:
    """Trials, and the `after` that gives the next ones; null at the end."""

    trials: tuple[TrialRow, ...]
    after: int | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric over runs, and where its level changed."""

    series: SeriesRow
    points: tuple[Point, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Flaky:
    """What is not steady."""

    places: tuple[FlakyPlace, ...]
    devices: tuple[DeviceDays, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was judged lately, and what was not for longest."""

    covered: tuple[Covered, ...]
    unseen: tuple[LastSeen, ...]


class Reasoned(BaseModel):
    """A change that says why."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=500, pattern=r"\S")


class Approval(Reasoned):
    """Which trials of a run are right: those whose name matches the pattern."""

    only: str = Field(default="*", max_length=300)


class Quarantine(Reasoned):
    """Tests that shall not gate for a while."""

    route: str = Field(min_length=1, max_length=300)
    replayers: str = Field(default="*", max_length=300, description="patterns, by comma")
    checks: str = Field(default="*", max_length=300, description="patterns, by comma")
    owner: str = Field(min_length=1, max_length=200)
    issue: str = Field(pattern=r"^https?://\S+$", max_length=500)
    days: int = Field(ge=1, le=366)


class Release(Reasoned):
    """An entry of the quarantine file, by its place in it and its route."""

    number: int = Field(ge=0, le=100_000)
    route: str = Field(min_length=1, max_length=300)


@router.get("/runs")
def runs(
    closet: Shown, suite: Text = "", gate: Text = "", text: Text = "", before: Before = "", limit: Limit = 50
) -> RunPage:
    """Runs, the newest first. `gate`: open, closed, running."""
    found = closet.archive.runs(RunFilter(suite, gate, text), before=parse_before(before), limit=limit + 1)
    return RunPage(found[:limit], before_key(found[limit - 1]) if len(found) > limit else "")


@router.get("/runs/{slug}")
def run(run: Run) -> RunRow:
    """One run."""
    return run


@router.get("/runs/{slug}/trials")
def trials(
    closet: Shown, run: Run, verdict: Text = "", text: Text = "", after: After = -1, limit: Limit = 100
) -> TrialPage:
    """Trials of a run in report order."""
    found = closet.archive.trials(run.id, verdict=verdict, text=text, after=after, limit=limit + 1)
    return TrialPage(found[:limit], found[limit - 1].ordinal if len(found) > limit else None)


@router.get("/runs/{slug}/claims")
def claims(closet: Shown, run: Run) -> tuple[ClaimEntry, ...]:
    """What a run's intents claimed, and the answers."""
    return closet.archive.claims(run.id)


@router.get("/compare")
def compare(closet: Shown, before: Text, after: Text) -> tuple[Moved, ...]:
    """Trials whose verdict is not the same in two runs."""
    found = [closet.archive.run(name) for name in (before, after)]
    if found[0] is None or found[1] is None:
        raise HTTPException(404, "no such run")
    return closet.archive.moved(found[0].id, found[1].id)


@router.get("/devices")
def devices(closet: Shown) -> tuple[DeviceView, ...]:
    """Every device, how it is, and who has it."""
    return closet.devices()


@router.get("/queue")
def queue(closet: Shown) -> tuple[HolderState, ...]:
    """Runs that use the shelf or wait for it."""
    return closet.shelf.holders()


@router.get("/series")
def series(closet: Shown, suite: Text = "") -> tuple[SeriesRow, ...]:
    """The metrics that runs have measured."""
    return closet.archive.series(suite)


@router.get("/series/{number}")
def trend(closet: Shown, number: Key) -> Trend:
    """One metric over the last 200 runs."""
    row = closet.archive.one_series(number)
    if row is None:
        raise HTTPException(404, "no such metric")
    points = closet.archive.series_points(number)
    return Trend(row, points, change_points([point.value for point in points]))


@router.get("/flaky")
def flaky(closet: Shown, suite: Text = "", runs: Annotated[int, Query(ge=2, le=60)] = 30) -> Flaky:
    """Segments that were not steady over the last runs, and devices by their share of errors in 30 days."""
    return Flaky(closet.archive.flaky_places(suite, last_runs=runs), closet.archive.devices_since(30))


@router.get("/coverage")
def coverage(closet: Shown) -> Coverage:
    """How much of what is known was judged lately."""
    return Coverage(closet.archive.coverage(), closet.archive.longest_unseen())


@router.get("/quarantine")
def quarantined(closet: Shown) -> list[dict[str, Any]]:
    """Tests that do not gate, in the order of their file."""
    path = closet.settings.quarantine_file
    entries = load_quarantine(path) if path is not None and path.exists() else ()
    today = datetime.datetime.now(datetime.UTC).date()
    return [asdict(entry) | {"days_left": entry.days_left(today)} for entry in entries]


@router.get("/audit")
def audit(
    closet: Shown, before: Annotated[int | None, Query(ge=0, le=LARGEST_KEY)] = None, limit: Limit = 50
) -> tuple[AuditEntry, ...]:
    """Who changed what, when and why, the newest first."""
    return closet.archive.changes(before=before, limit=limit)


@changes.post("/devices/{name}/{change}")
def change_device(closet: Shown, sender: Program, name: Name, change: DeviceChange, body: Reasoned) -> dict[str, str]:
    """Quarantine, release, disable or enable a device; how it is now."""
    return {"device": name, "now": do_device(closet, name, change, body.reason, sender.person)}


@changes.post("/runs/{slug}/approve")
def approve(closet: Shown, sender: Program, run: Run, body: Approval) -> dict[str, int]:
    """Approve the candidate traces of a run as baselines: all of the chosen trials, or none."""
    return do_approve(closet, run, body.only, body.reason, sender.person)


@changes.post("/quarantine")
def quarantine(closet: Shown, sender: Program, body: Quarantine) -> dict[str, str]:
    """Quarantine tests for a while."""
    told = body.model_dump(exclude={"route", "replayers", "checks"})
    return {"until": do_quarantine(closet, sender.person, body.route, body.replayers, body.checks, **told)}


@changes.post("/quarantine/release")
def release(closet: Shown, sender: Program, body: Release) -> dict[str, str]:
    """Let tests gate again."""
    do_release(closet, sender.person, body.number, body.route, body.reason)
    return {"released": body.route}
