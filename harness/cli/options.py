"""Options that several commands share."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.pipeline.request import ModelChoice, Request, parse_model_choice
from harness.pipeline.runs import closet_home
from harness.redaction import redact
from harness.store import Store

_Command = TypeVar("_Command", bound=Callable[..., Any])

_DEVICES_FILE = "devices.yaml"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")


def suite_options(command: _Command) -> _Command:
    """SUITE and what may be said beside it: models, devices, a selection."""
    for decorate in (
        click.option(
            "--branch",
            default="",
            envvar="CLOSET_BRANCH",
            metavar="NAME",
            help="Baselines approved on this branch lie over those of main. Also CLOSET_BRANCH.",
        ),
        click.option(
            "--only",
            multiple=True,
            metavar="PATTERN",
            help="Only segments whose name contains PATTERN (* and ? allowed).",
        ),
        click.option(
            "--devices",
            "devices_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The shelf. Default: devices.yaml here if there is one, else two emulated workers.",
        ),
        click.option(
            "--baseline",
            multiple=True,
            metavar="[REPLAYER=]MODEL",
            help="Replay this model as the baseline instead of using approved traces.",
        ),
        click.option(
            "--candidate",
            multiple=True,
            metavar="[REPLAYER=]MODEL",
            help="The model on trial: a folder of ONNX files, or one file.",
        ),
        click.argument("suite", type=click.Path(path_type=Path)),
    ):
        command = decorate(command)
    return command


def make_request(
    suite: Path,
    candidate: tuple[str, ...],
    baseline: tuple[str, ...],
    devices_file: Path | None,
    only: tuple[str, ...],
    command: tuple[str, ...] = (),
    branch: str = "",
    *,
    intents: tuple[Path, ...] = (),
) -> Request:
    """What was asked for, with absolute paths."""
    if devices_file is None and Path(_DEVICES_FILE).is_file():
        devices_file = Path(_DEVICES_FILE)
    return Request(
        suite.absolute(),
        devices_file.absolute() if devices_file else None,
        _choices(candidate),
        _choices(baseline),
        only,
        tuple(path.absolute() for path in intents),
        branch=branch,
        command=tuple(redact(word) for word in command),
    )


def who() -> str:
    """The person at the keyboard, as `user@host`."""
    return f"{getpass.getuser()}@{platform.node()}"


def open_store() -> Store:
    """The store under the closet's home."""
    return Store(closet_home())


def shown_path(path: Path) -> str:
    """How a person standing here would type the path."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def echo_json(value: object) -> None:
    """Print a value as indented JSON."""
    click.echo(json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False))


def _choices(texts: tuple[str, ...]) -> tuple[ModelChoice, ...]:
    return tuple(parse_model_choice(text) for text in texts)
