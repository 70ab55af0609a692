"""Pipelines keep order, carry errors and end when they are closed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.replay.threads import map_ordered, run_ahead


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers()), st.integers(1, 5))
def test_items_come_in_order(items, depth):
    assert list(run_ahead(iter(items), depth, "test")) == items


def test_no_further_ahead_than_asked():
    made = []
    reached = threading.Event()

    def source():
        for i in count():
            made.append(i)
            if i == 3:
                reached.set()
            yield i

    ahead = run_ahead(source(), 2, "test")
    assert next(ahead) == 0
    # Two wait in the queue and one in the hand; a fifth is never begun.
    assert reached.wait(timeout=10)
    ahead.close()
    assert len(made) == 4


def test_an_error_arrives_after_what_came_before_it():
    def source():
        yield 1
        raise ValueError("broken")

    ahead = run_ahead(source(), 3, "test")
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_closing_ends_the_thread_and_the_source():
    closed = threading.Event()

    def source():
        try:
            yield from count()
        finally:
            closed.set()

    before = threading.active_count()
    ahead = run_ahead(source(), 2, "test")
    next(ahead)
    ahead.close()
    assert closed.is_set()
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_map_keeps_order_and_carries_errors(workers):
    def call(i):
        if i == 20:
            raise ValueError("twenty")
        return -i

    with ThreadPoolExecutor(max(1, workers)) as pool:
        mapped = map_ordered(call, iter(range(50)), pool if workers else None, depth=4)
        assert [next(mapped) for _ in range(20)] == [-i for i in range(20)]
        with pytest.raises(ValueError, match="twenty"):
            next(mapped)
