"""closet check, plan, run, resume: from a suite to a verdict."""

from __future__ import annotations

import datetime
import functools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.table import Table

from harness.cli.claims import check_intents, echo_outlooks, intent_option
from harness.cli.live import Watch
from harness.cli.options import echo_json, json_option, make_request, open_store, shown_path, suite_options
from harness.cli.page import html_option, make_page
from harness.cli.quarantine import check_quarantine_file, today, warn_of_unmatched
from harness.cli.stopping import stopping
from harness.cli.streams import complain, progress_console, result_console, tell
from harness.config import Fleet, Suite, gather, load_fleet, load_suite
from harness.config.quarantine import QUARANTINE_FILE
from harness.domain import DeviceKind, Task
from harness.errors import ClosetError, ConfigError, ExitCode
from harness.files import write_text
from harness.pipeline import execute_run, prepare
from harness.pipeline.prepare import check_suite
from harness.pipeline.quarantine import Place, check_expiry
from harness.pipeline.request import Request, load_request
from harness.pipeline.resume import check_same_run
from harness.pipeline.runs import JUNIT, RECORD, REQUEST, alone_in, closet_home, find_run, load_run, new_run_folder
from harness.pipeline.why import load_why
from harness.report import render_summary
from harness.verdict import RunRecord, gate, render_record

_STOPPING = "ending the remote jobs, keeping what is done"


