"""What the pages show: fenced blocks, the commands in them with their output, and the files they say to write.

Commands stand in ```sh blocks, one a line, or in ```console blocks behind `$ `, with what they print below them. A
block whose first line is `# NAME.yaml` or the like is that file. In an output `…` stands for anything: alone in a line
for any number of lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMPT = "$ "
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)\s*$")
_FILE = re.compile(r"^# (?P<name>[\w./-]+\.(?:yaml|py|json))$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: `line` is that of its first line of text, from 1."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def is_usage(self) -> bool:
        """Whether it is how a command is put together, with words in capitals for what is given."""
        return self.language == "text" and self.page == "docs/reference/commands.md"

    @property
    def file_name(self) -> str:
        """The file that it is, as its first line says; empty when it is none."""
        found = _FILE.match(self.lines[0]) if self.lines else None
        return found["name"] if found else ""


@dataclass(frozen=True, slots=True)
class Command:
    """One command as shown. `output` is None where none is shown."""

    page: str
    line: int
    text: str
    output: tuple[str, ...] | None = None

    @property
    def words(self) -> list[str]:
        """It as an argument list, without its comment and without what the shell does with the result."""
        words = shlex.split(self.text, comments=True)
        ends = [words.index(sign) for sign in ("|", ">") if sign in words]
        return words[: min(ends)] if ends else words

    @property
    def where(self) -> str:
        """`docs/noise.md:8`, for messages."""
        return f"{self.page}:{self.line}"


def pages() -> dict[str, str]:
    """The text of every page by its path from the root, README first."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def blocks(page: str, text: str) -> Iterator[Block]:
    """The fenced blocks of a page in order."""
    language, indent, begun, lines = "", "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and not begun:
            language, indent, begun, lines = fence["language"], fence["indent"], number + 1, []
        elif fence:
            yield Block(page, begun, language, tuple(lines))
            begun = 0
        elif begun:
            lines.append(line.removeprefix(indent))
    if begun:
        raise ValueError(f"{page}:{begun}: a block that is not closed")


def commands(block: Block) -> Iterator[Command]:
    """The commands that a block shows, in order."""
    language = block.language or _guessed(block)
    if language == "sh":
        for number, text in _joined(block):
            if shlex.split(text, comments=True):
                yield Command(block.page, number, text)
    if language == "console":
        yield from _with_output(block)


def _guessed(block: Block) -> str:
    """What a block that does not say it is: the README is plain."""
    first = block.lines[0] if block.lines else ""
    if first.startswith(PROMPT):
        return "console"
    return "sh" if first.startswith(("closet ", "ci/")) else "text"


def _with_output(block: Block) -> Iterator[Command]:
    said: Command | None = None
    for number, text in _joined(block):
        if text.startswith(PROMPT):
            if said is not None:
                yield said
            said = Command(block.page, number, text.removeprefix(PROMPT), ())
        elif said is not None:
            said = Command(said.page, said.line, said.text, (*(said.output or ()), text))
    if said is not None:
        yield said


def _joined(block: Block) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; those that end in a backslash with what follows."""
    begun, text = 0, ""
    for number, line in enumerate(block.lines, block.line):
        begun = begun or number
        if line.endswith("\\"):
            text += line.removesuffix("\\")
            continue
        yield begun, text + (line.lstrip() if text else line)
        begun, text = 0, ""


def shown_commands(page: str, text: str) -> list[Command]:
    """Every command that a page shows."""
    return [command for block in blocks(page, text) for command in commands(block)]
