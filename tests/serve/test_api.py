"""The JSON API holds what its description promises, whatever it is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from fixtures.dashboard import seed_closet
from tests.serve.conftest import TOKEN, Dashboard, running, settings_of

EXAMPLES = int(os.environ.get("CLOSET_FUZZ_EXAMPLES", "3"))
"""Of each operation; `ci/fuzz` asks for many more."""


def test_it_is_described(dashboard: Dashboard) -> None:
    described = httpx.get(f"{dashboard.address}/api/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert len(described["paths"]) >= 16
    for path, methods in described["paths"].items():
        assert path.startswith("/api/")
        for method in methods.values():
            assert method["description"], path
            assert {"401", "422"} <= set(method["responses"])
    for page in ("/docs", "/redoc", "/openapi.json"):
        assert httpx.get(f"{dashboard.address}{page}").status_code == 404, "nothing is brought from elsewhere"


def test_what_it_tells_is_what_the_pages_show(dashboard: Dashboard) -> None:
    with dashboard.program() as program:
        newest = program.get("/api/runs", params={"suite": "nightly", "gate": "closed"}).json()["runs"][0]["slug"]
        run = program.get(f"/api/runs/{newest}").json()
        trials = program.get(f"/api/runs/{newest}/trials", params={"limit": 3}).json()
        assert run["counts"]["total"] > len(trials["trials"]) == 3
        assert trials["after"] == 2
        rest = program.get(f"/api/runs/{newest}/trials", params={"after": 2, "limit": 500}).json()
        assert rest["after"] is None
        assert len(rest["trials"]) == run["counts"]["total"] - 3
        (series,) = [row for row in program.get("/api/series").json() if row["metric"] == "longitudinal jerk"]
        trend = program.get(f"/api/series/{series['id']}").json()
        assert len(trend["points"]) == 10
        assert program.get("/api/compare", params={"before": "none", "after": "none"}).status_code == 404
        assert program.get("/api/quarantine").json()[0]["days_left"] == 9
        assert {row["replayer"] for row in program.get("/api/coverage").json()["covered"]} == {
            "driving_model",
            "selfdrive_state",
        }


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard of a closet that may be changed by whatever is sent.

    It is made anew, not copied: who opens a file of SQLite's in the process that serves it, and closes it again, takes
    its locks away.
    """
    with running(settings_of(seed_closet(tmp_path_factory.mktemp("fuzzed"), nights=3, segments=4))) as started:
        yield started
        assert started.complaints == [], "a bug of the dashboard"


def _fuzz(operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: schemathesis.GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"authorization": f"Bearer {TOKEN}"})

    with suppress(Unsatisfiable):  # nothing can be wrong with what takes nothing
        check()


@pytest.mark.filterwarnings("ignore")  # of the libraries that make the examples
def test_whatever_is_sent_is_answered_as_described(fuzzed: Dashboard) -> None:
    schema = schemathesis.openapi.from_url(f"{fuzzed.address}/api/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 17
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            _fuzz(operation, mode)
