"""A run's own page: its files, nothing else, and a stranger to the dashboard."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fixtures.dashboard import Seeded
from tests.serve.conftest import Dashboard


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
        page = client.get(f"/runs/{seeded.newest}/page/index.html")
        assert page.text == (run_folder / "page" / "index.html").read_text()
        policy = page.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in policy
        assert "script-src 'self';" in policy
        assert client.get(f"/runs/{seeded.newest}/page").headers["location"].endswith("/page/index.html")
        part = client.get(f"/runs/{seeded.newest}/page/drive.mp4", headers={"range": "bytes=10-19"})
        assert (part.status_code, part.content, part.headers["content-type"]) == (
            206,
            bytes(range(10, 20)),
            "video/mp4",
        )
        assert client.get("/runs/none/page/index.html").status_code == 404
        assert client.get(f"/runs/{seeded.newest}/page/nothing.js").status_code == 404


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
    answer = raw(dashboard, f"/runs/{seeded.newest}/page/{name}")
    assert answer.split(b" ", 2)[1] in {b"404", b"400"}, answer[:200]
    assert b"root:" not in answer
    assert b'"suite"' not in answer
