"""Every link between pages leads somewhere, also where the repository is shown without the site."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.docs.shown import ROOT, blocks, pages

PAGES = pages()
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+?) *$", re.MULTILINE)


def anchors(page: str, text: str) -> set[str]:
    """The anchors of a page's headings, as a host of git repositories makes them."""
    found: set[str] = set()
    for heading in _HEADING.finditer(_without_blocks(page, text)):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower())
        slug = plain.replace(" ", "-")
        number = sum(
            each == slug or (each.startswith(f"{slug}-") and each[len(slug) + 1 :].isdigit()) for each in found
        )
        found.add(f"{slug}-{number}" if slug in found else slug)
    return found


def _without_blocks(page: str, text: str) -> str:
    lines = text.splitlines()
    for block in blocks(page, text):
        lines[block.line - 1 : block.line - 1 + len(block.lines)] = [""] * len(block.lines)
    return "\n".join(lines)


def broken(page: str, text: str) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    own = anchors(page, text)
    for link in _LINK.finditer(re.sub(r"`[^`\n]*`", "", _without_blocks(page, text))):
        target = link["target"]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path
        if path and not file.is_file():
            yield target
        elif anchor and anchor not in (anchors(path, file.read_text()) if path else own):
            yield f"{target}: no such heading"


def test_every_link_leads_somewhere() -> None:
    assert [f"{page}: {found}" for page, text in PAGES.items() for found in broken(page, text)] == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    page = "docs/pr-gate.md"
    text = (
        "# A b\n# A b\n[1](#a-b) [2](#c) [3](none.md) [4](https://x.y) `[5](no.md)` [6](#a-b-1)\n"
        "```sh\n# d\n[7](no.md)\n```\n[`8`](metrics.md#conditions) [9](#d) [10](metrics.md#nothing) [11](../LICENSE)\n"
    )
    assert anchors(page, text) == {"a-b", "a-b-1"}
    assert list(broken(page, text)) == [
        "#c: no such heading",
        "none.md",
        "#d: no such heading",
        "metrics.md#nothing: no such heading",
    ]
