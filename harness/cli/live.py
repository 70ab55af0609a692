"""What a person sees while a run goes on: jobs, devices, frames a second, time left. Plain lines without a terminal."""

from __future__ import annotations

import datetime
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from harness.closet.answers import count, told_words
from harness.closet.work import (
    DeviceConnected,
    DeviceLost,
    HealthChanged,
    JobFinished,
    JobProgress,
    JobStarted,
    ShelfAnswers,
    ShelfSilent,
    StagingProgress,
)
from harness.pipeline.events import Judged, NotArchived, Planned, Repeating, RunEvent
from harness.report import trial_rows
from harness.verdict import JobResult, RunRecord, Verdict

VERDICT_STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.ERROR: "yellow", Verdict.QUARANTINED: "cyan"}
_LOG_EVERY_S = 5.0

_LONGEST_TABLE = 40
_LONGEST_WORDS = 4000  # characters of what a device said
_LEAST_WORDS = 30  # columns for the words of a row, however narrow the terminal


@dataclass(slots=True)
class _Bench:
    """What one device is doing now."""

    state: str = "connecting"
    segment: str = ""
    frames_done: int = 0
    frames_total: int = 0
    began_s: float = 0.0

    @property
    def frames_per_s(self) -> float:
        elapsed_s = time.monotonic() - self.began_s
        return self.frames_done / elapsed_s if self.began_s and elapsed_s > 0 else 0.0


