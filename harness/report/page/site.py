"""A run's page as files: the overview, a page and a script of data a segment, and what all pages share.

Everything that came out of a log, a device or a model is text to the templates, which escape it; scripts and styles are
files of their own, so that the pages keep the strictest content security policy, from a disk as from a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.explanation import Explained
from harness.report.links import OVERVIEW, SEGMENTS, segment_slug
from harness.report.page.overview import Written, overview_facts
from harness.report.page.segment import segment_data, segment_facts
from harness.report.page.values import SegmentView
from harness.verdict import RunRecord

ASSETS = "assets"
FILMS = "video"

# In the order in which they are loaded.
_SHARED_SCRIPTS = ("closet.js",)
_OVERVIEW_SCRIPTS = ("overview.js",)
_SEGMENT_SCRIPTS = ("uPlot.iife.min.js", "cursor.js", "road.js", "lanes.js", "charts.js", "segment.js")
_STYLES = ("page.css", "uPlot.min.css")
_OTHERS = ("icon.svg", "uPlot.LICENSE.txt")

# What a page may load: its own files and nothing else. `file:` is what a browser calls that on a disk; a film that a
# server gives only as a whole is fetched, and played as a `blob:`.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; "
    "media-src 'self' file: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def asset_files() -> Iterator[tuple[str, bytes]]:
    """(path below the page's folder, content) of everything that pages share."""
    for name in (*_SHARED_SCRIPTS, *_OVERVIEW_SCRIPTS, *_SEGMENT_SCRIPTS, *_STYLES, *_OTHERS):
        yield f"{ASSETS}/{name}", files("harness.report.page").joinpath("static", name).read_bytes()


def film_path(segment: str) -> str:
    """Where the film of a segment lies below the page's folder."""
    return f"{FILMS}/{segment_slug(segment)}.mp4"


def render_overview(record: RunRecord, explained: Explained | None, written: Sequence[Written]) -> tuple[str, str]:
    """(path, HTML) of the overview; `written` are the segments that have pages of their own."""
    html = (
        _environment()
        .get_template("overview.html")
        .render(
            facts=overview_facts(record, explained, written),
            policy=POLICY,
            assets=ASSETS,
            scripts=(*_SHARED_SCRIPTS, *_OVERVIEW_SCRIPTS),
            styles=_STYLES[:1],
        )
    )
    return OVERVIEW, html


def render_segment(
    record: RunRecord, view: SegmentView, neighbours: tuple[str, str] = ("", "")
) -> Iterator[tuple[str, str]]:
    """(path, text) of a segment's page and of its data; `neighbours` are the segments before and after it."""
    slug = segment_slug(view.segment)
    facts = segment_facts(record, view)
    html = (
        _environment()
        .get_template("segment.html")
        .render(
            facts=facts,
            record=record,
            before=segment_slug(neighbours[0]) if neighbours[0] else "",
            after=segment_slug(neighbours[1]) if neighbours[1] else "",
            policy=POLICY,
            assets=f"../{ASSETS}",
            scripts=(*_SHARED_SCRIPTS, *_SEGMENT_SCRIPTS),
            data=f"{slug}.js",
            styles=_STYLES,
        )
    )
    yield f"{SEGMENTS}/{slug}.html", html
    yield f"{SEGMENTS}/{slug}.js", segment_data(view)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("harness.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
