"""Sessions of pytest over two segments of the tiny demo, whose traces are made once for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.make import Demo
from harness.pipeline.runs import find_run, load_run
from harness.pytest_plugin import fixtures, session
from harness.verdict import RunRecord
from tests.cli.conftest import SUITE

_KEPT = fixtures, session  # a session held in this process forgets what it imported, not what was imported before

OTHER_DONGLE = "00000000000000aa"


@pytest.fixture(scope="session")
def routes(tiny_demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's segment, and the same recording under the name of another device."""
    (segment,) = tiny_demo.segments
    folder = tmp_path_factory.mktemp("routes")
    source = tiny_demo.routes_folder / segment.folder_name
    for name in (segment.folder_name, segment.folder_name.replace(segment.route.dongle_id, OTHER_DONGLE)):
        shutil.copytree(source, folder / name)
    return folder


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closet's home whose stored traces tests share."""
    return tmp_path_factory.mktemp("home")


class Bench:
    """A folder with a suite and a shelf of one emulated worker, in which sessions are held."""

    def __init__(self, pytester: pytest.Pytester, routes: Path, home: Path, demo: Demo) -> None:
        self.pytester, self.home, self.demo = pytester, home, demo
        self.first, self.second = sorted(path.name.replace("_", "/").replace("--0", "/0") for path in routes.iterdir())
        pytester.makefile(".yaml", devices="devices: {emulated: 1}\n")
        self.suite = pytester.makefile(".yaml", suite=SUITE.format(routes=routes, frames=80))

    def arguments(self, candidate: str, *more: object) -> list[str]:
        """The suite on the command line, with models of the demo."""
        sides = [f"--candidate={self.demo.models[candidate]}", f"--baseline={self.demo.models['release']}"]
        return [
            "suite.yaml",
            "--closet=devices.yaml",
            "--no-confirm",
            "-p",
            "no:cacheprovider",
            *sides,
            *map(str, more),
        ]

    def hold(self, candidate: str, *more: object) -> pytest.RunResult:
        """A session in this process."""
        return self.pytester.runpytest_inprocess(*self.arguments(candidate, *more))

    def record(self) -> RunRecord:
        """The record of the last run."""
        return load_run(find_run(self.home, "last"))


@pytest.fixture
def make_bench(
    pytester: pytest.Pytester, routes: Path, tiny_demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], Bench]:
    def make(home: Path) -> Bench:
        monkeypatch.setenv("CLOSET_HOME", str(home))
        monkeypatch.setenv("COLUMNS", "300")
        return Bench(pytester, routes, home, tiny_demo)

    return make


@pytest.fixture
def bench(make_bench: Callable[[Path], Bench], shared_home: Path) -> Bench:
    """A bench whose traces are stored for all tests."""
    return make_bench(shared_home)
