"""What counts as the same output: words do; days, digests and broken numbers do not."""

from __future__ import annotations

import pytest

from tests.docs.likeness import is_like


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("gate OPEN, exit 0: 1 job passed · 4.1 s · .closet/runs/2026-11-29-001/junit.xml",
         "gate OPEN, exit 0: 1 job passed · 1 min 3 s · .closet/runs/2027-01-02-003/junit.xml"),
        ("expected 0.008865 1/m, observed 9.1e-05 1/m", "expected 0.0088 1/m, observed -0.1 1/m"),
        ("a  b", "a b "),
        ("on emulated-01, peak 317", "on emulated-02, peak 9"),
        ("1.47 ms a frame, at most 99.8 ms (1 segment)", "2 ms a frame, at most 103 ms (1 segment)"),
        ("2 in …/practice/routes, done", "2 in /tmp/x/practice/routes, done"),
        ("2026-11-29T02:22:20+00:00  06e7dc78b427  x by root, run 2026-11-29-002: y",
         "2026-11-30T12:22:20+00:00  16e7dc78b428  x by me, run 2026-11-30-001: y"),
    ],
)  # fmt: skip
def test_another_day_and_machine_print_the_same(shown: str, printed: str) -> None:
    assert is_like([shown], [printed])


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("gate OPEN, exit 0", "gate OPEN, exit 1"),
        ("PASS     1", "PASS     2"),
        ("expected 0.1 1/m", "expected 0.1 m"),
        ("leaves at frame 268", "leaves at frame 269"),
        ("2 in …/routes", "3 in /tmp/routes"),
    ],
)
def test_another_word_or_count_is_seen(shown: str, printed: str) -> None:
    assert not is_like([shown], [printed])


def test_an_ellipsis_alone_stands_for_any_lines() -> None:
    assert is_like(["a", "…", "c"], ["a", "b", "b", "c"])
    assert is_like(["a", "…"], ["a"])
    assert not is_like(["a", "…", "c"], ["a", "b"])
    assert not is_like(["a"], ["a", "b"])
    assert not is_like(["a", "b"], ["a"])
