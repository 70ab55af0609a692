"""What people do here: log in, approve a baseline, quarantine and release. Each through the function of its command."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from harness.domain import QuarantineEntry
from harness.errors import ClosetError, ConfigError
from harness.pipeline.approving import approve, matching
from harness.pipeline.changes import Person, audited, one_line
from harness.pipeline.device_changes import DeviceChange, change_device
from harness.pipeline.quarantining import quarantine_test, release_test
from harness.serve.access import Access, is_name
from harness.serve.closet import Closet
from harness.serve.forms import FormSender, Name, Ordinal, Reason, Run, Shown
from harness.serve.guard import came_over_tls, cookie_name, session_cookie
from harness.serve.pages_of_many import quarantine_page
from harness.serve.rendering import page
from harness.shelf import RunRow

router = APIRouter(include_in_schema=False)

_SESSION_S = 12 * 3600


@router.get("/login", response_class=HTMLResponse)
def login_page(request: Request, following: str = "/") -> HTMLResponse:
    """Where a token is given."""
    return page(request, "login.html", following=request.query_params.get("next", following), problem="", wait=0)


@router.post("/login")
async def login(
    request: Request,
    closet: Shown,
    token: Annotated[str, Form(max_length=500)] = "",
    name: Annotated[str, Form(max_length=80)] = "",
    following: Annotated[str, Form(max_length=1000, alias="next")] = "/",
) -> Response:
    """Let in who knows the token. On the event loop, where alone `Access` is used."""
    access: Access = request.app.state.access
    address: str = request.state.address
    wait_s = access.guesses.wait_s(address)
    if wait_s:
        words = f"Too many wrong tokens: wait {wait_s:.0f} s."
        answer = page(request, "login.html", following=following, problem=words, status_code=429)
        answer.headers["retry-after"] = str(int(wait_s) + 1)
        return answer
    by_link = access.takes_link_token(token.strip())
    if not (by_link or access.is_token(token.strip())):
        access.guesses.wrong(address)
        await run_in_threadpool(_note_login, closet, Person("unknown", f"login from {address}"), "refused: wrong token")
        words = "That is not the token. A link logs in once: the terminal shows the next one."
        return page(request, "login.html", following=following, problem=words, status_code=401)
    who = name.strip() or (access.settings.user if by_link else "")
    if not is_name(who):
        words = "Say who you are: what you change is kept under that name."
        if by_link:
            request.app.state.show_link()
        return page(request, "login.html", following=following, problem=words, status_code=400)
    await run_in_threadpool(_note_login, closet, Person(who, f"login from {address}"), "done")
    secret = access.begin_session(who, address)
    if by_link:
        request.app.state.show_link()
    reply = RedirectResponse(_local(following), 303)
    reply.set_cookie(
        cookie_name(access.settings.port),
        secret,
        max_age=_SESSION_S,
        httponly=True,
        samesite="strict",
        secure=came_over_tls(access, request.scope, request.headers),
    )
    return reply


@router.post("/logout")
async def logout(request: Request, _: FormSender) -> Response:
    """Leave."""
    access: Access = request.app.state.access
    access.end_session(session_cookie(request.headers, access.settings.port))
    reply = RedirectResponse("/", 303)
    reply.delete_cookie(cookie_name(access.settings.port), httponly=True, samesite="strict")
    return reply


@router.post("/devices/{name}/{change}")
def device(closet: Shown, sender: FormSender, name: Name, change: DeviceChange, reason: Reason = "") -> Response:
    """Quarantine, release, disable or enable a device."""
    do_device(closet, name, change, reason, sender.person)
    return RedirectResponse("/devices", 303)


@router.post("/runs/{slug}/trials/{ordinal}/approve")
def approve_trial(closet: Shown, sender: FormSender, run: Run, ordinal: Ordinal, reason: Reason = "") -> Response:
    """Approve one trial's trace as the baseline."""
    trial = closet.archive.trial(run.id, ordinal)
    if trial is None:
        raise HTTPException(404, f"run {run.slug} has no trial {ordinal}")
    do_approve(closet, run, trial.name, reason, sender.person, exactly=True)
    return RedirectResponse(f"/runs/{run.slug}/trials/{ordinal}", 303)


@router.post("/runs/{slug}/approve")
def approve_run(
    closet: Shown, sender: FormSender, run: Run, only: Annotated[str, Form(max_length=300)] = "*", reason: Reason = ""
) -> Response:
    """Approve the traces of a run, of those trials that match."""
    do_approve(closet, run, only, reason, sender.person)
    return RedirectResponse(f"/runs/{run.slug}", 303)


