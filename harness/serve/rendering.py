"""Values to HTML: templates that escape everything, with the words of `words`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from harness.serve import words
from harness.serve.access import Viewer
from harness.serve.closet import Closet

_FOLDER = Path(__file__).parent / "templates"
_HTMX = {
    "includeIndicatorStyles": False,  # the policy allows no style but the page's file
    "allowEval": False,
    "allowScriptTags": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "day", "moment", "ago", "duration", "share", "said"):
        environment.filters[name] = getattr(words, name)
    environment.filters["tone"] = words.verdict_tone
    environment.filters["health_tone"] = words.health_tone
    environment.filters["gate"] = words.gate_words
    environment.filters["part"] = words.segment_of_address
    environment.globals["htmx_config"] = json.dumps(_HTMX)
    return environment


_TEMPLATES = _environment()


def render(template: str, values: Mapping[str, object]) -> str:
    """A template with values."""
    return _TEMPLATES.get_template(template).render(values)


def page(
    request: Request, template: str, *, rows_only: str = "", status_code: int = 200, **values: object
) -> HTMLResponse:
    """A whole page for this viewer; only its `rows_only` where htmx asks for more of a list."""
    viewer: Viewer | None = request.state.viewer
    closet: Closet = request.app.state.closet
    told = {
        "viewer": viewer,
        "csrf": viewer.csrf if viewer is not None else "",
        "can_change": viewer is not None and not viewer.by_header,
        "takes_changes": closet.settings.takes_changes,
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
    }
    wanted = rows_only if rows_only and request.headers.get("hx-request") == "true" else template
    return HTMLResponse(render(wanted, told | values), status_code)