@click.command(
    epilog="\b\nExample:\n  closet check suites/pr.yaml suites/nightly.yaml --devices devices.yaml",
    short_help="Validate suites and devices.",
)
@click.argument("suites", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SUITE...")
@click.option(
    "--devices", "devices_file", type=click.Path(path_type=Path), metavar="FILE", help="The shelf to check too."
)
@intent_option
@click.option("--force-intent", is_flag=True, help="Put up with an intent that the segments cannot answer.")
@json_option
def check(
    suites: tuple[Path, ...], devices_file: Path | None, intents: tuple[Path, ...], force_intent: bool, as_json: bool
) -> None:
    """Validate suites and devices; every mistake at once, each with file and line. Nothing is started.

    Folders, replayers and options that a suite names are checked too, and its quarantine: an entry that has expired is
    a mistake, one that matches nothing a warning. Models are checked by `closet plan`, which knows the candidate.
    An intent is refused when the suite's segments are too few for what it asks.
    """
    fleets: list[Fleet] = []
    files = [path for path in suites if path.name == QUARANTINE_FILE]
    suites = tuple(path for path in suites if path not in files)
    told = [{"file": str(path), "kind": "suite"} for path in suites]
    told += [{"file": str(path), "kind": "quarantine"} for path in files]
    loaded: list[Suite] = []
    places: dict[Path, Sequence[Place]] = {}
    actions: list[Callable[[], object]] = []
    if devices_file is not None:
        shelf = devices_file
        told.append({"file": str(shelf), "kind": "devices"})
        actions.append(lambda: fleets.append(load_fleet(shelf)))

    def check_one(path: Path) -> None:
        suite = load_suite(path)
        loaded.append(suite)
        gather(
            [
                lambda: places.update({path: check_suite(suite, fleets[0] if fleets else None)}),
                lambda: check_expiry(suite.quarantine, today()),
            ]
        )

    actions += [functools.partial(check_one, path) for path in suites]
    actions += [functools.partial(check_quarantine_file, path) for path in files]
    gather(actions)
    outlooks = check_intents(suites, intents, force=force_intent)
    warnings = warn_of_unmatched(loaded, places)
    if as_json:
        echo_json({"ok": told, "claims": [asdict(each) for each in outlooks], "warnings": warnings})
        return
    for entry in told:
        click.echo(f"ok  {entry['file']} ({entry['kind']})")
    echo_outlooks(outlooks)


@click.command(
    epilog="\b\nExample:\n  closet plan suites/pr.yaml --candidate models/next --baseline models/release",
    short_help="Show what would run where, and what it costs.",
)
@suite_options
@json_option
def plan(
    suite: Path,
    candidate: tuple[str, ...],
    baseline: tuple[str, ...],
    devices_file: Path | None,
    only: tuple[str, ...],
    branch: str,
    as_json: bool,
) -> None:
    """Show what a run would do: every task, its kind of device, cost, and whether its traces are stored already."""
    store = open_store()
    prepared = prepare(make_request(suite, candidate, baseline, devices_file, only, branch=branch), store)
    planned = prepared.plan
    done = {job_id for job_id in planned.jobs if store.find_trace(job_id)}
    rows = [_task_row(task, done) for task in planned.tasks]
    slots = {kind.value: _slots(prepared.fleet, kind) for kind in prepared.suite.device_kinds}
    if as_json:
        echo_json({"suite": planned.suite, "jobs": len(planned.trials), "slots": slots, "tasks": rows})
        return
    table = Table(box=None, pad_edge=False)
    for title, value in rows[0].items():
        table.add_column(title, justify="left" if isinstance(value, str) else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    result_console().print(table)
    left_s = sum(task.cost_s for task in planned.tasks if any(job.id not in done for job in task.jobs))
    on = ", ".join(f"{count} {kind}" for kind, count in slots.items())
    click.echo(
        f"{len(planned.trials)} jobs in {len(rows)} tasks · about {left_s:.0f} s of device time left · slots: {on}"
    )


@click.command(
    epilog="\b\nExamples:\n"
    "  closet run suites/pr.yaml --candidate models/next --baseline models/release\n"
    "  closet run suites/pr.yaml --only 5beb9b58bd12b691 --candidate models/next\n"
    "  closet run suites/pr.yaml --candidate driving_model=models/next --junit report.xml --html public",
    short_help="Replay a suite, judge it, and exit with the gate's code.",
)
@suite_options
@intent_option
@click.option(
    "--confirm/--no-confirm",
    default=None,
    help="Repeat what FAILs, there and on a second device, before blaming anybody. Default: as the suite says.",
)
@click.option("--fresh", is_flag=True, help="Replay also what is stored already.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Copy the JUnit report here too.")
@html_option
@click.option(
    "--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="Keep the run here, not under .closet/runs."
)
@json_option
@click.pass_obj
def run(
    given: tuple[str, ...],
    suite: Path,
    candidate: tuple[str, ...],
    baseline: tuple[str, ...],
    devices_file: Path | None,
    only: tuple[str, ...],
    branch: str,
    intents: tuple[Path, ...],
    confirm: bool | None,
    fresh: bool,
    junit: Path | None,
    html: str | None,
    run_dir: Path | None,
    as_json: bool,
) -> int:
    """Replay a suite on the shelf, hold the candidate against the baseline, and exit with the gate's code.

    Progress goes to standard error, the summary (or the record, with --json) to standard output. Ctrl-C ends the
    remote jobs and keeps what is done; `closet resume` goes on from there.
    """
    request = make_request(suite, candidate, baseline, devices_file, only, ("closet", *given), branch, intents=intents)
    request = replace(request, confirm=confirm, fresh=fresh)
    if run_dir is not None and (run_dir / RECORD).exists():
        raise ConfigError("there is a run in it", where=str(run_dir), remedy="closet resume goes on with it")
    return _carry_out(request, run_dir, junit, as_json, html=html)


@click.command(epilog="\b\nExample:\n  closet resume last", short_help="Go on with a run that was cut off.")
@click.argument("run_name", metavar="RUN")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Copy the JUnit report here too.")
@json_option
def resume(run_name: str, junit: Path | None, as_json: bool) -> int:
    """Go on with RUN (a folder, a name, or `last`): what has a trace is kept, the rest is replayed, all is judged."""
    folder = find_run(closet_home(), run_name)
    return _carry_out(load_request(folder / REQUEST), folder, junit, as_json, before=load_run(folder))


def _carry_out(
    request: Request,
    folder: Path | None,
    junit: Path | None,
    as_json: bool,
    *,
    html: str | None = None,
    before: RunRecord | None = None,
) -> int:
    store = open_store()
    prepared = prepare(request, store)
    if before is not None:
        check_same_run(before, prepared)
    if junit is not None:
        _make_way(junit)
    if folder is None:
        folder = new_run_folder(closet_home(), datetime.datetime.now(datetime.UTC).date())
    folder = folder.absolute()
    console = progress_console()
    with alone_in(folder), stopping(_STOPPING) as stop, Watch(console) as watch:
        record = execute_run(request, prepared, store, folder=folder, observer=watch, stop=stop, before=before)
    watch.show_verdicts(record)
    text = render_record(record) if as_json else render_summary(record, shown_path(folder), load_why(folder))
    code = tell(text, gate(record).exit_code)
    if junit is not None:
        try:
            write_text(junit, (folder / JUNIT).read_text())
        except OSError as error:
            complain(f"closet: {junit}: cannot be written: {error.strerror} (it lies at {folder / JUNIT})")
            return ExitCode.worst([code, ExitCode.NO_VERDICT])
    if html is not None:
        try:
            # What is asked for on standard output is the summary or the record, and nothing else.
            complain(f"closet: the page: {make_page(folder, html, ('changed',), films=True).rstrip()}")
        except (ClosetError, OSError) as error:
            complain(f"closet: the page was not written: {error} (closet report {shown_path(folder)} --html does it)")
            return ExitCode.worst([code, ExitCode.NO_VERDICT])
    return code


def _make_way(junit: Path) -> None:
    """Make sure that the report can be written, and that no older one is mistaken for it should the run be killed."""
    try:
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=junit.parent):
            pass
    except OSError as error:
        raise ConfigError(
            f"the report cannot be written there: {error.strerror}", where=str(junit), remedy="name another --junit"
        ) from error


def _task_row(task: Task, done: set[str]) -> dict[str, str | int | float]:
    return {
        "task": task.id[:16],
        "segment": str(task.jobs[0].segment),
        "replayer": task.jobs[0].replayer,
        "device_kind": task.device_kind.value,
        "models": len(task.jobs),
        "stored": sum(job.id in done for job in task.jobs),
        "megabytes": round(sum(blob.size_bytes for blob in task.blobs.values()) / 1e6, 1),
        "cost_s": round(task.cost_s, 1),
    }


def _slots(fleet: Fleet, kind: DeviceKind) -> int:
    named = sum(device.slots for device in fleet.devices if device.kind is kind)
    return named + (fleet.emulated if kind is DeviceKind.EMULATED else 0)
