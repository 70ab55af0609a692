"""The made run's page, written once, and one browser for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from fixtures.make import Demo
from harness.pipeline.page import ALL, PageWritten, write_page
from harness.report.links import overview_link, segment_link
from harness.store import Store
from tests.report.page.made_run import MadeRun, make_run


@dataclass(frozen=True, slots=True)
class MadePage:
    """The page on disk."""

    run: MadeRun
    folder: Path
    written: PageWritten

    @property
    def base(self) -> str:
        """Its folder as an address."""
        return self.folder.as_uri()

    def overview(self, state: str = "") -> str:
        """Address of the overview."""
        return overview_link(self.base) + (f"#{state}" if state else "")

    def segment(self, frame: int | None = None, trial: str = "") -> str:
        """Address of the page of the segment that FAILs."""
        return segment_link(self.base, self.run.segment, frame, trial=trial)


@pytest.fixture(scope="session")
def made_page(tiny_demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> MadePage:
    folder = tmp_path_factory.mktemp("page")
    run = make_run(folder, tiny_demo)
    with Store(run.home) as store:
        written = write_page(run.folder, store, folder / "page", segments=(ALL,), workers=1)
    return MadePage(run, folder / "page", written)


@dataclass(slots=True)
class Visitor:
    """A tab, and everything that went wrong in it or left the disk."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def visit(self, address: str) -> Page:
        """Open the address as for the first time; it is there when its scripts are done."""
        self.page.goto("about:blank")
        self.page.goto(address)
        if "/segments/" in address:
            self.page.wait_for_selector("html[data-ready]")
        return self.page


def watched(context: BrowserContext, base: str = "file:") -> Visitor:
    """A new tab of `context` that is listened to; whatever is not below `base` counts as network."""
    visitor = Visitor(context.new_page())
    own = (base, f"blob:{base}", "about:")

    def failed(request: Request) -> None:
        # What is still on its way when a page is left is given up, and nobody misses it.
        if "ERR_ABORTED" not in (request.failure or ""):
            visitor.wrong.append(f"failed: {request.url}")

    def requested(request: Request) -> None:
        if not request.url.startswith(own):
            visitor.wrong.append(f"network: {request.url}")

    visitor.page.on("console", lambda said: visitor.wrong.append(f"{said.type}: {said.text}"))
    visitor.page.on("pageerror", lambda error: visitor.wrong.append(f"error: {error}"))
    visitor.page.on("requestfailed", failed)
    visitor.page.on("request", requested)
    return visitor


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    yield watched(context)
    context.close()
