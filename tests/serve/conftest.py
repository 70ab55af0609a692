"""A closet with a past, and its dashboard as a real server on a free port."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from fixtures.dashboard import Seeded, seed_closet
from harness.pipeline.shelf import open_shelf
from harness.serve import Settings, serve
from harness.shelf import Shelf

TOKEN = "a-token-that-is-long-enough"  # noqa: S105 of these tests
_START_S = 60.0


@dataclass(slots=True)
class Dashboard:
    """One that answers. `links` are what the terminal would show, `complaints` what it would say."""

    address: str
    settings: Settings
    stop: threading.Event
    links: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def client(self, **headers: str) -> httpx.Client:
        """A browser without scripts."""
        return httpx.Client(base_url=self.address, headers={"accept": "text/html", **headers}, timeout=60)

    @contextmanager
    def person(self, name: str = "lena") -> Iterator[httpx.Client]:
        """The same after logging in."""
        with self.client(origin=self.address) as client:
            answer = client.post("/login", data={"token": TOKEN, "name": name, "next": "/"})
            assert answer.status_code == 303, answer.text
            yield client

    def program(self) -> httpx.Client:
        """A program with the token."""
        return httpx.Client(base_url=self.address, headers={"authorization": f"Bearer {TOKEN}"}, timeout=60)


def csrf_of(client: httpx.Client, page: str = "/") -> str:
    """What the forms on a page carry."""
    return client.get(page).text.split('name="csrf" value="')[1].split('"')[0]


@contextmanager
def running(settings: Settings) -> Iterator[Dashboard]:
    """A dashboard for the time of a `with`; what it complained of is told when it does not start."""
    stop, told = threading.Event(), queue.Queue[str | BaseException]()
    links: list[str] = []
    complaints: list[str] = []

    def answer() -> None:
        try:
            serve(settings, stop=stop, ready=told.put, link=links.append, complain=complaints.append)
        except BaseException as error:  # noqa: BLE001 it is raised in the test
            told.put(error)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        address = told.get(timeout=_START_S)
        if isinstance(address, BaseException):
            raise address
        port = httpx.URL(address).port
        assert port
        yield Dashboard(address, replace(settings, port=port), stop, links, complaints)
    finally:
        stop.set()
        thread.join(_START_S)
        assert not thread.is_alive(), "the dashboard did not end"


def settings_of(seeded: Seeded, **changed: object) -> Settings:
    """As `closet serve --port 0 --token-file FILE` would have them."""
    plain = Settings(
        home=seeded.home,
        port=0,
        devices_file=seeded.devices_file,
        quarantine_file=seeded.quarantine_file,
        token_sha256=hashlib.sha256(TOKEN.encode()).digest(),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """The closet. Tests leave it as they found it, but for the audit log."""
    return seed_closet(tmp_path_factory.mktemp("closet"), nights=10, segments=4)


@pytest.fixture(scope="session")
def dashboard(seeded: Seeded) -> Iterator[Dashboard]:
    with running(settings_of(seeded)) as started:
        yield started
        assert started.complaints == []


@pytest.fixture
def shelf(seeded: Seeded) -> Iterator[Shelf]:
    """The shelf behind the dashboard."""
    with open_shelf(seeded.home) as opened:
        yield opened


@pytest.fixture
def run_folder(seeded: Seeded) -> Path:
    return seeded.home / "runs" / seeded.newest
