"""The pages about one thing: now, runs, a run, a trial, two runs, devices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import HTMLResponse

from harness.serve.charts import draw
from harness.serve.closet import Closet
from harness.serve.forms import After, Before, Name, Ordinal, Run, Shown, Text, before_key, parse_before
from harness.serve.rendering import page, render
from harness.shelf import Point, RunFilter

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_RUNS, _TRIALS, _MOVES = 50, 100, 100
_DAY_S = 86_400.0
FRAGMENTS = ("running", "queue", "devices", "latest")


def look(closet: Closet) -> dict[str, str]:
    """The fragments of the first page as they are now, by name."""
    present = closet.present()
    return {name: render(f"now/{name}.html", {"present": present}) for name in FRAGMENTS}


@router.get("/")
def now(request: Request, closet: Shown) -> HTMLResponse:
    """What runs now."""
    return page(request, "now.html", present=closet.present())


@router.get("/runs")
def runs(
    request: Request, closet: Shown, suite: Text = "", gate: Text = "", text: Text = "", before: Before = ""
) -> HTMLResponse:
    """All runs, the newest first."""
    found = closet.archive.runs(RunFilter(suite, gate, text), before=parse_before(before), limit=_RUNS + 1)
    shown = found[:_RUNS]
    return page(
        request,
        "runs.html",
        rows_only="rows/runs.html",
        runs=shown,
        chosen=RunFilter(suite, gate, text),
        suites=closet.archive.suites(),
        following=before_key(shown[-1]) if len(found) > _RUNS else "",
    )


@router.get("/runs/{slug}")
def run(
    request: Request, closet: Shown, run: Run, verdict: Text = "", text: Text = "", after: After = -1
) -> HTMLResponse:
    """One run: its gate, its claims, its trials."""
    found = closet.archive.trials(run.id, verdict=verdict, text=text, after=after, limit=_TRIALS + 1)
    rows: dict[str, Any] = {
        "run": run,
        "trials": found[:_TRIALS],
        "verdict": verdict,
        "text": text,
        "following": found[_TRIALS - 1].ordinal if len(found) > _TRIALS else None,
    }
    if request.headers.get("hx-request") == "true":
        return page(request, "rows/trials.html", **rows)
    return page(
        request,
        "run.html",
        **rows,
        claims=closet.archive.claims(run.id) if run.claims else (),
        earlier=closet.archive.run_before(run),
        has_page=closet.has_page(run),
        is_here=closet.folder(run) is not None,
    )


@router.get("/runs/{slug}/trials/{ordinal}")
def trial(request: Request, closet: Shown, run: Run, ordinal: Ordinal) -> HTMLResponse:
    """One trial: what was found, how the same place did before, what can be done about it."""
    found = closet.archive.trial(run.id, ordinal)
    if found is None:
        raise HTTPException(404, f"run {run.slug} has no trial {ordinal}")
    return page(
        request,
        "trial.html",
        run=run,
        trial=found,
        words=closet.trial_text(run, found),
        past=closet.archive.past_trials(found.place),
        has_page=closet.has_page(run),
        quarantine_file=closet.settings.quarantine_file,
    )


@router.get("/compare")
def compare(request: Request, closet: Shown, before: Text = "", after: Text = "") -> HTMLResponse:
    """Two runs held beside each other."""
    old, new = (closet.archive.run(name) if name else None for name in (before, after))
    for name, run_ in ((before, old), (after, new)):
        if name and run_ is None:
            raise HTTPException(404, f"no run {name}")
    moved = closet.archive.moved(old.id, new.id) if old and new else ()
    claims: dict[tuple[str, str], list[object]] = {}
    for side, run_ in enumerate((old, new) if old and new else ()):
        for claim in closet.archive.claims(run_.id):
            claims.setdefault((claim.metric or claim.name, claim.condition), [None, None])[side] = claim
    return page(
        request,
        "compare.html",
        before=before,
        after=after,
        old=old,
        new=new,
        moved=moved[:_MOVES],
        more=max(len(moved) - _MOVES, 0),
        claims=claims,
        recent=closet.archive.runs(limit=30),
    )


@router.get("/devices")
def devices(request: Request, closet: Shown, days: Annotated[int, Query(ge=1, le=180)] = 30) -> HTMLResponse:
    """All devices: how they are, and how they did."""
    did = {entry.device: entry for entry in closet.archive.devices_since(days)}
    return page(request, "devices.html", devices=closet.devices(), did=did, days=days)


@router.get("/devices/{name}")
def device(request: Request, closet: Shown, name: Name) -> HTMLResponse:
    """One device: its history and its last attempts."""
    found = next((entry for entry in closet.devices() if entry.name == name), None)
    if found is None:
        raise HTTPException(404, f"no device {name}")
    by_day = closet.archive.device_errors_by_day(name)
    points = [Point("", number * _DAY_S, 100.0 * errors / attempts) for number, attempts, errors in by_day if attempts]
    return page(
        request,
        "device.html",
        device=found,
        history=closet.shelf.health_history(name, 30),
        attempts=closet.shelf.attempts(device=name, limit=30),
        chart=draw("Attempts that ended in an error, by day", "%", points),
    )
