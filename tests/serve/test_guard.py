"""Who is let in, from where, and what every answer carries."""

from __future__ import annotations

import ipaddress
import re

import httpx
import pytest

from fixtures.dashboard import Seeded
from harness.errors import ConfigError
from harness.serve import check_settings
from harness.serve.guard import CONTENT_POLICY
from tests.serve.conftest import TOKEN, Dashboard, csrf_of, running, settings_of

PAGES = (
    *("/", "/runs", "/compare", "/trends", "/trends/1", "/devices", "/devices/mici-01", "/flaky", "/coverage"),
    *("/quarantine", "/audit", "/login", "/metrics", "/healthz", "/api/openapi.json", "/api/runs", "/nowhere"),
)


def test_every_answer_carries_the_policy(dashboard: Dashboard) -> None:
    with dashboard.client() as client:
        for address in (*PAGES, "/static/closet.js"):
            answer = client.get(address)
            assert answer.headers["content-security-policy"] == CONTENT_POLICY, address
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "server" not in answer.headers
            if not address.startswith("/static/"):
                assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in CONTENT_POLICY


def test_no_page_has_a_script_or_style_of_its_own(dashboard: Dashboard, seeded: Seeded) -> None:
    with dashboard.person() as client:
        for address in (*PAGES[:11], f"/runs/{seeded.newest}", f"/runs/{seeded.newest}/trials/0"):
            text = client.get(address).text
            assert re.findall(r"<script(?! src=\"/static/[\w.]+\" defer>)", text) == [], address
            assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text) == [], address
            assert re.findall(r"(?:src|href)=\"(?:https?:)?//(?!example\.org/issues/7)", text) == [], address


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "", "[::1"])
def test_a_name_of_somebody_elses_is_refused(dashboard: Dashboard, host: str) -> None:
    with dashboard.client() as client:
        assert client.get("/", headers={"host": host}).status_code in {400, 421}
        assert client.get("/", headers={"host": "localhost"}).status_code == 200


def test_a_change_comes_from_a_page_of_ours(dashboard: Dashboard) -> None:
    with dashboard.person() as client:
        form = {"csrf": csrf_of(client), "reason": "no"}
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": dashboard.address.replace("127.0.0.1", "localhost")},
            {"origin": f"{dashboard.address}1"},
        ):
            assert client.post("/devices/mici-01/quarantine", data=form, headers=headers).status_code == 403, headers
        del client.headers["origin"]
        for site in ("cross-site", "same-site", "none"):
            answer = client.post("/devices/mici-01/quarantine", data=form, headers={"sec-fetch-site": site})
            assert answer.status_code == 403, site


def test_a_form_without_its_secret_changes_nothing(dashboard: Dashboard, seeded: Seeded) -> None:
    unsafe = (
        *("/devices/mici-01/quarantine", f"/runs/{seeded.newest}/approve", f"/runs/{seeded.newest}/trials/0/approve"),
        *("/quarantine", "/quarantine/0/release", "/logout"),
    )
    with dashboard.person() as mine, dashboard.person("eve") as other:
        for csrf in ("", "0" * 64, csrf_of(other)):
            for address in unsafe:
                assert mine.post(address, data={"csrf": csrf, "reason": "no"}).status_code == 403, (address, csrf)
    with dashboard.client(origin=dashboard.address) as nobody:
        for address in unsafe:
            assert nobody.post(address, data={"reason": "no"}).status_code in {303, 401}


def test_every_route_that_changes_something_needs_the_secret(dashboard: Dashboard) -> None:
    described = httpx.get(f"{dashboard.address}/api/openapi.json").json()
    posts = [path for path, methods in described["paths"].items() if "post" in methods]
    assert len(posts) >= 4
    with dashboard.person() as client:
        for path in posts:
            address = path.format(name="mici-01", change="quarantine", slug="none")
            assert client.post(address, json={"reason": "no"}).status_code == 403, path
    assert all(set(methods) <= {"get", "post"} for methods in described["paths"].values())


