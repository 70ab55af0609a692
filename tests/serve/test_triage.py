"""Changes by hand: the same as by command, each with a reason, and all of them in the audit log."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import replace

import httpx
import pytest

from fixtures.dashboard import Seeded
from harness.config.quarantine import load_quarantine
from harness.domain import Health
from harness.pipeline.archive import index_runs
from harness.pipeline.runs import load_run, write_run
from harness.shelf import Shelf
from harness.store import Store
from tests.closet.conftest import eventually
from tests.serve.conftest import TOKEN, Dashboard, csrf_of, running, settings_of


def test_a_device_is_quarantined_and_released(dashboard: Dashboard, shelf: Shelf) -> None:
    with dashboard.person() as client:
        form = {"csrf": csrf_of(client), "reason": "the fan\nrattles"}
        assert client.post("/devices/mici-03/quarantine", data=form).status_code == 303
        health = shelf.health("mici-03")
        assert (health.state, health.reason, health.by) == (Health.QUARANTINED, "the fan rattles", "lena")
        assert "the fan rattles" in client.get("/quarantine").text
        assert client.post("/devices/mici-03/release", data=form | {"reason": "a new fan"}).status_code == 303
        assert shelf.health("mici-03").state is Health.UNKNOWN
        shelf.canary_passed("mici-03", "onnxruntime 1.22")
        new, old = shelf.archive.changes(limit=2)
        assert (new.action, new.subject, new.reason, new.outcome) == ("release device", "mici-03", "a new fan", "done")
        assert (old.action, old.who, old.via) == ("quarantine device", "lena", "login from 127.0.0.1")
        page = client.get("/audit").text
        assert "a new fan" in page


@pytest.mark.parametrize(("name", "reason"), [("mici-03", " "), ("mici-3", "the fan rattles"), ("mici-03", "x" * 501)])
def test_what_cannot_be_changes_nothing(dashboard: Dashboard, shelf: Shelf, name: str, reason: str) -> None:
    before = shelf.healths()
    with dashboard.person() as client:
        answer = client.post(f"/devices/{name}/quarantine", data={"csrf": csrf_of(client), "reason": reason})
    assert answer.status_code == 400
    assert "That did not work" in answer.text
    assert shelf.healths() == before


def test_a_trace_becomes_the_baseline(dashboard: Dashboard, seeded: Seeded, shelf: Shelf) -> None:
    newest = load_run(seeded.home / "runs" / seeded.newest)
    number = next(n for n, each in enumerate(newest.results) if each.candidate_trace)
    form = {"reason": "wider in curves, wanted"}
    with dashboard.person() as client, Store(seeded.home) as store:
        form |= {"csrf": csrf_of(client)}
        # The store refuses what it does not have, as it does for the command.
        refused = client.post(f"/runs/{seeded.newest}/trials/{number}/approve", data=form)
        assert refused.status_code in {400, 503}
        assert shelf.archive.changes(limit=1)[0].outcome.startswith("refused")
        assert store.ledger() == ()
        folder = seeded.home / "runs" / "2020-01-01-001"
        blob = store.put_bytes(b"a trace")
        results = (newest.results[0], replace(newest.results[1], candidate_trace=blob.sha256))
        write_run(folder, replace(newest, run=folder.name, started_at="2020-01-01T00:00:00+00:00", results=results))
        assert [error for _, error in index_runs(seeded.home, shelf.archive)] == [None]
        try:
            assert client.post(f"/runs/{folder.name}/trials/1/approve", data=form).status_code == 303
        finally:
            shutil.rmtree(folder)
        (entry,) = store.ledger()
    assert (entry.segment, entry.replayer) == (results[1].segment, results[1].replayer)
    assert (entry.trace_sha256, entry.who, entry.run) == (blob.sha256, "lena", folder.name)
    assert entry.reason == "wider in curves, wanted"
    noted = shelf.archive.changes(limit=1)[0]
    assert (noted.action, noted.who, noted.outcome) == ("approve baseline", "lena", "done")
    assert noted.subject == f"{folder.name}: {results[1].name}"


def test_a_test_is_quarantined_and_released(dashboard: Dashboard, seeded: Seeded, shelf: Shelf) -> None:
    before = seeded.quarantine_file.read_text()
    today = datetime.datetime.now(datetime.UTC).date()
    form = {"route": "5beb9b58bd12b691/*", "checks": "lanes, lead*", "owner": "lab@example.org", "days": "3"}
    form |= {"issue": "https://example.org/issues/8", "reason": 'flickers: "since" the camera'}
    with dashboard.person() as client:
        form |= {"csrf": csrf_of(client)}
        assert client.post("/quarantine", data=form).status_code == 303
        entry = load_quarantine(seeded.quarantine_file)[-1]
        assert (entry.route, entry.checks, entry.reason) == (form["route"], ("lanes", "lead*"), form["reason"])
        assert entry.days_left(today) == 2
        assert "2 days left" in client.get("/quarantine").text
        again = client.post("/quarantine", data=form)
        assert again.status_code == 400
        assert "quarantined already" in again.text
        wrong = client.post("/quarantine", data=form | {"issue": "no address", "route": "a/*"})
        assert wrong.status_code == 400
        number = len(load_quarantine(seeded.quarantine_file)) - 1
        gone = {"csrf": form["csrf"], "reason": "the camera is back", "route": form["route"]}
        assert client.post(f"/quarantine/{number}/release", data=gone | {"route": "other"}).status_code == 400
        assert client.post(f"/quarantine/{number}/release", data=gone).status_code == 303
    assert seeded.quarantine_file.read_text() == before
    assert [each.action for each in shelf.archive.changes(limit=4)][::3] == ["release test", "quarantine test"]


def test_a_program_with_the_token_changes_the_same(dashboard: Dashboard, shelf: Shelf) -> None:
    with dashboard.program() as program:
        said = program.post("/api/devices/mici-03/disable", json={"reason": "moved"}).json()
        assert said == {"device": "mici-03", "now": "disabled: moved"}
        assert program.post("/api/devices/mici-03/enable", json={"reason": "there again"}).status_code == 200
        assert program.post("/api/devices/mici-03/paint", json={"reason": "blue"}).status_code == 422
    shelf.canary_passed("mici-03", "onnxruntime 1.22")
    assert [each.who for each in shelf.archive.changes(limit=2)] == ["token", "token"]


def test_the_link_of_the_terminal_logs_in_once(seeded: Seeded) -> None:
    with running(settings_of(seeded, token_sha256=None, login_link=True, user="lena")) as local:
        assert eventually(lambda: len(local.links) == 1), "it is shown once the address is known"
        (link,) = local.links
        address, token = link.split("#token=")
        assert address == f"{local.address}/login"
        with local.client(origin=local.address) as client:
            answer = client.post("/login", data={"token": token, "name": ""})
            assert answer.status_code == 303
            assert "lena" in client.get("/").text
        assert eventually(lambda: len(local.links) == 2), "the next one is shown"
        with local.client(origin=local.address) as client:
            assert client.post("/login", data={"token": token, "name": ""}).status_code == 401
        assert token not in httpx.get(f"{local.address}/api/audit").text


def test_without_a_way_to_log_in_nothing_can_be_changed(seeded: Seeded) -> None:
    with running(settings_of(seeded, token_sha256=None)) as shown, shown.client(origin=shown.address) as client:
        assert "read only" in client.get("/").text
        assert client.post("/login", data={"token": TOKEN, "name": "eve"}).status_code == 401
        assert client.post("/devices/mici-01/disable", data={"reason": "no"}).status_code in {303, 401}
    assert shown.links == []
