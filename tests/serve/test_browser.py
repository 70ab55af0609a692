"""The dashboard in a real browser: nothing is refused by its own policy, everybody can use it, and it lives."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from fixtures.dashboard import Seeded, at_work
from harness.domain import Health
from harness.shelf import Shelf
from tests.closet.conftest import eventually
from tests.serve.conftest import TOKEN, Dashboard, running, settings_of

LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


def watched(page: Page) -> list[str]:
    """What the browser complains of, as it comes."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def log_in(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.address}/login?next=/quarantine")
    page.fill("input[name=name]", "lena")
    page.fill("input[name=token]", TOKEN)
    page.click("#login button")
    page.wait_for_url(f"{dashboard.address}/quarantine")


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_use_every_page(browser: Browser, dashboard: Dashboard, seeded: Seeded, look: str) -> None:
    run = f"/runs/{seeded.newest}"
    addresses = ["/", "/runs", run, f"{run}/trials/0", "/trends?suite=nightly", "/trends/1", "/devices/mici-04"]
    addresses += ["/quarantine"] if look != "light" else ["/quarantine", "/devices", "/flaky", "/coverage", "/audit"]
    context = browser.new_context(**LOOKS[look])  # type: ignore[arg-type]
    page = context.new_page()
    said = watched(page)
    log_in(page, dashboard)
    for address in addresses:
        page.goto(dashboard.address + address)
        found = Axe().run(page).response["violations"]
        serious = [
            (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in {"serious", "critical"}
        ]
        assert serious == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= LOOKS[look]["viewport"]["width"], address  # type: ignore[index]
    assert said == []
    context.close()


def test_what_runs_is_seen_as_it_changes(browser: Browser, dashboard: Dashboard, seeded: Seeded, shelf: Shelf) -> None:
    context = browser.new_context()
    page = context.new_page()
    said = watched(page)
    with at_work(seeded):
        page.goto(dashboard.address)
        page.wait_for_selector("#live[data-state=on]")
        page.wait_for_selector("[data-live=running] .tag.live")
        shelf.set_health("tizi-01", Health.SUSPECT, reason="<b>hot</b>", by="test", by_person=True)
        page.wait_for_selector("[data-live=devices] >> text=<b>hot</b>")
    page.wait_for_selector("[data-live=running] .tag.warn")
    shelf.canary_passed("tizi-01", "onnxruntime 1.22, av 15.0")
    assert said == []
    context.close()


def test_the_link_of_the_terminal_and_a_change(browser: Browser, seeded: Seeded, shelf: Shelf) -> None:
    with running(settings_of(seeded, token_sha256=None, login_link=True, user="lena")) as local:
        context = browser.new_context()
        page = context.new_page()
        said = watched(page)
        assert eventually(lambda: local.links != [])
        page.goto(local.links[0])
        page.wait_for_selector("text=Log out")
        assert "#" not in page.url
        page.goto(f"{local.address}/devices/mici-02")
        page.fill("form[action$='/quarantine'] input[name=reason]", "the fan rattles")
        page.click("form[action$='/quarantine'] button")
        page.wait_for_url(f"{local.address}/devices")
        assert shelf.health("mici-02").reason == "the fan rattles"
        page.goto(f"{local.address}/devices/mici-02")
        page.fill("form[action$='/release'] input[name=reason]", "a new fan")
        page.click("form[action$='/release'] button")
        page.wait_for_url(f"{local.address}/devices")
        shelf.canary_passed("mici-02", "onnxruntime 1.22, av 15.0")
        page.goto(f"{local.address}/runs")
        page.fill("#text", "nothing is like that")
        page.wait_for_selector("text=No run is like that")
        page.goto(f"{local.address}/login#token=guessed")
        page.wait_for_selector("[role=alert]")
        assert [words for words in said if "401" not in words] == []
        context.close()


def test_a_page_of_a_run_is_a_stranger(
    browser: Browser, dashboard: Dashboard, seeded: Seeded, run_folder: Path
) -> None:
    (run_folder / "page" / "evil.html").write_text('<p id="said">no script</p><script src="evil.js"></script>')
    (run_folder / "page" / "evil.js").write_text(
        "const said = document.getElementById('said'); said.textContent = 'begun';"
        "try { said.textContent += document.cookie ? ' cookie' : ' none'; } catch { said.textContent += ' refused'; }"
        "fetch('evil.js').then(() => { said.textContent += ' own';"
        "fetch('/audit').then(() => said.textContent += ' read', () => said.textContent += ' blocked'); });"
    )
    context = browser.new_context()
    page = context.new_page()
    log_in(page, dashboard)
    page.goto(f"{dashboard.address}/runs/{seeded.newest}/page/evil.html")
    page.wait_for_selector("text=blocked")
    assert page.text_content("#said") == "begun refused own blocked"
    context.close()
