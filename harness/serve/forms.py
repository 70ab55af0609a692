"""What addresses and forms may hold: bounded texts without control characters, and keys to go on from."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, HTTPException, Path, Query, Request

from harness.serve.access import Viewer, is_csrf
from harness.serve.closet import Closet
from harness.shelf import RunRow

_PLAIN = r"^[^\x00-\x1f\x7f]*$"
LARGEST_KEY = (1 << 53) - 1  # the largest whole number that JSON keeps everywhere

Text = Annotated[str, Query(max_length=200, pattern=_PLAIN)]
Slug = Annotated[str, Path(min_length=1, max_length=260, pattern=_PLAIN)]
Name = Annotated[str, Path(min_length=1, max_length=200, pattern=_PLAIN)]
Key = Annotated[int, Path(ge=0, le=LARGEST_KEY)]
Ordinal = Annotated[int, Path(ge=0, le=(1 << 31) - 1)]
Before = Annotated[str, Query(pattern=r"^([0-9]{1,11}(\.[0-9]{1,9})?:[0-9]{1,15})?$", max_length=40)]
After = Annotated[int, Query(ge=-1, le=(1 << 31) - 1)]
Reason = Annotated[str, Form(max_length=2000)]


def closet_of(request: Request) -> Closet:
    """The closet that is shown."""
    closet: Closet = request.app.state.closet
    return closet


Shown = Annotated[Closet, Depends(closet_of)]


def run_of(slug: Slug, closet: Shown) -> RunRow:
    """The run of an address."""
    run = closet.archive.run(slug)
    if run is None:
        raise HTTPException(404, f"no run {slug}")
    return run


Run = Annotated[RunRow, Depends(run_of)]


def viewer_of(request: Request) -> Viewer:
    """Who asks; nobody unknown may."""
    viewer: Viewer | None = request.state.viewer
    if viewer is None:
        raise HTTPException(401, "log in first")
    return viewer


def require_form(request: Request, csrf: Annotated[str, Form(max_length=200)] = "") -> Viewer:
    """Somebody who is known, and sent a form of theirs (CSRF)."""
    viewer = viewer_of(request)
    if viewer.by_header or not is_csrf(viewer, csrf):
        raise HTTPException(403, "this form is not yours any more: go back, reload the page and send it again")
    return viewer


def require_program(request: Request) -> Viewer:
    """A program with the token, or a page's script that knows what only our pages know (CSRF)."""
    viewer = viewer_of(request)
    if not viewer.by_header and not is_csrf(viewer, request.headers.get("x-csrf-token", "")):
        raise HTTPException(403, "send Authorization: Bearer TOKEN, or the page's X-CSRF-Token")
    return viewer


FormSender = Annotated[Viewer, Depends(require_form)]
Program = Annotated[Viewer, Depends(require_program)]


def parse_before(text: str) -> tuple[float, int] | None:
    """The key of the last row of a page, as `before_key` made it."""
    start, colon, number = text.partition(":")
    return (float(start), int(number)) if colon else None


def before_key(run: RunRow) -> str:
    """The key to go on from behind a run."""
    return f"{run.started_s!r}:{run.id}"