@router.post("/quarantine")
def quarantine(
    request: Request,
    closet: Shown,
    sender: FormSender,
    route: Annotated[str, Form(max_length=300)] = "",
    checks: Annotated[str, Form(max_length=300)] = "*",
    replayers: Annotated[str, Form(max_length=300)] = "*",
    owner: Annotated[str, Form(max_length=200)] = "",
    issue: Annotated[str, Form(max_length=500)] = "",
    reason: Reason = "",
    days: Annotated[int, Form(ge=1, le=366)] = 14,
) -> Response:
    """Quarantine tests for a while."""
    try:
        do_quarantine(
            closet, sender.person, route, replayers, checks, owner=owner, issue=issue, reason=reason, days=days
        )
    except ConfigError as error:
        return quarantine_page(request, closet, route=route, problem=str(error), status_code=400)
    return RedirectResponse("/quarantine", 303)


@router.post("/quarantine/{number}/release")
def release(
    request: Request,
    closet: Shown,
    sender: FormSender,
    number: Ordinal,
    route: Annotated[str, Form(max_length=300)] = "",
    reason: Reason = "",
) -> Response:
    """Let tests gate again."""
    try:
        do_release(closet, sender.person, number, route, reason)
    except ConfigError as error:
        return quarantine_page(request, closet, problem=str(error), status_code=400)
    return RedirectResponse("/quarantine", 303)


def do_device(closet: Closet, name: str, change: DeviceChange, reason: str, person: Person) -> str:
    """Change a device; how it is now, in words."""
    _, words = change_device(closet.shelf, closet.fleet(), name, change, reason=one_line(reason), person=person)
    return words


def do_approve(
    closet: Closet, run: RunRow, only: str, reason: str, person: Person, *, exactly: bool = False
) -> dict[str, int]:
    """Approve traces of a run; how many places have a new baseline, another, or the one they had."""
    record = closet.record(run)
    if record is None:
        raise ConfigError(f"the record of {run.slug} is not on this machine", remedy="closet bless there")
    if exactly:
        chosen = [result for result in record.results if result.name == only]
        if not chosen:
            raise ConfigError(f"the record of {run.slug} has no {only}", remedy="closet runs index --all")
    else:
        chosen = matching(record, only or "*")
    with audited(closet.archive, person, "approve baseline", f"{run.slug}: {only}", one_line(reason)):
        done = approve(record, chosen, closet.open_store(), who=person.name, reason=one_line(reason))
    return {"created": done.created, "updated": done.updated, "unchanged": done.unchanged}


def do_quarantine(
    closet: Closet,
    person: Person,
    route: str,
    replayers: str,
    checks: str,
    *,
    owner: str,
    issue: str,
    reason: str,
    days: int,
) -> str:
    """Quarantine tests; until when."""
    if closet.settings.quarantine_file is None:
        raise ConfigError("no quarantine file is served", remedy="closet serve --quarantine suites/quarantine.yaml")
    today = datetime.datetime.now(datetime.UTC).date()
    entry = QuarantineEntry(
        route=one_line(route, "the route"),
        owner=one_line(owner, "the owner"),
        issue=one_line(issue, "the issue"),
        reason=one_line(reason),
        expires=today + datetime.timedelta(days=days - 1),
        replayers=_patterns(replayers),
        checks=_patterns(checks),
    )
    path = closet.settings.quarantine_file
    quarantine_test(path, entry, today=today, archive=closet.archive, person=person)
    return entry.expires.isoformat()


def do_release(closet: Closet, person: Person, number: int, route: str, reason: str) -> None:
    """Release tests."""
    if closet.settings.quarantine_file is None:
        raise ConfigError("no quarantine file is served", remedy="closet serve --quarantine suites/quarantine.yaml")
    path = closet.settings.quarantine_file
    release_test(path, number, route, reason=one_line(reason), archive=closet.archive, person=person)


def _patterns(text: str) -> tuple[str, ...]:
    found = tuple(part for part in (" ".join(word.split()) for word in text.split(",")) if part)
    return found or ("*",)


def _note_login(closet: Closet, person: Person, outcome: str) -> None:
    try:
        number = closet.archive.begin_change(
            who=person.name, via=person.via, action="log in", subject="dashboard", reason=""
        )
        closet.archive.end_change(number, outcome)
    except ClosetError:
        if outcome == "done":  # nobody is let in unseen
            raise


def _local(following: str) -> str:
    """A place of this dashboard, and of nobody else's."""
    fine = following.startswith("/") and not following.startswith(("//", "/\\")) and following.isprintable()
    return following if fine and "\\" not in following else "/"
