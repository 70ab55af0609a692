"""Every command with its arguments, options and examples, as click has them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from ci.reference.text import GENERATED, table
from harness.cli import cli

NAME = "closet"


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by what is typed for it (`closet devices add`), groups before their own, in order."""
    yield from _below(NAME, cli)


def _below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _below(f"{path} {name}", inner)


def render() -> str:
    """The page."""
    found = list(all_commands())
    head = (
        "# Commands\n\n"
        "Every command has `--help`, which says the same. Results go to standard output, progress and mistakes to\n"
        "standard error; `--json` gives programs the same result. How a command ends is its\n"
        "[exit code](exit-codes.md).\n\n"
    )
    overview = table(
        ["command", "what it does"],
        [(f"[`{path}`](#{path.replace(' ', '-')})", command.get_short_help_str(200)) for path, command in found],
    )
    return GENERATED + head + overview + "".join(_command(path, command) for path, command in found)


def _command(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, max_content_width=110)
    usage = f"{path} {' '.join(command.collect_usage_pieces(context))}"
    parts = [f"## {path}", f"```text\n{usage}\n```", _prose(command.help or "")]
    rows = [row for parameter in command.params if (row := _option(parameter, context))]
    parts += [table(["option", "meaning", "default"], rows).rstrip()] if rows else []
    if example := _example(command.epilog or ""):
        parts.append(example)
    return "\n" + "\n\n".join(part for part in parts if part) + "\n"


def _prose(text: str) -> str:
    """Help text as Markdown: what stands for a value in capitals stays as it is."""
    paragraphs = textwrap.dedent(text.replace("\b\n", "")).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _option(parameter: click.Parameter, context: click.Context) -> tuple[str, str, str] | None:
    if not isinstance(parameter, click.Option) or parameter.hidden:
        return None
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    # click 8.1 and later differ in what they ask for a metavar.
    value = "" if parameter.is_flag else parameter.make_metavar(context)
    meaning = parameter.help or ""
    if parameter.multiple:
        meaning += " May be given several times." if "several" not in meaning and "again" not in meaning else ""
    named = parameter.envvar if isinstance(parameter.envvar, str) else ""
    if named and named not in meaning:
        meaning += f" Also `{named}`."
    default = "required" if parameter.required else _default(parameter, context)
    return f"{names}{f' `{value}`' if value else ''}", meaning, default


def _default(parameter: click.Option, context: click.Context) -> str:
    value = parameter.get_default(context, call=False)
    if isinstance(value, Path) and value.is_absolute():
        return ""  # a file of the program's own, wherever it is installed: its help says which
    shown = (str, int, float, Path)
    if parameter.is_flag or isinstance(value, bool) or not isinstance(value, shown) or value == "":
        return ""
    return f"`{value}`"


def _example(epilog: str) -> str:
    lines = [line for line in epilog.splitlines() if re.match(r"\s+(closet|CLOSET_\w+=)", line)]
    if not lines:
        return ""
    return "```sh\n" + "\n".join(_spoken(line.strip()) for line in lines) + "\n```"


def _spoken(line: str) -> str:
    """An example of a help text; what is said beside it becomes a comment."""
    command, gap, said = re.match(r"(.*?)(?:(\s{2,})(\S.*))?$", line).groups()  # type: ignore[union-attr]
    return f"{command}{gap}# {said}" if said else command
