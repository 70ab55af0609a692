"""closet bisect: which of many models or commits was the first bad one."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.live import Watch
from harness.cli.options import echo_json, json_option, make_request, open_store, shown_path
from harness.cli.stopping import stopping
from harness.cli.streams import progress_console
from harness.errors import ConfigError, ExitCode
from harness.pipeline.bisect import Bisection, Bisector, Question, Step
from harness.pipeline.runs import closet_home
from harness.pipeline.versions import Version, versions_in_folder, versions_in_repository
from harness.report import render_trial
from harness.verdict import Verdict


@click.command(
    epilog="\b\nExamples:\n"
    "  closet bisect suites/pr.yaml --models models --good v0.11.2 --bad v0.11.9\n"
    "  closet bisect suites/pr.yaml --repo ~/openpilot --path selfdrive/modeld/models --good v0.11.2 --bad master\n"
    "  closet bisect suites/pr.yaml --models models --good v1 --bad v64 --only 5beb9b58bd12b691 --miss 0.3",
    short_help="Find the first bad one of many models or commits.",
)
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--good", required=True, metavar="REF", help="A model or commit that is right.")
@click.option("--bad", required=True, metavar="REF", help="A later one that is not.")
@click.option(
    "--models", type=click.Path(path_type=Path), metavar="DIR", help="A folder with a model in each subfolder."
)
@click.option("--repo", type=click.Path(path_type=Path), metavar="PATH", help="A git repository that has models in it.")
@click.option("--path", "inside", metavar="PATH", help="Where in the repository.")
@click.option("--replayer", default="", help="Only this replayer's models change; others are as the suite says.")
@click.option("--approved", is_flag=True, help="Hold against approved baselines instead of the good one.")
@click.option(
    "--miss",
    default=0.0,
    type=click.FloatRange(0, 0.9),
    help="How often a bad one passes by chance; then each is asked until one is sure.",
)
@click.option(
    "--sure", default=0.95, show_default=True, type=click.FloatRange(0.5, 0.999999), help="How sure is sure enough."
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Only segments whose name contains PATTERN.")
@click.option("--devices", "devices_file", type=click.Path(path_type=Path), metavar="FILE", help="The shelf.")
@json_option
@click.pass_obj
def bisect(
    given: tuple[str, ...],
    suite: Path,
    good: str,
    bad: str,
    models: Path | None,
    repo: Path | None,
    inside: str | None,
    replayer: str,
    approved: bool,
    miss: float,
    sure: float,
    only: tuple[str, ...],
    devices_file: Path | None,
    as_json: bool,
) -> int:
    """Replay SUITE with the models between GOOD and BAD, halving what is in question, and name the first bad one.

    A model is bad when its run closes the gate. What was replayed before is recalled. Differences that come and go are
    noticed by the run's own repeats; models are then asked again until one is sure. One that cannot be tried is gone
    around. Exits with 0 when the first bad one is known, 3 when it is not.
    """
    if (models is None) == (repo is None):
        raise ConfigError("which models?", where="closet bisect", remedy="name either --models DIR or --repo PATH")
    if repo is not None and not inside:
        raise ConfigError(
            "where are the models in it?", where="--repo", remedy="name --path, as selfdrive/modeld/models"
        )
    versions = (
        versions_in_folder(models, good, bad)
        if models is not None
        else versions_in_repository(Path(str(repo)), str(inside), good, bad, closet_home() / "bisect")
    )
    request = make_request(suite, (), (), devices_file, only, ("closet", *given))
    question = Question(request, replayer, approved, miss, sure)
    with stopping("ending the remote jobs; what was replayed is recalled the next time") as stop:
        bisector = Bisector(question, versions, open_store(), observed=lambda: Watch(progress_console()), stop=stop)
        if not as_json:
            click.echo(f"{len(versions)} versions from {versions[0].name} to {versions[-1].name}")
        for step in bisector.steps():
            if not as_json:
                click.echo(_step_words(step))
    found = bisector.result()
    known = len(found.suspects) == 1 and not stop.is_set()
    if as_json:
        echo_json(_plain(found, versions, known=known))
    else:
        _tell(found, versions, known=known)
    return ExitCode.GATE_OPEN if known else ExitCode.NO_VERDICT


def _step_words(step: Step) -> str:
    told = {True: "bad", False: "good", None: "cannot be told"}[step.is_bad]
    parts = [f"{step.version}: {told}"]
    if step.problem:
        parts.append(step.problem)
    if step.record is not None:
        counts = [f"{verdict.value} {sum(r.verdict is verdict for r in step.record.results)}" for verdict in Verdict]
        parts.append(" ".join(count for count in counts if not count.endswith(" 0")))
    if step.folder is not None:
        parts.append(shown_path(step.folder))
    return " · ".join((*parts, f"{step.left} left in question"))


def _tell(found: Bisection, versions: tuple[Version, ...], *, known: bool) -> None:
    if not known:
        names = ", ".join(versions[number].name for number in sorted(found.suspects))
        click.echo(f"the first bad one is one of: {names}")
        return
    version = versions[found.first_bad]
    title = f" ({version.title})" if version.title else ""
    count = len(found.steps)
    click.echo(
        f"FIRST BAD  {version.name}{title} · after {versions[found.first_bad - 1].name} · {found.belief:.1%} sure, "
        f"{count} {'version' if count == 1 else 'versions'} tried"
    )
    step = found.evidence
    if step is None or step.record is None or step.folder is None:
        return
    failed = [result for result in step.record.results if result.verdict is Verdict.FAIL]
    for result in failed[:1]:
        click.echo(render_trial(result, run_folder=shown_path(step.folder)), nl=False)


def _plain(found: Bisection, versions: tuple[Version, ...], *, known: bool) -> dict[str, object]:
    return {
        "first_bad": versions[found.first_bad].name if known else None,
        "last_good": versions[found.first_bad - 1].name if known else None,
        "suspects": [versions[number].name for number in sorted(found.suspects)],
        "belief": found.belief,
        "steps": [
            {
                "version": step.version,
                "is_bad": step.is_bad,
                "problem": step.problem,
                "run": str(step.folder) if step.folder else None,
            }
            for step in found.steps
        ],
    }