class Watch:
    """Observer of a run; a context manager around it. Safe to call from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._benches: dict[str, _Bench] = {}
        self._segments: dict[str, str] = {}
        self._frames_of_ended = 0
        self._began_s = time.monotonic()
        self._trials_total = 0
        self._trials_done = 0
        self._tasks_total = 0
        self._tasks_done = 0
        self._logged_s = 0.0
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._bar_task = self._bar.add_task("jobs", total=None)
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Watch:
        if self._console.is_terminal:
            self._live.start()
        return self

    def show_verdicts(self, record: RunRecord) -> None:
        """The table at the end of a run: a row a trial, the passed ones only counted when there are many."""
        rows = trial_rows(record)
        if len(rows) > _LONGEST_TABLE:
            rows = [row for row in rows if row[0] != Verdict.PASS.value][:_LONGEST_TABLE]
        # Not a rich table: one that is made to fit a narrow terminal leaves out the verdicts; lines are wrapped.
        cells = [("verdict", "segment", "replayer", "", ""), *rows]
        widths = [max(len(row[column]) for row in cells) for column in range(3)]
        left = max(self._console.width - sum(widths) - 2 * len(widths), _LEAST_WORDS)
        for number, (*columns, _devices, words) in enumerate(cells):
            line = Text("  ".join(f"{cell:<{width}}" for cell, width in zip(columns, widths, strict=True)))
            line.stylize(
                VERDICT_STYLE[Verdict(columns[0])] if number else "bold", 0, len(columns[0]) if number else None
            )
            told = Text(f"  {words}")
            told.truncate(left, overflow="ellipsis")
            self._console.print(line + told, soft_wrap=True, highlight=False)
        self._console.print()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, event: RunEvent) -> None:
        """Take in one event."""
        with self._lock:
            self._take(event)

    def _take(self, event: RunEvent) -> None:
        match event:
            case NotArchived(error=error):
                self._console.print(f"[yellow]not in the dashboard yet[/]  {escape(str(error))}", soft_wrap=True)
            case Planned(run_folder=folder):
                self._plan(event, folder)
            case Judged(result=result):
                self._trials_done += 1
                self._bar.update(self._bar_task, completed=self._trials_done)
                self._say(result)
            case Repeating(result=result):
                self._repeating(result)
            case ShelfSilent(address=address, silent_s=silent_s, left_s=left_s):
                self._shelf(f"{address} has not answered {_since(silent_s)}; jobs wait", left_s)
            case ShelfAnswers(address=address, silent_s=silent_s):
                self._shelf(f"{address} answers again, after {silent_s:.0f} s")
            case _:
                self._take_of_device(event)

    def _take_of_device(self, event: RunEvent) -> None:
        match event:
            case DeviceConnected(device=device):
                self._benches.setdefault(device, _Bench()).state = "idle"
            case DeviceLost(device=device, error=error):
                words = told_words(error.problem, _LONGEST_WORDS)
                self._benches.setdefault(device, _Bench()).state = f"lost: {words}"
                self._console.print(Text.assemble(("lost", "yellow"), f"  {device}: {words}"), soft_wrap=True)
            case HealthChanged(device=device, state=state, reason=reason):
                line = Text.assemble((f"{state}", "cyan"), f"  {device}: {told_words(reason, _LONGEST_WORDS)}")
                self._console.print(line, soft_wrap=True)
            case StagingProgress(work_id=work, device=device, sent_bytes=sent, total_bytes=total):
                bench = self._benches.setdefault(device, _Bench())
                bench.state, bench.segment = (
                    f"staging {sent / 1e6:.0f}/{total / 1e6:.0f} MB",
                    self._segments.get(work, ""),
                )
            case JobStarted(work_id=work, device=device):
                self._benches[device] = _Bench("running", self._segments.get(work, work[:16]), began_s=time.monotonic())
            case JobProgress(device=device, progress=progress):
                bench = self._benches.setdefault(device, _Bench())
                bench.frames_done = count(progress.get("frames_done"))
                bench.frames_total = count(progress.get("frames_total"))
            case JobFinished(work_id=work, device=device, error=error):
                bench = self._benches.setdefault(device, _Bench())
                self._frames_of_ended += bench.frames_total if error is None else 0
                self._tasks_done += error is None and work in self._segments
                bench.state, bench.segment, bench.began_s = "idle", "", 0.0

    def _shelf(self, words: str, left_s: float | None = None) -> None:
        """About the database that says who has which device."""
        until = "" if left_s is None else f"; unless it does within {left_s:.0f} s the run ends, and can be resumed"
        self._console.print(Text.assemble(("shelf", "yellow"), f"  {words}{until}"), soft_wrap=True)

    def _plan(self, planned: Planned, folder: Path) -> None:
        self._segments = {task.id: str(task.jobs[0].segment) for task in planned.tasks}
        self._trials_total, self._tasks_total = len(planned.plan.trials), len(planned.tasks)
        self._bar.update(self._bar_task, total=self._trials_total)
        reused = len(planned.plan.tasks) - len(planned.tasks)
        note = (
            f" · {reused} of {len(planned.plan.tasks)} tasks reused" if reused > 0 else ""
        )  # repeats are more than planned
        jobs = "1 job" if self._trials_total == 1 else f"{self._trials_total} jobs"
        self._console.print(
            f"[bold]{planned.plan.suite}[/] · {jobs} · {planned.device_count} devices{note}\n{folder}",
            highlight=False,
            soft_wrap=True,
        )

    def _say(self, result: JobResult) -> None:
        """One line a verdict: a failure or error always, a pass only where nobody watches a live table."""
        if result.verdict is Verdict.PASS and self._console.is_terminal:
            return
        line = Text.assemble((f"{result.verdict:<5}", VERDICT_STYLE[result.verdict]), f" {result.name}")
        if result.error is not None:
            line.append(f": {result.error.problem}")
        self._console.print(line, soft_wrap=True)

    def _repeating(self, result: JobResult) -> None:
        line = Text.assemble((f"{result.verdict:<5}", VERDICT_STYLE[result.verdict]), f" {result.name}: ")
        self._console.print(line.append("repeated before anybody is blamed"), soft_wrap=True)

    def _render(self) -> RenderableType:
        with self._lock:
            table = Table(box=None, pad_edge=False)
            for title in ("device", "state", "segment", "frames", "frames/s"):
                table.add_column(title, justify="right" if title.startswith("frames") else "left", no_wrap=True)
            for name, bench in sorted(self._benches.items()):
                running = bench.state == "running"
                table.add_row(
                    name,
                    Text(bench.state),  # no markup: it may quote a device
                    bench.segment,
                    f"{bench.frames_done}/{bench.frames_total}" if running else "",
                    f"{bench.frames_per_s:.0f}" if running else "",
                )
            return Group(self._bar, table, Text(self._outlook(), style="dim"))

    def _outlook(self) -> str:
        """Frames a second over all devices, and when it will be over."""
        elapsed_s = time.monotonic() - self._began_s
        running = [bench for bench in self._benches.values() if bench.state == "running"]
        frames = self._frames_of_ended + sum(bench.frames_done for bench in running)
        parts = sum(min(1.0, bench.frames_done / bench.frames_total) for bench in running if bench.frames_total)
        share = (self._tasks_done + parts) / self._tasks_total if self._tasks_total else 1.0
        left = f"about {elapsed_s * (1 - share) / share:.0f} s left" if share > 0.02 else "estimating"
        return f"{frames} frames · {frames / max(elapsed_s, 1e-3):.0f} frames/s · {left}"


def _since(seconds: float) -> str:
    """For how long, and since when by the clock on the wall."""
    at = datetime.datetime.fromtimestamp(time.time() - seconds).astimezone()
    return f"since {at:%H:%M:%S}, {seconds:.0f} s"
