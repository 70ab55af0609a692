"""How the page feels in a browser: first paint, a segment ready with the processor slowed, pictures a second.

    python -m tests.report.page [--jobs 500]

A minute at 20 Hz on both sides, made as `closet bench page` makes it. Prints a line a figure. Beside what a clock says,
which on a busy machine is mostly how long one waits for others, stands the processor time of the page's own thread.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import click
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from harness.bench.page_figures import make_run
from harness.pipeline.page import write_page
from harness.report.links import OVERVIEW
from harness.store import Store
from tests.browser import CHROMIUM, SWITCHES

_SLOWED = 4
_GOES = 5
_STEPS = 240

_PAINT = "() => performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0]"
_READY = (
    "() => document.documentElement.dataset.ready === 'true' && document.querySelectorAll('.chart canvas').length > 2"
)
_DRIVE = """steps => new Promise(done => {
    const times = [];
    let count = 0;
    const tick = now => {
        times.push(now);
        if (count === steps) { done(times); return; }
        count += 1;
        closet.cursor.setRow(100 + count * 4);
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
})"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--page", type=Path, help="a page that is there already, instead of a made one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = arguments.page or _made(Path(name), arguments.jobs)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(SWITCHES))
        overview = (folder / OVERVIEW).resolve().as_uri()
        paints = sorted(_first_paint(browser, overview) for _ in range(_GOES))
        click.echo(f"overview: first paint {paints[0]:.0f} ms, median {paints[len(paints) // 2]:.0f} ms")
        segment = next(path for path in sorted((folder / "segments").glob("*.html"))).resolve().as_uri()
        ready = sorted(_usable(browser, segment, _SLOWED) for _ in range(_GOES))
        busy_ms = min(_usable(browser, segment, 1)[1] for _ in range(_GOES))
        click.echo(
            f"segment, processor slowed {_SLOWED}×: ready {ready[0][0]:.0f} ms, "
            f"median {ready[len(ready) // 2][0]:.0f} ms; "
            f"{busy_ms:.0f} ms of processor unslowed"
        )
        pace, charts, slow_ms, own_ms = _pace(browser, segment)
        click.echo(
            f"cursor over {charts} charts: {pace:.0f} pictures a second, 95 % within {slow_ms:.1f} ms; "
            f"{own_ms:.2f} ms of processor a picture"
        )
        browser.close()


def _made(folder: Path, jobs: int) -> Path:
    with Store(folder / "home") as store:
        make_run(folder / "run", store, jobs)
        begin, busy = time.perf_counter(), time.process_time()
        written = write_page(folder / "run", store, folder / "page")
        click.echo(
            f"{jobs} jobs: {written.segments} pages written in {time.perf_counter() - begin:.1f} s "
            f"({time.process_time() - busy:.1f} s of this process), {written.size_bytes / 1e6:.1f} MB"
        )
    return folder / "page"


def _first_paint(browser: Browser, address: str) -> float:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    page.wait_for_function(f"() => ({_PAINT})() !== undefined")
    paint = float(page.evaluate(_PAINT))
    page.close()
    return paint


def _processor_ms(session: CDPSession) -> float:
    """Milliseconds of processor that the page's thread has used."""
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"]) * 1000


def _listened(page: Page) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def _usable(browser: Browser, address: str, slowed: int) -> tuple[float, float]:
    """Milliseconds from the beginning of the visit until keys work and the charts in sight are drawn; of processor."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    session = _listened(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    before = _processor_ms(session)
    page.goto(address, wait_until="commit")
    page.wait_for_function(_READY, polling="raf")
    ready = float(page.evaluate("performance.now()"))
    busy = _processor_ms(session) - before
    page.close()
    return ready, busy


def _pace(browser: Browser, address: str) -> tuple[float, int, float, float]:
    """Pictures a second while the cursor moves, over how many charts, how long 95 % take, processor time of each."""
    page = browser.new_page(viewport={"width": 1440, "height": 3600})
    page.goto(address)
    page.wait_for_function(_READY)
    charts = 12
    page.wait_for_function("count => document.querySelectorAll('.chart canvas').length >= 2 * count", arg=charts)
    session = _listened(page)
    before = _processor_ms(session)
    times = page.evaluate(_DRIVE, _STEPS)
    own_ms = (_processor_ms(session) - before) / _STEPS
    took = sorted(after - before for before, after in itertools.pairwise(times))
    page.close()
    drawn = _STEPS / (times[-1] - times[0]) * 1000
    return drawn, charts, took[int(0.95 * len(took))], own_ms


if __name__ == "__main__":
    main()
