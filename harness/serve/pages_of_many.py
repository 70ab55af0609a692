"""The pages about many runs together: trends, what is not steady, coverage; and the lists of what people changed."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import HTMLResponse

from harness.config.quarantine import load_quarantine
from harness.errors import ClosetError
from harness.serve.charts import Chart, draw
from harness.serve.closet import Closet
from harness.serve.forms import LARGEST_KEY, Key, Shown, Text
from harness.serve.rendering import page
from harness.shelf import Point, RunFilter, RunRow

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_LAST = 60
_MOST_CHARTS = 24
_ENTRIES = 50


@router.get("/trends")
def trends(request: Request, closet: Shown, suite: Text = "") -> HTMLResponse:
    """What runs of a suite measured, night after night."""
    suites = closet.archive.suites()
    chosen = suite or next(iter(run.suite for run in closet.archive.runs(limit=1)), "")
    runs = (
        [run for run in closet.archive.runs(RunFilter(chosen), limit=_LAST) if run.state == "ended"] if chosen else []
    )
    series = closet.archive.recent_points(chosen, _LAST) if chosen else {}
    charts = [(None, chart) for chart in _of_runs(runs)]
    measured = [
        (row, draw(f"{row.metric} · {row.condition}" if row.condition else row.metric, row.unit, points))
        for row, points in series.items()
    ]
    return page(
        request,
        "trends.html",
        suite=chosen,
        suites=suites,
        charts=[*charts, *measured[:_MOST_CHARTS]],
        more=measured[_MOST_CHARTS:],
        runs=len(runs),
    )


def _of_runs(runs: list[RunRow]) -> list[Chart]:
    """The figures that every run has, drawn; `runs` are the newest first."""
    counted = [run for run in reversed(runs) if run.counts.total]
    passed = [(run, 100.0 * run.counts.passed / run.counts.total) for run in counted]
    errors = [(run, 100.0 * run.counts.errors / run.counts.total) for run in counted]
    minutes = [(run, run.duration_s / 60.0) for run in counted]
    return [
        draw(title, unit, [Point(run.slug, run.started_s, value) for run, value in values])
        for title, unit, values in (
            ("Jobs that passed", "%", passed),
            ("Jobs without a verdict", "%", errors),
            ("Duration", "min", minutes),
        )
    ]


@router.get("/trends/{number}")
def series(request: Request, closet: Shown, number: Key) -> HTMLResponse:
    """One metric over the last runs, with its changes and every value."""
    row = closet.archive.one_series(number)
    if row is None:
        raise HTTPException(404, "no such metric")
    chart = draw(row.metric, row.unit, closet.archive.series_points(number), linked=True)
    return page(request, "series.html", row=row, chart=chart)


@router.get("/flaky")
def flaky(
    request: Request, closet: Shown, suite: Text = "", runs: Annotated[int, Query(ge=2, le=60)] = 30
) -> HTMLResponse:
    """Segments and devices that are not steady."""
    return page(
        request,
        "flaky.html",
        suite=suite,
        runs=runs,
        suites=closet.archive.suites(),
        places=closet.archive.flaky_places(suite, last_runs=runs),
        devices=closet.archive.devices_since(30),
    )


@router.get("/coverage")
def coverage(request: Request, closet: Shown) -> HTMLResponse:
    """How much of what is known was judged lately."""
    return page(request, "coverage.html", covered=closet.archive.coverage(), unseen=closet.archive.longest_unseen())


@router.get("/quarantine")
def quarantine(request: Request, closet: Shown, route: Text = "") -> HTMLResponse:
    """Tests that do not gate for a while, and devices that get no job."""
    return quarantine_page(request, closet, route=route)


def quarantine_page(
    request: Request, closet: Closet, *, route: str = "", problem: str = "", status_code: int = 200
) -> HTMLResponse:
    """It, with what was wrong with the form that was sent."""
    path = closet.settings.quarantine_file
    try:
        entries = load_quarantine(path) if path is not None and path.exists() else ()
    except ClosetError as error:
        entries, problem = (), problem or str(error)
    today = datetime.datetime.now(datetime.UTC).date()
    rows = sorted(enumerate(entries), key=lambda pair: pair[1].expires)
    return page(
        request,
        "quarantine.html",
        status_code=status_code,
        file=path,
        entries=[(number, entry, entry.days_left(today)) for number, entry in rows],
        route=route,
        problem=problem,
        devices=[device for device in closet.devices() if not device.health.given_out],
    )


@router.get("/audit")
def audit(
    request: Request, closet: Shown, before: Annotated[int | None, Query(ge=0, le=LARGEST_KEY)] = None
) -> HTMLResponse:
    """Who changed what, when and why."""
    found = closet.archive.changes(before=before, limit=_ENTRIES + 1)
    return page(
        request,
        "audit.html",
        rows_only="rows/audit.html",
        entries=found[:_ENTRIES],
        following=found[_ENTRIES - 1].id if len(found) > _ENTRIES else None,
    )
