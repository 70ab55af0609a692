"""What repeats told is remembered, and a trace that nobody relies on is forgotten."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness.errors import ErrorDescription
from harness.store import Store
from harness.store.index import Repeats
from harness.verdict import Attempt, Confirmation, Verdict

TRIED = Attempt("candidate", "two", 3, 1.0, 2.5, ErrorDescription("UnreachableError", "gone"), "log", {"run_s": 1.5})
TOLD = Repeats(
    "2026-11-21-001",
    "again on one and two",
    (Confirmation("two", Verdict.FAIL, ("action",), "moved", None, (TRIED,), "c" * 64, "b" * 64),),
)


def test_what_repeats_told_is_found_again_by_another_program(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        assert store.find_repeats("key") is None
        store.remember_repeats("key", TOLD)
    with Store(tmp_path) as store:
        assert store.find_repeats("key") == TOLD
        assert store.find_repeats("other") is None


def test_what_this_program_cannot_read_is_not_known(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.remember_repeats("key", TOLD)
    with sqlite3.connect(tmp_path / "closet.db") as connection:
        connection.execute("UPDATE repeats SET told = '{\"run\": 1}'")
    connection.close()
    with Store(tmp_path) as store:
        assert store.find_repeats("key") is None


def test_a_forgotten_trace_is_not_found_and_its_bytes_stay(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        blob = store.put_bytes(b"trace")
        store.remember_trace("one", blob.sha256, {})
        store.remember_trace("two", blob.sha256, {})
        store.forget_trace("one")
        store.forget_trace("never was")
        assert store.find_trace("one") is None
        assert store.find_trace("two") is not None
        assert store.read(blob.sha256) == b"trace"