def test_wrong_tokens_are_counted(seeded: Seeded) -> None:
    with running(settings_of(seeded)) as fresh, fresh.client(origin=fresh.address) as client:
        for _ in range(5):
            assert client.post("/login", data={"token": "wrong", "name": "eve"}).status_code == 401
        refused = client.post("/login", data={"token": TOKEN, "name": "eve"})
        assert refused.status_code == 429, "also the right one has to wait"
        assert 0 < int(refused.headers["retry-after"]) <= 61
        assert httpx.get(f"{fresh.address}/api/runs", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 429
        assert client.get("/").status_code == 200, "who only looks is not held up"


def test_a_wrong_bearer_is_refused_where_all_may_look(dashboard: Dashboard) -> None:
    answer = httpx.get(f"{dashboard.address}/api/runs", headers={"authorization": "Basic abc"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_session_is_hard_to_steal(dashboard: Dashboard) -> None:
    with dashboard.client(origin=dashboard.address) as client:
        answer = client.post("/login", data={"token": TOKEN, "name": "lena", "next": "/devices"})
        assert answer.headers["location"] == "/devices"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in answer.headers["set-cookie"]
        assert "lena" in client.get("/").text
        client.post("/logout", data={"csrf": csrf_of(client)})
        assert "lena" not in client.get("/").text


@pytest.mark.parametrize("following", ["https://evil.example", "//evil.example", "/\\evil.example", "\tjavascript:x"])
def test_a_login_leads_nowhere_else(dashboard: Dashboard, following: str) -> None:
    with dashboard.client(origin=dashboard.address) as client:
        answer = client.post("/login", data={"token": TOKEN, "name": "lena", "next": following})
        assert answer.headers["location"] == "/"


def test_beyond_this_machine_nobody_looks_without_a_token(seeded: Seeded) -> None:
    for settings in (
        settings_of(seeded, host="0.0.0.0", token_sha256=None),  # noqa: S104
        settings_of(seeded, host="::", token_sha256=None),
        settings_of(seeded, names=("closet.lab",), token_sha256=None, login_link=True),
    ):
        with pytest.raises(ConfigError, match="others could look in"):
            check_settings(settings)
    with running(settings_of(seeded, names=("closet.lab",))) as guarded, guarded.client() as client:
        for address in PAGES:
            code = client.get(address).status_code
            assert code == (200 if address in {"/login", "/healthz"} else 303 if "/api" not in address else 401), (
                address
            )
        assert client.get("/", headers={"host": "closet.lab"}).headers["location"] == "/login?next=/"
        assert client.get("/events", headers={"accept": "text/event-stream"}).status_code == 401
        with guarded.program() as program:
            assert program.get("/metrics").status_code == 200
        with guarded.person() as person:
            assert person.get("/").status_code == 200


def test_a_proxy_is_believed_from_its_address_only(seeded: Seeded) -> None:
    here = (ipaddress.ip_network("127.0.0.1/32"),)
    behind = {"token_sha256": None, "identity_header": "X-Forwarded-User", "names": ("closet.lab",)}
    said = {"x-forwarded-user": "mia", "host": "closet.lab", "x-forwarded-for": "1.2.3.4, 10.9.8.7"}
    with running(settings_of(seeded, identity_from=here, **behind)) as proxied, proxied.client(**said) as client:
        page = client.get("/devices/mici-02").text
        assert "mia" in page
        form = {"csrf": csrf_of(client), "reason": "the fan rattles"}
        origin = {"origin": "https://closet.lab"}
        assert client.post("/devices/mici-02/quarantine", data=form, headers=origin).status_code == 303
        assert client.post("/devices/mici-02/release", data=form, headers=origin).status_code == 303
        newest = client.get("/api/audit").json()[0]
        assert (newest["who"], newest["via"]) == ("mia", "proxy 127.0.0.1")
        assert client.get("/", headers={"x-forwarded-user": ""}).status_code == 303, "nobody is let in unnamed"
        assert client.get("/", headers={"x-forwarded-user": "a" * 81}).status_code == 303
        twice = [*said.items(), ("x-forwarded-user", "root")]
        assert httpx.get(proxied.address, headers=twice).status_code == 401
    elsewhere = (ipaddress.ip_network("10.0.0.0/8"),)
    with running(settings_of(seeded, identity_from=elsewhere, **behind)) as proxied, proxied.client(**said) as client:
        assert client.get("/").status_code == 303, "anybody can write a header"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"identity_header": "X-User"}, "go together"),
        ({"identity_from": (ipaddress.ip_network("10.0.0.1/32"),)}, "go together"),
        ({"identity_header": "X User", "identity_from": (ipaddress.ip_network("10.0.0.1/32"),)}, "no name of a header"),
        ({"names": ("closet.lab:80",)}, "no host name"),
    ],
)
def test_settings_that_mean_nothing_are_refused(seeded: Seeded, changed: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_settings(settings_of(seeded, **changed))


def test_a_body_has_its_bounds(dashboard: Dashboard) -> None:
    with dashboard.client(origin=dashboard.address) as client:
        assert client.post("/login", content=b"x" * 70_000).status_code == 413
        pieces = (b"x" * 10_000 for _ in range(7))
        kind = {"content-type": "application/x-www-form-urlencoded"}
        assert client.post("/login", content=pieces, headers=kind).status_code == 413
