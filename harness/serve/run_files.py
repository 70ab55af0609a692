"""The page that a run has of its own, as plain files: below its folder `page/` and nothing else.

What it shows comes from recordings and from the software on trial, so the browser is told to take it for a stranger
(`sandbox`): its scripts run, and have neither the session nor a way to send a form in somebody's name. A stranger
brings no cookie for its own pictures and scripts either. Its files are therefore below an address that nobody can
guess, and that lets in by itself, as long as the dashboard runs; other sites, which cannot know it, can show none.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from harness.serve.access import Access
from harness.serve.closet import Closet
from harness.serve.forms import Run, Shown
from harness.shelf import RunRow

router = APIRouter(include_in_schema=False)

RUN_PAGE_POLICY = (
    "sandbox allow-scripts allow-popups allow-downloads; default-src 'none'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@router.get("/runs/{slug}/page")
@router.get("/runs/{slug}/page/{name:path}")
def page_address(request: Request, closet: Shown, run: Run, name: str = "") -> Response:
    """To where the files are now; what follows the # stays."""
    _file(closet, run, name)
    return RedirectResponse(_address(request, run, name), 307, {"cache-control": "no-store"})


@router.get("/runs/{slug}/files/{key}/{name:path}")
def page_file(request: Request, closet: Shown, run: Run, key: str, name: str) -> Response:
    """One file of the page; ranges of it too, for videos."""
    access: Access = request.app.state.access
    if not access.is_page_key(run.slug, key):  # of a dashboard that ran before
        return RedirectResponse(f"/runs/{quote(run.slug, safe='~')}/page/{quote(name)}", 307)
    found = _file(closet, run, name)
    kind = _TYPES.get(found.suffix.lower(), "application/octet-stream")
    headers = {
        "content-security-policy": RUN_PAGE_POLICY,
        "cross-origin-resource-policy": "cross-origin",
        "access-control-allow-origin": "*",  # to the page's own scripts: nobody else knows the address
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return FileResponse(found, media_type=kind, headers=headers)


def _address(request: Request, run: RunRow, name: str) -> str:
    access: Access = request.app.state.access
    return f"/runs/{quote(run.slug, safe='~')}/files/{access.page_key(run.slug)}/{quote(name or 'index.html')}"


def _file(closet: Closet, run: RunRow, name: str) -> Path:
    folder = closet.folder(run)
    found = _inside(folder / "page", name or "index.html") if folder is not None else None
    if found is None:
        raise HTTPException(404, "no such file of the run's page")
    return found


def _inside(root: Path, name: str) -> Path | None:
    """The plain file of this name below `root`; None for anything else, a link that leads out too."""
    if "\0" in name:
        return None
    try:
        real = root.resolve(strict=True)
        found = (real / name).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return found if found.is_relative_to(real) and found.is_file() else None
