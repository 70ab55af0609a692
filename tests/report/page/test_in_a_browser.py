"""The page as a person uses it, in a real browser from a disk: no network, no error, cursor, keys, zoom, links."""

from __future__ import annotations

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from harness.report.links import segment_link
from tests.report.page.conftest import MadePage, Visitor, watched
from tests.report.page.made_run import OTHER

_SERIOUS = {"serious", "critical"}
_STATE = "selfdrive_state · mici"


def _frame(page: Page) -> int:
    return int(page.evaluate("closet.cursor.frame"))


def _settled(page: Page, state: str) -> None:
    page.wait_for_function("text => location.hash.includes(text)", arg=state)


def test_from_a_red_comment_to_the_first_wrong_frame_in_three_clicks(made_page: MadePage, visitor: Visitor) -> None:
    comment = made_page.folder.parent / "comment.html"
    comment.write_text(f'<a href="{made_page.overview()}">3 regressions: the run</a>')
    page = visitor.visit(comment.as_uri())
    page.get_by_text("the run").click()
    page.get_by_role("link", name=re.compile("First wrong frame")).click()
    page.wait_for_selector("html[data-ready]")
    assert _frame(page) == made_page.run.wrong_frame
    expect(page.locator("#film-label")).to_contain_text(f"frame {made_page.run.wrong_frame}")
    page.wait_for_function("video => video.readyState > 1", arg=page.query_selector("#video"))
    row = made_page.run.frames.index(made_page.run.wrong_frame)
    page.wait_for_function(
        "([video, at]) => Math.abs(video.currentTime - at) < 0.01",
        arg=[page.query_selector("#video"), (row + 0.5) / 20],
    )
    assert visitor.wrong == []


def test_a_film_that_is_there_before_the_script_follows_the_cursor_too(made_page: MadePage, visitor: Visitor) -> None:
    page, held = visitor.page, list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/segment.js", hold)
    link = segment_link(made_page.folder.as_uri(), made_page.run.segment, made_page.run.frames[60])
    page.goto(link, wait_until="commit")
    # A function, which is looked at once: the page's policy forbids that text is evaluated again and again.
    page.wait_for_function("() => document.querySelector('#video')?.readyState > 0")
    held[0].continue_()
    page.wait_for_selector("html[data-ready]")
    page.wait_for_function(
        "([video, at]) => Math.abs(video.currentTime - at) < 0.01",
        arg=[page.query_selector("#video"), (60 + 0.5) / 20],
    )
    assert visitor.wrong == []


