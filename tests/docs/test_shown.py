"""Every command that a page shows is one that there is, with options that there are."""

from __future__ import annotations

import re

import click
import pytest

from ci.reference.commands import all_commands
from tests.docs.not_run import reason_not_to_run, stale_entries
from tests.docs.shown import ROOT, Block, Command, blocks, commands, pages, shown_commands

PAGES = pages()
SHOWN = [command for page, text in PAGES.items() for command in shown_commands(page, text)]
BEFORE = re.compile(r"^<!-- before: (.+) -->$", re.MULTILINE)
IN_PROSE = re.compile(r"`(closet (?:[a-z-]+ )*[^`]*?)`")
_VARIABLE = re.compile(r"[A-Z_]+=\S*")
_LEAST_SHOWN = 120

ALL = dict(all_commands())


def parse(words: list[str]) -> None:
    """Parse a `closet …` command line as click does, down to its last command; click's error when it cannot be."""
    path, rest = words[0], words[1:]
    while isinstance(ALL[path], click.Group) and rest and f"{path} {rest[0]}" in ALL:
        path, rest = f"{path} {rest[0]}", rest[1:]
    command = ALL[path]
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        raise click.UsageError(f"there is no command {path} {rest[0]}")
    with command.make_context(path, rest):
        pass


def typed(command: Command) -> list[str]:
    """Its words without variables set in front of it."""
    words = command.words
    while words and _VARIABLE.fullmatch(words[0]):
        words = words[1:]
    return words


def problems(shown: list[Command]) -> list[str]:
    """What is wrong with commands of ours, each with its place."""
    found = []
    for command in shown:
        words = typed(command)
        if not words or words[0] != "closet" or words[1:] in (["--version"], ["--help"]):
            continue
        try:
            parse(words)
        except click.ClickException as error:
            found.append(f"{command.where}: {command.text}: {error.format_message()}")
    return found


def test_every_command_that_is_shown_can_be_given() -> None:
    assert len(SHOWN) > _LEAST_SHOWN
    assert problems(SHOWN) == []


def test_commands_that_pages_need_first_can_be_given() -> None:
    needed = [Command(page, 0, text) for page, content in PAGES.items() for text in BEFORE.findall(content)]
    assert problems(needed) == []


def test_commands_in_prose_begin_with_one_that_there_is() -> None:
    wrong = []
    for page, text in PAGES.items():
        for found in IN_PROSE.findall(text):
            words = found.split()
            name = " ".join(words[:2]) if words[1:] and re.fullmatch(r"[a-z-]+", words[1]) else "closet"
            if name not in ALL:
                wrong.append(f"{page}: {found}")
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    ["closet run suite.yaml --candidat m", "closet rum suite.yaml", "closet devices provison x", "closet bless last"],
)
def test_a_command_that_there_is_not_is_found(text: str) -> None:
    assert len(problems([Command("page", 1, text)])) == 1


def test_commands_stand_in_blocks_that_are_read() -> None:
    """A command in a block of another language would escape all of this."""
    escaped = [
        f"{block.page}:{number}"
        for page, text in PAGES.items()
        for block in blocks(page, text)
        for number, line in enumerate(block.lines, block.line)
        if not list(commands(block)) and re.match(r"\s*(\$ )?closet [a-z]+ ", line) and not block.is_usage
    ]
    assert escaped == []


def test_indented_code_is_none() -> None:
    indented = [page for page, text in PAGES.items() if re.search(r"\n\n    (closet|ci/|\$ )", text)]
    assert indented == []


def test_what_is_not_run_is_shown_and_has_a_reason() -> None:
    assert stale_entries(SHOWN) == []
    left_out = [command for command in SHOWN if reason_not_to_run(command)]
    assert 0 < len(left_out) < len(SHOWN)


def test_an_entry_that_fits_nothing_is_told() -> None:
    without = [command for command in SHOWN if command.page != "docs/devices.md"]
    assert stale_entries(without) == ["docs/devices.md: closet devices burn-in"]


def test_blocks_are_read_with_their_output_and_their_file() -> None:
    first, second, third = blocks(
        "p",
        "a\n```console\n$ one \\\n    two\nsaid\n\n$ three\n```\n"
        "```yaml\n# x/y.yaml\na: 1\n```\n"
        "```sh\nfour # five\n# six\n```\n",
    )
    assert [(each.line, each.text, each.output) for each in commands(first)] == [
        (3, "one two", ("said", "")),
        (7, "three", ()),
    ]
    assert second.file_name == "x/y.yaml"
    assert [each.words for each in commands(third)] == [["four"]]
    assert list(commands(Block("p", 1, "yaml", ("$ no",)))) == []
    with pytest.raises(ValueError, match="p:2"):
        list(blocks("p", "```sh\nopen"))


def test_all_pages_are_there() -> None:
    assert {"README.md", "docs/index.md", "docs/tutorial.md", "docs/reference/commands.md"} <= PAGES.keys()
    assert (ROOT / "mkdocs.yml").is_file()
