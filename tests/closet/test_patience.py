"""A shelf that does not answer is told of, with how long it will be waited for."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from harness.closet.leasing import Leasing
from harness.closet.patience import PATIENCE_S, TELL_AFTER_S, TELL_EVERY_S, Patience
from harness.closet.work import ShelfAnswers, ShelfSilent
from harness.domain import DeviceKind, Priority, Want
from harness.errors import DataError
from harness.shelf import Shelf
from tests.postgres import create_database, standing_still


def fails(patience: Patience, now_s: float) -> None:
    with pytest.raises(DataError), patience.use(now_s):
        raise DataError("no answer")


def test_a_moment_is_nobodys_business_and_a_long_silence_is_told_again_and_again() -> None:
    patience = Patience("the shelf")
    assert patience.news(0.0) is None
    fails(patience, 10.0)
    assert patience.news(10.0 + TELL_AFTER_S - 0.1) is None
    told = patience.news(10.0 + TELL_AFTER_S)
    assert told == ShelfSilent("the shelf", TELL_AFTER_S, PATIENCE_S - TELL_AFTER_S)
    fails(patience, 16.0)
    assert patience.news(20.0) is None, "once is enough for a while"
    again = patience.news(10.0 + TELL_AFTER_S + TELL_EVERY_S)
    assert isinstance(again, ShelfSilent)
    assert again.silent_s == TELL_AFTER_S + TELL_EVERY_S
    with patience.use(50.0):
        pass
    assert patience.news(51.0) == ShelfAnswers("the shelf", 41.0)
    assert patience.news(52.0) is None


def test_what_was_asked_and_is_not_answered_is_silence_too() -> None:
    patience, inside, done = Patience("the shelf"), threading.Event(), threading.Event()

    def ask() -> None:
        with patience.use(100.0):
            inside.set()
            done.wait(10.0)

    thread = threading.Thread(target=ask)
    thread.start()
    assert inside.wait(10.0)
    assert patience.silent_s(130.0) == 30.0
    assert isinstance(patience.news(130.0), ShelfSilent)
    assert not patience.over(100.0 + PATIENCE_S)
    assert patience.over(100.1 + PATIENCE_S)
    done.set()
    thread.join()
    assert patience.silent_s(130.0) == 0.0


def test_it_is_over_from_the_first_failure_on_not_from_the_last() -> None:
    patience = Patience("the shelf")
    for now_s in (0.5, 60.0, 120.0, 179.0):
        fails(patience, now_s)
        assert not patience.over(now_s)
    assert patience.over(181.0)


def test_of_a_server_that_stands_still_a_run_hears_within_seconds_and_that_it_is_back(
    postgres_server: Path,
) -> None:
    with Shelf(create_database(postgres_server)) as shelf:
        heard: SimpleQueue[object] = SimpleQueue()
        leasing = Leasing(shelf, (), run="run", suite="", priority=Priority.PROMPT, tell=heard.put)
        try:
            with standing_still(postgres_server):
                leasing.want((Want(DeviceKind.MICI, (), 1),))
                began_s = time.monotonic()
                while not isinstance(news := leasing.news(), ShelfSilent):
                    assert time.monotonic() - began_s < TELL_AFTER_S + 5.0
                    time.sleep(0.05)
                assert news.left_s > PATIENCE_S - 15.0
            began_s = time.monotonic()
            while not isinstance(leasing.news(), ShelfAnswers):
                assert time.monotonic() - began_s < 10.0
                time.sleep(0.05)
            with pytest.raises(Empty):
                heard.get_nowait()
        finally:
            leasing.close()
