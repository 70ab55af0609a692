"""A run as Markdown: the comment of a pull request and the summary of a job, each as long as its reader takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.explanation import Explained
from harness.report.claims import render_claims
from harness.report.links import overview_link, segment_link, trial_key
from harness.report.markup import code, fenced, folded, link
from harness.report.summary import duration, header, notes, tally, trial_block
from harness.report.trials import counted, devices_of, first_wrong, in_a_line
from harness.report.why import render_why
from harness.verdict import JobResult, RunRecord, Verdict, gate

COMMENT_LIMIT = 65_536  # characters that GitHub takes of a comment, as its editor counts them: UTF-16
SUMMARY_LIMIT = 1 << 20  # bytes that GitHub takes of the summary of one step

_BETWEEN = 2  # the empty line between blocks
_FOR_REMARKS = 2_000  # kept free for what is said of that which has no room
_BLOCK_LIMIT = 6_000  # characters of one block of code
_SHOWN_FINDINGS = 12
_MARKER_UNSAFE = re.compile(r"[^A-Za-z0-9_. ]+")


@dataclass(frozen=True, slots=True)
class _Reader:
    """How much a reader takes, how it measures, and how much of that is pleasant to read."""

    limit: int
    measure: Callable[[str], int]
    rows: int
    details: int


_COMMENT = _Reader(COMMENT_LIMIT, lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2, 20, 5)
_SUMMARY = _Reader(SUMMARY_LIMIT, lambda text: len(text.encode()), 1000, 200)


@dataclass(slots=True)
class _Sheet:
    """Blocks, as long as there is room; what has none is told, and where it is (`elsewhere`, Markdown)."""

    reader: _Reader
    elsewhere: str
    blocks: list[str] = field(default_factory=list)
    used: int = 0

    def add(self, block: str, *, keeping: int = _FOR_REMARKS) -> bool:
        """Whether there was room for the block, `keeping` so much free."""
        size = self.reader.measure(block) + _BETWEEN
        if self.used + size + keeping > self.reader.limit:
            return False
        self.blocks.append(block)
        self.used += size
        return True

    def add_text(self, text: str, *, title: str = "") -> None:
        """A block of code, which opens at its title where it has one."""
        block = fenced(text, _BLOCK_LIMIT)
        if not self.add(folded(title, block) if title else block):
            self.remark(f"{code(title or text.partition(chr(10))[0], 80)} is left out here:")

    def remark(self, words: str) -> None:
        """What is not here, and where it is."""
        self.add(f"**{words}** {self.elsewhere}", keeping=0)

    def text(self) -> str:
        """All of it."""
        return "\n\n".join(self.blocks) + "\n"


def render_comment(
    record: RunRecord, run_folder: str, *, page_url: str = "", explained: Explained | None = None
) -> str:
    """The comment of a pull request. Its first line is a mark to find it by, `comment_marker` of the suite."""
    return f"{comment_marker(record.suite)}\n{_render(record, run_folder, page_url, explained, _COMMENT)}"


def render_markdown(
    record: RunRecord, run_folder: str, *, page_url: str = "", explained: Explained | None = None
) -> str:
    """The same at length, for the summary of a job or a file."""
    return _render(record, run_folder, page_url, explained, _SUMMARY)


def comment_marker(suite: str) -> str:
    """The line that no reader sees, by which the comment of a suite is found and written anew."""
    return f"<!-- closet:{_MARKER_UNSAFE.sub('_', suite)[:100]} -->"


def _render(record: RunRecord, run_folder: str, page_url: str, explained: Explained | None, reader: _Reader) -> str:
    page = link("on the page of this run", overview_link(page_url)) if page_url else ""
    sheet = _Sheet(reader, page or f"in {code(f'{run_folder}/junit.xml')}", used=_FOR_REMARKS // 4)
    for block in _head(record, page_url):
        sheet.add(block)
    told = [result for verdict in (Verdict.FAIL, Verdict.ERROR) for result in _of(record, verdict)]
    if told:
        _table(sheet, told, page_url)
    if claims := render_claims(record):
        sheet.add_text(claims)
    _details(sheet, record, told, run_folder)
    if explained is not None and (why := render_why(explained)):
        sheet.add_text(why)
    if excused := _of(record, Verdict.QUARANTINED):
        shown = excused[: reader.rows]
        lines = [f"{result.segment} · {result.replayer} · {in_a_line(result)}" for result in shown]
        sheet.add_text("\n".join(lines), title=f"QUARANTINED {len(excused)}, not gating")
        if len(excused) > len(shown):
            sheet.remark(f"{len(excused) - len(shown)} more quarantined")
    if said := notes(record):
        sheet.add_text("\n".join(said), title=counted(len(said), "note"))
    if told:
        sheet.add(f"Where it ran: {code(f'closet report {shlex.quote(run_folder)}')}", keeping=0)
    return sheet.text()


def _of(record: RunRecord, verdict: Verdict) -> list[JobResult]:
    return [result for result in record.results if result.verdict is verdict]


def _head(record: RunRecord, page_url: str) -> list[str]:
    decided = gate(record)
    sign, state = ("✅", "OPEN") if decided.is_open else ("❌", "CLOSED")
    facts = [code(decided.reason), duration(record.duration_s), f"run {code(record.run)}"]
    if decided.warnings:
        facts.insert(1, f"warning: {code(', '.join(decided.warnings))}")
    blocks = [f"### {sign} {code(record.suite)} gate {state}, exit {int(decided.exit_code)}", " · ".join(facts)]
    if page_url:
        verdict = "" if decided.is_open else "FAIL" if decided.counts[Verdict.FAIL] else "ERROR"
        blocks.append(f"**{link('Open the page of this run', overview_link(page_url, verdict=verdict))}**")
    facts_in_lines = header(record).replace(" · ", "\n")  # a long line would be cut off by the width of the comment
    return [*blocks, fenced(f"{facts_in_lines}\n\n{tally(record)}", _BLOCK_LIMIT)]


def _table(sheet: _Sheet, told: Sequence[JobResult], page_url: str) -> None:
    """A row a trial; a table is one block, so it grows while there is room."""
    rows = ["| | segment | first wrong frame | what |", "|---|---|---|---|"]
    size = sum(sheet.reader.measure(row) + 1 for row in rows)
    room = (sheet.reader.limit - sheet.used - _FOR_REMARKS) // 2  # details want some of it
    for result in told[: sheet.reader.rows]:
        row = _row(result, page_url)
        size += sheet.reader.measure(row) + 1
        if size > room:
            break
        rows.append(row)
    sheet.add("\n".join(rows))
    if left := len(told) - (len(rows) - 2):
        sheet.remark(f"{left} more")


def _row(result: JobResult, page_url: str) -> str:
    trial = trial_key(result.replayer, result.device_kind)
    found = first_wrong(result)
    segment, frame = code(result.segment, 120), ""
    if found is not None:
        frame = code(f"{found.first_frame}" + (f" ({found.first_s:.2f} s)" if found.first_s is not None else ""))
    if page_url:
        segment = link(segment, segment_link(page_url, result.segment, trial=trial))
        if found is not None:
            frame = link(frame, segment_link(page_url, result.segment, found.first_frame, trial=trial))
    where = code(f"{result.replayer} · {devices_of(result)}", 120)
    return f"| {result.verdict.value} | {segment}<br>{where} | {frame} | {code(in_a_line(result), 240)} |"


def _details(sheet: _Sheet, record: RunRecord, told: Sequence[JobResult], run_folder: str) -> None:
    """Each trial as it is told on a terminal, folded; the first ones where there are many."""
    shown = 0
    for result in told[: sheet.reader.details]:
        text = trial_block(result, record, run_folder, findings=_SHOWN_FINDINGS)
        title = f"{result.verdict.value} {result.segment} · {result.replayer} · {result.device_kind}"
        if not sheet.add(folded(title, fenced(text, _BLOCK_LIMIT))):
            break
        shown += 1
    if left := len(told) - shown:
        sheet.remark(f"{left} more in full")
