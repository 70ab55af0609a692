"""The page that a run has of its own, as plain files: below its folder `page/` and nothing else."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, HTTPException
from starlette.responses import FileResponse, RedirectResponse, Response

from harness.serve.forms import Run, Shown

router = APIRouter(include_in_schema=False)

# What it shows comes from recordings and from the software on trial. `sandbox` makes it a stranger to the dashboard:
# its scripts run, and have neither the session nor a way to send a form in somebody's name.
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
def page_root(run: Run) -> Response:
    """Links in it are relative to its folder."""
    return RedirectResponse(f"/runs/{run.slug}/page/index.html", 308)


@router.get("/runs/{slug}/page/{name:path}")
def page_file(closet: Shown, run: Run, name: str) -> Response:
    """One file of the page; ranges of it too, for videos."""
    folder = closet.folder(run)
    found = _inside(folder / "page", name or "index.html") if folder is not None else None
    if found is None:
        raise HTTPException(404, "no such file of the run's page")
    kind = _TYPES.get(found.suffix.lower(), "application/octet-stream")
    return FileResponse(
        found, media_type=kind, headers={"content-security-policy": RUN_PAGE_POLICY, "cache-control": "no-cache"}
    )


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
