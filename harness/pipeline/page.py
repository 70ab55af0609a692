"""A run's page written to a folder: the overview, a page for each segment that is worth one, their films.

Pages are made on all cores where there are many; what a page needs is loaded, drawn and let go of. Numbers, films and
the driven truth are kept in the store, so that writing a page again costs little.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.errors import ConfigError
from harness.explanation import Explained
from harness.files import write_bytes, write_text
from harness.pipeline.page_segment import gather_segment
from harness.pipeline.page_sources import Sources, load_sources
from harness.pipeline.runs import load_run
from harness.pipeline.selection import is_wanted
from harness.pipeline.truth import processes
from harness.pipeline.why import load_why
from harness.report.links import OVERVIEW, SEGMENTS
from harness.report.page.overview import Written
from harness.report.page.site import FILMS, asset_files, film_path, render_overview, render_segment
from harness.store import Store
from harness.verdict import RunRecord, Verdict

CHANGED, ALL = "changed", "all"
_FEW = 3  # so many pages are written sooner than other processes would have started
_OURS = "assets/closet.js"  # a folder that has it was written by us

Tell = Callable[[int, int], None]
"""How many pages of how many are done."""


@dataclass(frozen=True, slots=True)
class PageWritten:
    """What was written: the overview, how many segments have pages and films, and how large it all is."""

    overview: Path
    segments: int
    films: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Errand:
    """One segment's page, for whatever process writes it."""

    run_folder: Path
    home: Path
    target: Path
    segment: str
    neighbours: tuple[str, str]
    films: bool
    shown_run: str


def write_page(
    folder: Path,
    store: Store,
    target: Path,
    *,
    segments: Sequence[str] = (CHANGED,),
    films: bool = True,
    shown_run: str = "",
    tell: Tell = lambda _done, _total: None,
    workers: int | None = None,
) -> PageWritten:
    """Write the page of the run in `folder` to `target` and say what it is.

    `segments` are patterns, `all`, or `changed`: those with a trial that did not PASS. `shown_run` is how commands on
    the page name the run. ConfigError when `target` holds something else.
    """
    record = load_run(folder)
    chosen = choose_segments(record, segments)
    _make_room(target)
    around = zip(["", *chosen[:-1]], [*chosen[1:], ""], strict=True) if chosen else ()
    errands = [
        _Errand(folder, store.home, target, segment, neighbours, films, shown_run or record.run)
        for segment, neighbours in zip(chosen, around, strict=True)
    ]
    for path, content in asset_files():
        write_bytes(target / path, content)
    written: dict[str, Written] = {}
    for done, page in enumerate(_written(errands, workers), 1):
        written[page.segment] = page
        tell(done, len(errands))
    pages = [written[segment] for segment in chosen]
    path, html = render_overview(record, load_why(folder), pages)
    write_text(target / path, html)
    size_bytes = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return PageWritten(target / path, len(pages), sum(page.has_film for page in pages), size_bytes)


def choose_segments(record: RunRecord, segments: Sequence[str]) -> tuple[str, ...]:
    """The segments that get a page, what did not pass first; ConfigError for a pattern that fits none."""
    names = dict.fromkeys(result.segment for result in record.results)
    passed = _passed(record)
    chosen: dict[str, None] = {}
    for wanted in segments:
        if wanted == CHANGED:
            found = [name for name in names if not passed[name]]
        else:
            found = [name for name in names if wanted == ALL or is_wanted(name, (wanted,))]
            if not found and wanted != ALL:
                raise ConfigError(
                    f"no segment of {record.run} fits {wanted}",
                    where="--segments",
                    remedy="all, changed, or a pattern such as 5beb9b58*",
                )
        chosen |= dict.fromkeys(found)
    return tuple(sorted(chosen, key=lambda name: passed[name]))


def _passed(record: RunRecord) -> dict[str, bool]:
    """By segment, whether all its trials passed."""
    passed: dict[str, bool] = {}
    for result in record.results:
        passed[result.segment] = passed.get(result.segment, True) and result.verdict is Verdict.PASS
    return passed


def _make_room(target: Path) -> None:
    """An empty folder, or what an earlier page left there taken away; nothing of anybody else's is touched."""
    if target.is_dir() and any(target.iterdir()) and not (target / _OURS).is_file():
        raise ConfigError("there is something else in it", where=str(target), remedy="name a folder of its own")
    for name in (SEGMENTS, FILMS):
        shutil.rmtree(target / name, ignore_errors=True)
    (target / OVERVIEW).unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)


def _written(errands: Sequence[_Errand], workers: int | None) -> Iterator[Written]:
    workers = min(workers or os.cpu_count() or 1, len(errands))
    if workers <= 1 or len(errands) <= _FEW:
        yield from map(_write_segment, errands)
        return
    with processes(workers) as pool:
        futures = [pool.submit(_write_segment, errand) for errand in errands]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _write_segment(errand: _Errand) -> Written:
    with Store(errand.home) as store:
        record, explained, sources = _run(errand.run_folder, errand.home)
        film = film_path(errand.segment)
        gathered = gather_segment(
            record,
            errand.segment,
            sources,
            store,
            explained=explained,
            run_folder=errand.shown_run,
            films=errand.films,
            film_name=film,
        )
        if gathered.film_sha256:
            _share(store.path(gathered.film_sha256), errand.target / film)
    for path, text in render_segment(record, gathered.view, errand.neighbours):
        write_text(errand.target / path, text)
    return Written(errand.segment, bool(gathered.film_sha256))


@lru_cache(maxsize=1)
def _run(folder: Path, home: Path) -> tuple[RunRecord, Explained | None, Sources]:
    """What every page of a run needs, loaded once a process."""
    with Store(home) as store:
        return load_run(folder), load_why(folder), load_sources(folder, store)


def _share(blob: Path, path: Path) -> None:
    """The film beside its page: another name of the same bytes where the disk can do that, else a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with suppress(OSError):
        os.link(blob, path)
        return
    shutil.copyfile(blob, path)
