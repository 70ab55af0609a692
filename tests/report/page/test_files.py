"""The page as files: whole, of its own, small, and with nothing in them that a stricter server would refuse."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.report.links import segment_link
from harness.report.page.site import POLICY, asset_files
from tests.report.page.conftest import MadePage
from tests.report.page.made_run import HOSTILE, OTHER, PASSED


class _Reader(HTMLParser):
    """What a page refers to, and what of it a strict content security policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self.policy = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.links += [value for name, value in attrs if name in {"href", "src"} and value]
        self.inline += [name for name in told if name.startswith("on") or name == "style"]
        self._in_script = tag == "script"
        if tag == "meta" and told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told.get("content") or ""

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append("script")
        self._in_script = False


def _read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text())
    return reader


def test_every_link_leads_to_a_file_that_is_there(made_page: MadePage) -> None:
    pages = [made_page.folder / "index.html", *(made_page.folder / "segments").glob("*.html")]
    assert len(pages) == 4
    for page in pages:
        links = _read(page).links
        assert len(links) > 3
        for link in links:
            parts = urlsplit(link)
            assert not parts.scheme, link
            assert not parts.path or (page.parent / unquote(parts.path)).is_file(), link


def test_nothing_is_inline_and_every_page_says_so(made_page: MadePage) -> None:
    for page in made_page.folder.rglob("*.html"):
        reader = _read(page)
        assert reader.inline == []
        assert reader.policy == POLICY
    assert "unsafe" not in POLICY


def test_the_addresses_are_those_that_others_link_to(made_page: MadePage) -> None:
    text = (made_page.folder / "index.html").read_text()
    wrong = segment_link("", made_page.run.segment, made_page.run.wrong_frame, trial="driving_model · mici")
    assert f'id="first-wrong" href="{wrong.replace("&", "&amp;")}"' in text
    for segment in (made_page.run.segment, OTHER, PASSED):
        assert (made_page.folder / segment_link("", segment)).is_file()


def test_hostile_words_are_escaped_everywhere(made_page: MadePage) -> None:
    for path in made_page.folder.rglob("*"):
        if path.suffix in {".html", ".js"} and path.parent.name != "assets":
            assert HOSTILE[:30] not in path.read_text(), path.name


def test_a_page_is_small(made_page: MadePage) -> None:
    shared = sum(len(content) for _, content in asset_files())
    for page in (made_page.folder / "segments").glob("*.html"):
        assert shared + page.stat().st_size + page.with_suffix(".js").stat().st_size < 1_000_000


def test_what_is_bundled_brings_its_licence(made_page: MadePage) -> None:
    assert "MIT" in (made_page.folder / "assets" / "uPlot.LICENSE.txt").read_text()
