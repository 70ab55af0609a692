"""What the pages show, and what they never do."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.dashboard import Seeded, at_work, seed_closet
from harness.domain import Health
from harness.pipeline.archive import index_runs
from harness.pipeline.runs import load_run, write_run
from harness.pipeline.shelf import open_shelf
from harness.shelf import Shelf
from tests.serve.conftest import Dashboard, running, settings_of

PAYLOAD = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7331*7}}"
SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123"  # noqa: S105 made up


def test_what_a_run_came_to(dashboard: Dashboard, seeded: Seeded) -> None:
    record = load_run(seeded.home / "runs" / seeded.newest)
    with dashboard.client() as client:
        page = client.get(f"/runs/{seeded.newest}").text
        for result in record.results:
            assert result.segment in page
        assert f"/runs/{seeded.newest}/page/index.html" in page
        assert "models/pr-" in page
        assert "Approve as baseline" not in page, "nobody is logged in"
        job = client.get(f"/runs/{seeded.newest}/trials/1").text
        assert "The job in full" in job
        assert "2 channels" in job or "4 channels" in job


def test_all_runs_come_once_page_by_page(dashboard: Dashboard, shelf: Shelf) -> None:
    every = [run.slug for run in shelf.archive.runs(limit=500)]
    with dashboard.client() as client:
        found: list[str] = []
        before = ""
        while True:
            answer = client.get("/api/runs", params={"limit": 4, "before": before}).json()
            found += [run["slug"] for run in answer["runs"]]
            before = answer["before"]
            if not before:
                break
        assert found == every
        rows = client.get("/runs?suite=nightly", headers={"hx-request": "true"}).text
        assert "<html" not in rows
        assert rows.count("<tr>") == sum(run.suite == "nightly" for run in shelf.archive.runs(limit=500))
        assert "No run is like that" in client.get("/runs?text=nothing-like-it").text


def test_what_runs_now_and_what_was_cut_off(seeded: Seeded, dashboard: Dashboard) -> None:
    with at_work(seeded), dashboard.client() as client:
        page = client.get("/").text
        assert "-901" in page
        assert ">running<" in page
        assert "wants 1 mici, 1 tizi wide" in page
    with dashboard.client() as client:
        page = client.get("/").text
        assert ">cut off<" in page
        assert "closet resume" in page
        assert "Nobody waits" in page


def test_a_change_of_level_is_told(dashboard: Dashboard) -> None:
    with dashboard.client() as client:
        page = client.get("/trends?suite=nightly").text
        assert page.count('<svg class="chart"') == 7
        assert "lateral error at 2 s" in page
        assert client.get("/trends/999999").status_code == 404


def test_two_runs_beside_each_other(dashboard: Dashboard, shelf: Shelf) -> None:
    new, old = [run for run in shelf.archive.runs(limit=50) if run.suite == "nightly" and run.state == "ended"][:2]
    with dashboard.client() as client:
        page = client.get("/compare", params={"before": old.slug, "after": new.slug}).text
        assert old.slug in page
        assert "longitudinal jerk" in page
        for moved in shelf.archive.moved(old.id, new.id):
            assert moved.segment in page
        assert client.get("/compare?before=none&after=none").status_code == 404


def test_what_others_wrote_is_text_and_holds_no_secret(tmp_path: Path) -> None:
    seeded = seed_closet(tmp_path, nights=1, segments=1)
    folder = seeded.home / "runs" / seeded.newest
    record = load_run(folder)
    error = replace(record.results[0].checks[0], findings=())
    said = f"{PAYLOAD} token={SECRET}"
    results = tuple(
        replace(result, segment=f"{PAYLOAD}/{number}", checks=(error,), name=f"{PAYLOAD}/{number} · x · mici")
        for number, result in enumerate(record.results)
    )
    write_run(folder, replace(record, suite=PAYLOAD, candidate={"driving_model": said}, results=results))
    with open_shelf(seeded.home) as shelf:
        assert [failed for _, failed in index_runs(seeded.home, shelf.archive)] == [None]
        shelf.set_health(PAYLOAD, Health.QUARANTINED, reason=said, by=PAYLOAD, by_person=True)
        shelf.archive.end_change(
            shelf.archive.begin_change(who=PAYLOAD, via=PAYLOAD, action="x", subject=said, reason=said), said
        )
    addresses = ["/", "/runs", f"/runs/{seeded.newest}", f"/runs/{seeded.newest}/trials/0", "/devices", "/flaky"]
    addresses += ["/coverage", "/audit", "/quarantine", f"/trends?suite={PAYLOAD}", f"/runs?text={PAYLOAD}", "/compare"]
    with running(settings_of(seeded)) as shown, shown.person(PAYLOAD[:80]) as client:
        for address in addresses:
            page = client.get(address).text
            assert "<script>alert" not in page, address
            assert "<img" not in page, address
            assert re.search(r"&lt;script&gt;", page), address
            assert "51317" not in page, address
            assert SECRET not in page, address
        assert SECRET not in client.get("/api/runs").text
        device = client.get("/devices/" + re.sub(r"[^\w]", lambda m: f"%{ord(m[0]):02x}", PAYLOAD))
        assert device.status_code in {404, 405}, "a name with a slash has no page"
        assert "<script>alert" not in device.text
        assert "<script>alert" not in client.get(f"/runs/{PAYLOAD}").text


def test_no_address_tells_more_than_it_should(dashboard: Dashboard, seeded: Seeded) -> None:
    with dashboard.person() as client:
        for address in ("/", "/devices", "/devices/mici-01", "/audit", "/api/devices", "/metrics", "/api/openapi.json"):
            text = client.get(address).text
            assert "keys/closet" not in text, address
            assert "10.0.0.2" not in text, address


@pytest.mark.parametrize(
    "address",
    [
        "/runs?before=x",
        "/runs?before=1:1e9",
        "/runs/none",
        "/trends/-1",
        "/trends/99999999999999999999",
        "/devices/none",
    ],
)
def test_an_address_that_means_nothing_is_told_so(dashboard: Dashboard, address: str) -> None:
    with dashboard.client() as client:
        answer = client.get(address)
        assert answer.status_code in {404, 422}
        assert "That did not work" in answer.text


def test_figures_for_prometheus(dashboard: Dashboard) -> None:
    with dashboard.client() as client:
        client.get("/runs")
        text = client.get("/metrics").text
        assert 'closet_devices{state="quarantined"} 1.0' in text
        assert 'closet_last_run_jobs{suite="nightly",verdict="passed"}' in text
        assert 'closet_http_answer_seconds_count{page="/runs",status="200"}' in text
        assert "python_info" not in text
        assert client.get("/healthz").text == "ok\n"