def test_from_the_simplest_server_there_is(made_page: MadePage, browser: Browser) -> None:
    """One that knows no ranges: a browser cannot jump in a film that it gets so, unless the page helps."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as the library names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(made_page.folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        visitor = watched(context, base)
        page = visitor.visit(segment_link(base, made_page.run.segment, made_page.run.frames[60]))
        page.wait_for_function(
            "([video, at]) => video.readyState > 1 && Math.abs(video.currentTime - at) < 0.01",
            arg=[page.query_selector("#video"), (60 + 0.5) / 20],
        )
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "([video, at]) => Math.abs(video.currentTime - at) < 0.01",
            arg=[page.query_selector("#video"), (61 + 0.5) / 20],
        )
        assert visitor.wrong == []
    finally:
        context.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_link_to_a_frame_of_a_trial_survives_a_reload(made_page: MadePage, visitor: Visitor) -> None:
    frame = made_page.run.frames[45]
    page = visitor.visit(made_page.segment(frame, trial=_STATE))
    assert _frame(page) == frame
    expect(page.locator("[data-trial][aria-current]")).to_contain_text(_STATE)
    page.keyboard.press("ArrowRight")
    _settled(page, f"frame={frame + 1}")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert _frame(page) == frame + 1
    expect(page.locator("[data-trial][aria-current]")).to_contain_text(_STATE)
    assert visitor.wrong == []


def test_keys_step_and_jump(made_page: MadePage, visitor: Visitor) -> None:
    frames = made_page.run.frames
    page = visitor.visit(made_page.segment(frames[0]))
    for key, row in (
        ("ArrowRight", 1),
        ("ArrowLeft", 0),
        ("ArrowLeft", 0),
        ("Shift+ArrowRight", 20),
        ("n", 30),
        ("n", 40),
        ("n", 40),
        ("p", 30),
        ("End", len(frames) - 1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert _frame(page) == frames[row], key
    field = page.locator("#frame")
    field.fill(str(frames[7]))
    field.press("Enter")
    assert _frame(page) == frames[7]
    field.press("ArrowRight")
    assert _frame(page) == frames[7], "in a text field the arrows are the field's"
    assert visitor.wrong == []


def test_one_cursor_through_everything(made_page: MadePage, visitor: Visitor) -> None:
    page = visitor.visit(made_page.segment(made_page.run.frames[0]))
    page.wait_for_selector(".chart canvas")
    before = page.evaluate("document.getElementById('overlay').toDataURL().length")
    page.evaluate(f"closet.cursor.setFrame({made_page.run.frames[35]})")
    expect(page.locator("#time")).to_have_text("1.75 s")
    expect(page.locator(".chart-values .observed, .chart-values .candidate").first).to_contain_text("observed 0.00")
    assert page.locator(".chart-values .beyond").first.is_visible()
    places = page.evaluate(
        """() => [...document.querySelectorAll('.chart-cursor, .lane-cursor')]
            .map(line => line.getBoundingClientRect().left)"""
    )
    assert len(places) > 4
    assert max(places) - min(places) < 2.0, "the same second stands at the same place in charts and lanes"
    assert page.evaluate("document.getElementById('overlay').toDataURL().length") != before


def test_dragging_zooms_all_charts_and_lanes_alike(made_page: MadePage, visitor: Visitor) -> None:
    page = visitor.visit(made_page.segment(made_page.run.frames[35]))
    page.wait_for_selector(".chart canvas")
    over = page.locator(".u-over").first.bounding_box()
    assert over is not None
    page.mouse.move(over["x"] + over["width"] * 0.25, over["y"] + 20)
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] * 0.5, over["y"] + 24, steps=4)
    page.mouse.up()
    _settled(page, "zoom=")
    start, end = page.evaluate("closet.cursor.zoom")
    assert (start, end) == pytest.approx((1.0, 2.0), abs=0.1)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("closet.cursor.zoom") == pytest.approx([start, end], abs=0.01)
    page.keyboard.press("Escape")
    assert page.evaluate("closet.cursor.zoom === closet.cursor.whole")
    expect(page.locator("#unzoom")).to_be_hidden()
    assert visitor.wrong == []


def test_clicks_on_findings_spans_and_trials(made_page: MadePage, visitor: Visitor) -> None:
    run = made_page.run
    page = visitor.visit(made_page.segment(run.frames[0]))
    page.locator(f'a.finding[data-frame="{run.frames[40]}"]').first.click()
    assert _frame(page) == run.frames[40]
    page.locator(f'[data-trial="{_STATE}"]').click()
    expect(page.locator(f'.findings[data-of="{_STATE}"]')).to_be_visible()
    span = page.get_by_role("button", name=re.compile("softDisabling, 0.50 s"))
    span.first.click()
    assert page.evaluate("closet.cursor.seconds") == pytest.approx(2.0, abs=0.03)
    assert visitor.wrong == []


def test_what_is_toggled_off_is_not_drawn_and_stays_off(made_page: MadePage, visitor: Visitor) -> None:
    page = visitor.visit(made_page.segment(made_page.run.wrong_frame))
    painted = """() => {
        const bird = document.getElementById('bird');
        const { data } = bird.getContext('2d').getImageData(0, 0, bird.width, bird.height);
        const orange = at => data[at] > 150 && data[at + 1] < 110 && data[at + 2] < 60 && data[at + 3] > 100;
        return Array.from({ length: data.length / 4 }, (_, i) => orange(4 * i)).filter(Boolean).length;
    }"""
    page.wait_for_function(f"() => ({painted})() > 100")
    page.get_by_role("checkbox", name="candidate").uncheck()
    assert page.evaluate(painted) == 0
    _settled(page, "hide=candidate")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.get_by_role("checkbox", name="candidate")).not_to_be_checked()


def test_the_table_is_sorted_and_filtered_and_remembers_it(made_page: MadePage, visitor: Visitor) -> None:
    page = visitor.visit(made_page.overview())
    rows = page.locator("#trial-table tbody tr:visible")
    assert rows.count() == 4
    page.get_by_label("Search").fill("disk full")
    assert rows.count() == 1
    expect(page.locator("#shown")).to_have_text("1 of 4")
    page.reload()
    assert page.get_by_label("Search").input_value() == "disk full"
    assert rows.count() == 1
    page.get_by_role("button", name="Clear").first.click()
    page.get_by_role("button", name="Segment").click()
    expect(rows.first).to_contain_text(min(OTHER, made_page.run.segment))
    page.get_by_role("button", name="First wrong frame").click()
    page.get_by_role("button", name="First wrong frame").click()
    assert "order=descending" in page.url
    frames = [
        text for text in page.locator("#trial-table tbody tr td:nth-child(6)").all_inner_texts() if "frame" in text
    ]
    assert frames == sorted(frames, key=lambda text: -int(text.split()[1]))
    page.locator(".tile.error").click()
    assert rows.count() == 1
    assert visitor.wrong == []


def test_hostile_words_stay_words(made_page: MadePage, visitor: Visitor) -> None:
    for address in (made_page.overview(), made_page.segment(), segment_link(made_page.base, OTHER)):
        page = visitor.visit(address)
        assert page.title() != "owned"
        assert page.evaluate("document.querySelectorAll('img, [onerror], script:not([src])').length") == 0
    expect(page.locator("pre").first).to_contain_text("<script>")
    assert visitor.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_nothing_serious(made_page: MadePage, browser: Browser, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme, bypass_csp=True)
    visitor = watched(context)
    for address in (made_page.overview(), made_page.segment(), segment_link(made_page.base, OTHER)):
        page = visitor.visit(address)
        found = Axe().run(page)
        serious = [entry for entry in found.response["violations"] if entry["impact"] in _SERIOUS]
        assert [(entry["id"], [node["html"][:200] for node in entry["nodes"]]) for entry in serious] == []
    context.close()


def test_on_a_phone_nothing_scrolls_sideways(made_page: MadePage, browser: Browser) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True, has_touch=True
    )
    visitor = watched(context)
    for address in (made_page.overview(), made_page.segment(), segment_link(made_page.base, OTHER)):
        page = visitor.visit(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    assert visitor.wrong == []
    context.close()
