"""closet noise: how far the same software differs from itself."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import click

from harness.cli.live import Watch
from harness.cli.options import echo_json, json_option, make_request, open_store
from harness.cli.stopping import stopping
from harness.cli.streams import progress_console
from harness.config import load_suite
from harness.errors import ConfigError, ExitCode
from harness.noise import QUANTILES, NoiseFloor
from harness.pipeline.noise import measure_noise
from harness.pipeline.prepare import prepare
from harness.pipeline.runs import closet_home

_MOST_ROWS = 20


@click.command(
    epilog="\b\nExamples:\n"
    "  closet noise suites/pr.yaml --model models/release --repeats 5\n"
    "  closet noise suites/pr.yaml --model models/release --threads 1 --threads 4\n"
    "  closet noise suites/pr.yaml --model models/release --twin models/release-fp16\n"
    "  closet noise --list",
    short_help="Measure how far the same software differs from itself.",
)
@click.argument("suite", type=click.Path(path_type=Path), required=False)
@click.option(
    "--model", multiple=True, metavar="[REPLAYER=]MODEL", help="What is replayed. Default: the suite's baseline."
)
@click.option("--twin", multiple=True, metavar="[REPLAYER=]MODEL", help="Tell how far this one is from it, too.")
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(min=2, max=1000), help="Replays of each.")
@click.option(
    "--threads",
    multiple=True,
    type=click.IntRange(1, 256),
    help="With so many threads; may be given again.",
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Only segments whose name contains PATTERN.")
@click.option("--devices", "devices_file", type=click.Path(path_type=Path), metavar="FILE", help="The shelf.")
@click.option("--list", "listed", is_flag=True, help="What was measured before.")
@json_option
def noise(
    suite: Path | None,
    model: tuple[str, ...],
    twin: tuple[str, ...],
    repeats: int,
    threads: tuple[int, ...],
    only: tuple[str, ...],
    devices_file: Path | None,
    listed: bool,
    as_json: bool,
) -> int:
    """Replay every segment of SUITE several times on every kind of device, and keep how far the traces are apart.

    A check that says `tolerance: {noise: 3, ceiling: 0.01}` tolerates three times what was measured for its channel,
    kind of device and runtime; `floor` is the least it tolerates, and past `ceiling` the device is in error. What was
    measured with --twin (a half-precision model, say) is told, but no tolerance follows from it.
    """
    store = open_store()
    if listed or suite is None:
        if not listed:
            raise ConfigError("no suite", where="closet noise", remedy="name a suite, or --list what was measured")
        return _tell(store.noise.floors(), as_json)
    chosen = model or tuple(
        f"{entry.name}={entry.baseline}" for entry in load_suite(suite).replayers if entry.baseline is not None
    )
    if twin and not chosen:
        raise ConfigError("a twin of what?", where="--twin", remedy="name the --model it is a twin of")
    request = make_request(suite, chosen, twin or chosen, devices_file, only)
    prepared = prepare(request, store)
    named = {name: label for name, label in prepared.baseline.items() if twin}
    home = closet_home()
    home.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="noise-", dir=home) as folder,
        stopping("ending the remote jobs; nothing is kept of a measurement that did not end") as stop,
        Watch(progress_console()) as watch,
    ):
        floors = measure_noise(
            prepared,
            store,
            folder=Path(folder),
            repeats=repeats,
            threads=threads,
            twin=named,
            observer=watch,
            stop=stop,
        )
    return _tell(floors, as_json) if floors else ExitCode.NO_VERDICT


def _tell(floors: tuple[NoiseFloor, ...], as_json: bool) -> int:
    if as_json:
        echo_json([dataclasses.asdict(floor) for floor in floors])
        return ExitCode.GATE_OPEN
    for floor in floors:
        with_threads = f" with each of {', '.join(map(str, floor.threads))} threads" if floor.threads else ""
        twin = f", held against its twin {floor.twin}" if floor.twin else ""
        click.echo(
            f"{floor.replayer} · {floor.device_kind} · {floor.when}: {floor.repeats} replays{with_threads} of "
            f"{len(floor.segments)} segments on {', '.join(floor.devices)}{twin}\n  {floor.runtime}"
        )
        if floor.is_exact:
            click.echo(f"  exact: not one of {sum(c.values for c in floor.channels.values())} values ever differed")
            continue
        titles = ("channel", "equal", *(f"{quantile:.1%}" for quantile in QUANTILES), "most", "unit")
        noisy = sorted(
            ((name, channel) for name, channel in floor.channels.items() if channel.equal < 1.0),
            key=lambda entry: (entry[1].equal, entry[0]),
        )
        rows = [titles]
        rows += [
            (
                name,
                f"{channel.equal:.3%}",
                *(f"{value:.3g}" for value in channel.quantiles),
                f"{max(channel.worst):.3g}",
                channel.unit,
            )
            for name, channel in noisy[:_MOST_ROWS]
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
        for row in rows:
            click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if len(noisy) > _MOST_ROWS:
            click.echo(f"  and {len(noisy) - _MOST_ROWS} more channels; --json has all")
        exact = len(floor.channels) - len(noisy)
        click.echo(f"  {exact} channels are exact")
    if not floors:
        click.echo("no noise was measured yet")
    return ExitCode.GATE_OPEN
