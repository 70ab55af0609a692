"""The dashboard's figure on both kinds of database: see ci/bench-dashboard."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.bench import FULL, open_workbench
from harness.bench.dashboard_figures import fill_archive, measure_pages
from harness.shelf import Shelf
from tests.postgres import binaries, create_database, server


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _measure(address: str, runs: int) -> None:
    scale = replace(FULL, dashboard_runs=runs)
    with Shelf(address) as shelf:
        fill_archive(shelf, runs, scale.dashboard_jobs)
    with open_workbench(scale, None, _say) as bench:
        _say(f"slowest page: p95 {measure_pages(bench, address):.0f} ms")


def main(arguments: list[str]) -> int:
    """Fill and measure; the first argument is how many runs."""
    runs = int(arguments[0]) if arguments else FULL.dashboard_runs
    with TemporaryDirectory() as folder:
        _say(f"SQLite, {runs} runs")
        _measure(str(Path(folder) / "shelf.db"), runs)
    programs = binaries()
    if programs is None:
        _say("no PostgreSQL server here")
        return 0
    with server(programs) as folder_of_socket:
        _say(f"PostgreSQL, {runs} runs")
        _measure(create_database(folder_of_socket), runs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
