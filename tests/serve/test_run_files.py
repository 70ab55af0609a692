"""A run's own page: its files, nothing else, and a stranger to the dashboard."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fixtures.dashboard import Seeded
from tests.serve.conftest import Dashboard, running, settings_of


def raw(dashboard: Dashboard, path: str) -> bytes:
    """What a client that tidies no address is answered."""
    with socket.create_connection(("127.0.0.1", dashboard.settings.port), timeout=60) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return answer


def test_the_page_is_shown_as_a_strangers(dashboard: Dashboard, seeded: Seeded, run_folder: Path) -> None:
    (run_folder / "page" / "drive.mp4").write_bytes(bytes(range(100)))
    with dashboard.client() as client:
        moved = client.get(f"/runs/{seeded.newest}/page/index.html")
        address = moved.headers["location"]
        page = client.get(address)
        assert page.text == (run_folder / "page" / "index.html").read_text()
        policy = page.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in policy
        assert "script-src 'self';" in policy
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["access-control-allow-origin"] == "*", "its own scripts may read its video"
        assert "access-control-allow-origin" not in client.get("/api/runs").headers
        assert client.get(f"/runs/{seeded.newest}/page").headers["location"] == address
        video = address.replace("index.html", "drive.mp4")
        part = client.get(video, headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
        assert part.headers["content-type"] == "video/mp4"
        for nothing in ("/runs/none/page/index.html", f"/runs/{seeded.newest}/page/nothing.js"):
            assert client.get(nothing).status_code == 404
        key = address.split("/")[4]
        before = client.get(address.replace(key, "0" * 64))
        assert before.headers["location"] == f"/runs/{seeded.newest}/page/index.html", "of a dashboard that ran before"


def test_who_has_the_address_of_the_files_sees_them_and_nobody_else(seeded: Seeded) -> None:
    with running(settings_of(seeded, names=("closet.lab",))) as guarded:
        with guarded.person() as person:
            address = person.get(f"/runs/{seeded.newest}/page/index.html").headers["location"]
        with guarded.client() as stranger:
            assert stranger.get(address).status_code == 200
            assert stranger.get(f"/runs/{seeded.newest}/page/index.html").headers["location"].startswith("/login")
            key = address.split("/")[4]
            assert stranger.get(address.replace(key, "0" * 64)).headers["location"].startswith("/login")
            other = next(path.name for path in (seeded.home / "runs").iterdir() if path.name != seeded.newest)
            assert stranger.get(address.replace(seeded.newest, other)).headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "name",
    [
        "../record.json",
        "..%2frecord.json",
        "%2e%2e/record.json",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "link",
        "out/passwd",
        "a%00b",
    ],
)
def test_nothing_else_is_shown(dashboard: Dashboard, seeded: Seeded, run_folder: Path, name: str) -> None:
    for link, target in (("link", run_folder / "record.json"), ("out", Path("/etc"))):
        if not (run_folder / "page" / link).is_symlink():
            (run_folder / "page" / link).symlink_to(target)
    with dashboard.client() as client:
        files = client.get(f"/runs/{seeded.newest}/page").headers["location"].removesuffix("index.html")
    for begin in (files, f"/runs/{seeded.newest}/page/"):
        answer = raw(dashboard, begin + name)
        assert answer.split(b" ", 2)[1] in {b"404", b"400"}, answer[:200]
        assert b"root:" not in answer
        assert b'"suite"' not in answer
