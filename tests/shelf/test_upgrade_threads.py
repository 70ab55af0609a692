from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.shelf import Shelf


def test_fresh_shelves_are_opened_by_several_threads_at_once(tmp_path: Path) -> None:
    def use(number: int) -> int:
        with Shelf(tmp_path / f"{number % 2}.db") as shelf:
            return len(shelf.leases())

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(use, range(6))) == [0] * 6
