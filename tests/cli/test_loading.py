"""What a command does not need is not loaded for it: a second of scipy before every `closet --version` is felt."""

from __future__ import annotations

import subprocess
import sys

import click

from harness.cli import cli

# `import scipy` is nothing yet: it loads its parts when they are used.
HEAVY = (
    "scipy.special",
    "scipy.signal",
    "scipy.stats",
    "scipy.cluster",
    "scipy.spatial",
    "statsmodels",
    "alembic",
    "botocore",
    "moto",
    "asyncssh",
)


def loaded(code: str) -> set[str]:
    """Names of the modules of a fresh Python after it ran `code`."""
    said = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(said.stdout.split())


def test_the_command_line_itself_needs_none_of_what_its_commands_need() -> None:
    modules = loaded("import harness.cli")
    assert "click" in modules
    assert modules.isdisjoint({*HEAVY, "numpy", "sqlalchemy", "paramiko", "harness.pipeline"})


def test_what_is_seldom_needed_is_loaded_when_it_is() -> None:
    modules = loaded("from harness.cli import cli\n[cli.get_command(None, name) for name in cli.list_commands(None)]")
    assert "harness.pipeline" in modules
    assert modules.isdisjoint(HEAVY)


def test_a_replay_on_a_device_loads_nothing_of_the_orchestrator() -> None:
    modules = loaded("import harness.replay.__main__, harness.replay.driving_model, harness.replay.panda.replay")
    ours = {".".join(name.split(".")[:2]) for name in modules if name.startswith("harness.")}
    assert ours <= {
        f"harness.{part}" for part in ("array_header", "domain", "errors", "files", "recording", "replay", "trace")
    }
    assert modules.isdisjoint({*HEAVY, "scipy", "pydantic", "click", "sqlalchemy", "paramiko"})


def test_every_command_that_is_listed_is_there_under_its_name() -> None:
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    assert {name: command.name for name, command in commands.items() if command} == {name: name for name in commands}
    assert cli.get_command(context, "rum") is None
