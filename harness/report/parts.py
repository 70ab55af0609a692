"""Reports in several files, each of a size that its reader takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.report.junit import checks_of
from harness.verdict import JobResult, RunRecord

READER_LIMIT = 30_000_000  # bytes of one file; GitLab refuses more


def render_parts(record: RunRecord, render: Callable[[RunRecord], str], most_cases: int) -> Iterator[str]:
    """JUnit files of at most so many testcases each, and never more bytes than readers take.

    What belongs to one trial stays together, and so do the claims, which stand in the first file.
    """
    for part in _split(record, most_cases):
        yield from _small_enough(part, render)


def _small_enough(record: RunRecord, render: Callable[[RunRecord], str]) -> Iterator[str]:
    text = render(record)
    if len(text.encode()) <= READER_LIMIT or len(record.results) < 2:
        yield text
        return
    middle = len(record.results) // 2
    yield from _small_enough(replace(record, results=record.results[:middle]), render)
    yield from _small_enough(replace(record, results=record.results[middle:], claims=()), render)


def _split(record: RunRecord, most_cases: int) -> Iterator[RunRecord]:
    chunk: list[JobResult] = []
    cases = len(record.claims)
    claims = record.claims
    for result in record.results:
        more = len(checks_of(record, result))
        if cases and cases + more > most_cases:
            yield replace(record, results=tuple(chunk), claims=claims)
            chunk, cases, claims = [], 0, ()
        chunk.append(result)
        cases += more
    yield replace(record, results=tuple(chunk), claims=claims)
