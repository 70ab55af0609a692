"""closet devices burn-in: the canary again and again, and what it says about a device."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from threading import Event

import click

from harness.cli.device_care import finished, reachable
from harness.cli.devices import devices_option
from harness.cli.options import echo_json, json_option, open_store, who
from harness.cli.stopping import stopping
from harness.cli.streams import complain
from harness.closet.burn_in import BurnIn, Round, measure
from harness.config import load_fleet
from harness.domain import Device, Health
from harness.errors import ConfigError, ExitCode
from harness.pipeline.checkup import Checkup, Examiner
from harness.pipeline.runs import closet_home
from harness.pipeline.shelf import open_shelf

_BUSY_PAUSE_S = 5.0
_SILENT_PAUSE_S = 1.0
_MOST_NOT_RUN = 240  # in a row: with the pauses twenty minutes and more, longer than nearly every job


@click.command(
    "burn-in",
    epilog="\b\nExamples:\n  closet devices burn-in mici-01 --hours 12\n  closet devices burn-in mici-01 --times 100",
    short_help="Loop the canary and tell the failure rate.",
)
@click.argument("name")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), metavar="H", help="How long.")
@click.option("--times", type=click.IntRange(1), metavar="N", help="How many canaries, instead of --hours.")
@devices_option
@json_option
def burn_in(name: str, hours: float | None, times: int | None, devices_file: Path, as_json: bool) -> int:
    """Loop a device's canary, tell how often it fails (with a 95 % interval), how hot it gets, if it slows down.

    A new or mended device proves itself so, also while it is quarantined; others may use its slots in between. Without
    --hours and --times it takes as long as devices.yaml says (`burn_in: {hours: 12}`). Ctrl-C ends it with what was
    measured; --times ends so too when the device is busy or driven for more than twenty minutes on end. Exit code 3
    when any canary failed, or not as many as --times says could be run.
    """
    if hours is not None and times is not None:
        raise ConfigError("both --hours and --times", remedy="give one of them")
    fleet = load_fleet(devices_file)
    until_s = None if times is not None else 3600.0 * (hours or fleet.burn_in_h)
    with ExitStack() as stack:
        shelf = stack.enter_context(open_shelf(closet_home(), fleet))
        (device,) = stack.enter_context(reachable(fleet, (name,)))
        if shelf.health(name).state is Health.DISABLED:
            raise ConfigError(f"{name} is disabled", where=name, remedy="closet devices enable NAME")
        examiner = stack.enter_context(Examiner(fleet, shelf, open_store(), name=f"burn-in by {who()}"))
        stop = stack.enter_context(stopping("ending the burn-in with what was measured"))
        rounds = _loop(examiner, device, stop, times, until_s, fleet.burn_in_pause_s)
    figures = measure(rounds)
    if as_json:
        echo_json({"device": name, "rate": figures.rate, **asdict(figures)})
    else:
        click.echo("\n".join(_lines(name, figures)))
    enough = len(rounds) == times or stop.is_set() if times is not None else bool(rounds)
    return ExitCode.GATE_OPEN if enough and rounds and not figures.failures else ExitCode.NO_VERDICT


def _loop(
    examiner: Examiner, device: Device, stop: Event, times: int | None, until_s: float | None, pause_s: float
) -> list[Round]:
    """Canaries until there were enough, the time is up or somebody stops. One that had no slot does not count."""
    rounds: list[Round] = []
    not_run = 0
    begin_s = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        while not stop.is_set() and (times is None or len(rounds) < times):
            began_s = time.monotonic() - begin_s
            if until_s is not None and began_s >= until_s:
                break
            future = pool.submit(examiner.check, device)
            (found,) = finished((future,), examiner, stop)
            if found.not_run and stop.is_set():
                break
            if found.not_run:
                complain(f"{device.name}: canary not run: {found.not_run}")
                not_run += 1
                if times is not None and not_run >= _MOST_NOT_RUN:
                    complain(
                        f"{device.name}: given up after {not_run} tries in a row without a canary (wait until the"
                        " device is parked and no run has it, see closet devices; or give it a time with --hours)"
                    )
                    break
                stop.wait(_BUSY_PAUSE_S)
                continue
            not_run = 0
            hottest = found.vitals.hottest if found.vitals else None
            rounds.append(Round(began_s, found.run_s, hottest[1] if hottest else None, found.canary_error))
            complain(_told(len(rounds), found))
            stop.wait(pause_s if found.vitals else max(pause_s, _SILENT_PAUSE_S))
    return rounds


def _told(number: int, found: Checkup) -> str:
    heat = f", {found.vitals.hottest[1]:.0f} °C" if found.vitals and found.vitals.hottest else ""
    if found.canary_error is not None:
        return f"{number:5}  FAILED{heat}: {found.canary_error.problem}"
    limits = f" ({'; '.join(str(broken) for broken in found.broken)})" if found.broken else ""
    return f"{number:5}  right in {found.run_s or 0.0:.2f} s{heat}{limits}"


def _lines(name: str, figures: BurnIn) -> list[str]:
    """The figures for people."""
    if not figures.rounds:
        return [f"{name}  no canary was run: nothing is known"]
    canaries = "1 canary" if figures.rounds == 1 else f"{figures.rounds} canaries"
    took, interval = _duration(figures.elapsed_s), f"95 % {figures.low:.2%} … {figures.high:.2%}"
    lines = [f"{name}  {figures.failures} of {canaries} failed in {took}: {figures.rate:.2%} ({interval})"]
    lines += [f"    {count} × {cause}" for cause, count in figures.causes]
    if figures.temperatures_c is not None:
        least, median, most = figures.temperatures_c
        lines.append(f"    hottest zone {least:.0f} … {most:.0f} °C, median {median:.0f} °C")
    if figures.median_s is not None:
        drift = figures.drift
        trend = f", drift {drift.per_hour:+.1%} an hour (95 % {drift.low:+.1%} … {drift.high:+.1%})" if drift else ""
        lines.append(f"    a canary takes {figures.median_s:.2f} s{trend}")
    return lines


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min {seconds % 60:.0f} s"
