"""Markdown for places where others read: nothing that a record says gets out of its code, and all of it fits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.errors import ConfigError
from harness.report import comment_marker, page_base, render_comment, render_markdown
from harness.report.markdown import COMMENT_LIMIT, SUMMARY_LIMIT
from harness.report.markup import code, fenced, folded
from harness.verdict import RunRecord, Verdict
from tests.report.conftest import BEYOND, DISK_FULL, EXACT, REPLAY, SEGMENT, WITHIN, attempt, record_of, result
from tests.report.hostile import NASTY, hostile_explanation, hostile_record

PAGE = "https://closet.example.org/runs/2026-11-21-001/page"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(NASTY)


def flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or [])


def skeleton(markdown: str) -> list[tuple[str, str]]:
    """All that a reader of Markdown makes of a text, but what stands within code."""
    built = []
    for token in flat(MarkdownIt("commonmark").enable("table").parse(markdown)):
        said = ""
        if token.type == "text":
            said = token.content
        elif token.type in {"html_block", "html_inline"}:
            said = re.sub(r"(?s)<code>[^<>]*</code>", "<code></code>", token.content)
            said = re.sub(r"<!-- closet:[^<>]* -->", "<!-- -->", said)
        elif token.type == "link_open":
            address = str(token.attrs["href"])
            assert address.startswith(f"{PAGE}/")
            said = re.sub(r"/segments/[^/]*$", "/segments/", address)
        elif token.type == "fence":
            said = token.info
        built.append((token.type, said))
    return built


def both(record: RunRecord, text: str) -> list[str]:
    more = {"page_url": PAGE, "explained": hostile_explanation(text)}
    return [render(record, text, **more) for render in (render_comment, render_markdown)]


PLAIN = [skeleton(markdown) for markdown in both(hostile_record("x"), "x")]


def test_the_skeleton_would_notice() -> None:
    seen = {kind for kind, _ in PLAIN[0]}
    assert {"heading_open", "fence", "code_inline", "link_open", "table_open", "html_block"} <= seen
    for out in ("[a](https://closet.example.org/runs/2026-11-21-001/page/)", "@name", "<b>", "# heading", "- list"):
        assert skeleton(both(hostile_record("x"), "x")[0] + out) != PLAIN[0]


@settings(max_examples=25, deadline=None)
@given(TEXT)
def test_nothing_that_a_record_says_gets_out_of_its_code(text: str) -> None:
    for markdown, plain in zip(both(hostile_record(text), text), PLAIN, strict=True):
        assert skeleton(markdown) == plain


@pytest.mark.parametrize("text", NASTY)
def test_nothing_nasty_gets_out_of_its_code(text: str) -> None:
    for markdown, plain in zip(both(hostile_record(text), text), PLAIN, strict=True):
        assert skeleton(markdown) == plain
        assert not set("\u202e\u2066\u2028\u0085\x1b\x00") & set(markdown)


@settings(deadline=None)
@given(TEXT)
def test_code_says_what_it_was_given(text: str) -> None:
    told = [token for token in flat(MarkdownIt("commonmark").parse(code(text))) if token.type == "code_inline"]
    assert len(told) == 1
    kept = re.sub(r"[\W_]", "", told[0].content)
    assert kept == re.sub(r"[\W_]", "", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))
    (fence,) = [token for token in flat(MarkdownIt("commonmark").parse(fenced(text, 500))) if token.type == "fence"]
    assert fence.content.endswith("\n")


def test_a_title_that_is_html_stays_text() -> None:
    assert folded("<b>@you & all</b>", "x").startswith(
        "<details><summary><code>&lt;b&gt;@you &amp; all&lt;/b&gt;</code></summary>\n\nx\n\n</details>"
    )


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


VERDICT = {
    Verdict.PASS: {"checks": (REPLAY, EXACT, WITHIN)},
    Verdict.FAIL: {"checks": (REPLAY, BEYOND, WITHIN), "attempts": (attempt("mici-01", 0, 1),)},
    Verdict.ERROR: {"error": DISK_FULL},
    Verdict.QUARANTINED: {"checks": (REPLAY, BEYOND)},
}


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(Verdict)), st.integers(0, 150)), max_size=3),
    st.text(min_size=1, max_size=3),
    st.integers(1, 3000),
    st.sampled_from(["", PAGE, f"https://closet.example.org/{'a/' * 2000}"]),
)
@example([(Verdict.FAIL, 300), (Verdict.ERROR, 900)], "\U0001f697", 1000, PAGE)
@example([(Verdict.FAIL, 1100)], "`|", 500, f"https://closet.example.org/{'a/' * 2000}")
def test_a_comment_and_a_summary_keep_their_limits(mixed, unit: str, times: int, page: str) -> None:
    """Whatever the record, in the unit that GitHub counts in; and what is not there is counted."""
    text = unit * times
    loud = hostile_record(text)
    found = replace(BEYOND.findings[0], words=text, channel=text)
    many = []
    for verdict, count in mixed:
        rest = dict(VERDICT[verdict])
        if verdict is Verdict.FAIL:
            rest["checks"] = (replace(BEYOND, findings=(found,)),)
        many += [result(number, verdict, **rest) for number in range(count)]
    record = replace(loud, results=(*loud.results, *many), claims=loud.claims * (1 + len(many) // 3))
    comment = render_comment(record, text, page_url=page, explained=hostile_explanation(text))
    summary = render_markdown(record, text, page_url=page, explained=hostile_explanation(text))
    assert utf16(comment) <= COMMENT_LIMIT
    assert len(summary.encode()) <= SUMMARY_LIMIT
    red = sum(entry.verdict in {Verdict.FAIL, Verdict.ERROR} for entry in record.results)
    for markdown in (comment, summary):
        rows = len(re.findall(r"(?m)^\| (?:FAIL|ERROR) \|", markdown))
        (left,) = re.findall(r"(?m)^\*\*(\d+) more\*\*", markdown) or ["0"]
        assert rows + int(left) == red
        full = markdown.count("<details><summary><code>FAIL") + markdown.count("<details><summary><code>ERROR")
        (untold,) = re.findall(r"(?m)^\*\*(\d+) more in full\*\*", markdown) or ["0"]
        assert full + int(untold) == red


def test_it_says_what_was_decided_and_leads_to_the_first_wrong_frame(record) -> None:
    comment = render_comment(record, ".closet/runs/2026-11-21-001", page_url=PAGE)
    assert comment.startswith("<!-- closet:pr -->\n### ❌ `pr` gate CLOSED, exit 1\n")
    assert "`1 regression, 2 jobs without a verdict` · 3 min 12 s · run `2026-11-21-001`" in comment
    assert f"[Open the page of this run]({PAGE}/index.html#verdict=FAIL)" in comment
    assert (
        f"[`412 (20.60 s)`]({PAGE}/segments/5beb9b58bd12b691_0000010a--a51155e496--1.html#frame=412&trial=" in comment
    )
    assert f"closet diff .closet/runs/2026-11-21-001 {SEGMENT}/1" in comment
    assert render_markdown(record, ".closet/runs/2026-11-21-001", page_url=PAGE) in comment


def test_without_a_page_nothing_leads_anywhere(record) -> None:
    assert "](" not in render_comment(record, "runs/1")
    assert "`412 (20.60 s)`" in render_comment(record, "runs/1")


def test_an_open_gate_says_so_and_links_to_all_of_it() -> None:
    comment = render_comment(record_of(result(0, Verdict.PASS, checks=(REPLAY, EXACT, WITHIN))), "r", page_url=PAGE)
    assert "### ✅ `pr` gate OPEN, exit 0" in comment
    assert f"({PAGE}/index.html)" in comment
    assert "FAIL |" not in comment


def test_what_is_cut_is_counted_and_said_where() -> None:
    many = record_of(*(result(number, Verdict.FAIL, **VERDICT[Verdict.FAIL]) for number in range(30)))
    comment = render_comment(many, "runs/1")
    assert "**10 more** in `runs/1/junit.xml`" in comment
    assert "**25 more in full** in `runs/1/junit.xml`" in comment
    assert f"**10 more** [on the page of this run]({PAGE}/index.html)" in render_comment(many, "runs/1", page_url=PAGE)
    assert "more in full" not in render_markdown(many, "runs/1")


def test_a_comment_is_found_by_its_suite() -> None:
    assert comment_marker("pr") == "<!-- closet:pr -->"
    assert comment_marker("a-->\n<b>") == "<!-- closet:a_b_ -->"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ftp://x/y", "should begin with https"),
        ("javascript:alert(1)", "should begin with https"),
        ("//host/x", "should begin with https"),
        ("https:///x", "should begin with https"),
        ("https://user:secret@host/x", "user name or password"),
        ("https://token@host/x", "user name or password"),
        ("https://host/x?y", "plain address"),
        ("https://host/x#y", "plain address"),
        ("https://host/a b", "plain address"),
        ("https://host/a\u202eb", "plain address"),
        ("https://[host/x", "no address"),
    ],
)
def test_an_address_that_cannot_be_linked_to_is_refused(given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        page_base(given)
    assert "secret" not in str(caught.value)


def test_an_address_is_taken_as_it_is() -> None:
    assert page_base("") == page_base("  ") == ""
    assert page_base(f" {PAGE}/ ") == PAGE
    odd = page_base("https://host/(a)[b]<c>")
    shown = render_comment(hostile_record("x"), "r", page_url=odd)
    assert all(token.type != "text" or "host" not in token.content for token in flat(MarkdownIt().parse(shown)))
