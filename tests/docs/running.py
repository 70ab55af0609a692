"""Gives the commands of a page, in its order, in a folder made for it, and holds what they print against the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.likeness import ANYTHING, is_like
from tests.docs.not_run import reason_not_to_run
from tests.docs.shown import ROOT, Command, blocks, commands

_BEFORE = re.compile(r"^<!-- before: (?P<text>.+) -->$", re.MULTILINE)
_EXIT = re.compile(r"^gate \w+, exit (\d)", re.MULTILINE)
_LONGEST_S = 900.0
_JUDGES = {"run", "resume", "report", "claims", "nightly", "why"}


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Played:
    """A command of a page, what came of it, and what is wrong with that; `wrong` is empty where it is as shown."""

    command: Command
    printed: Printed
    wrong: str


Give = Callable[[str, Path], Printed]


def give_to_shell(text: str, folder: Path) -> Printed:
    """Give a command to a shell that stands in `folder`, with a home of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOSET_")}
    environment |= {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "160",
    }
    with subprocess.Popen(
        ["bash", "-c", text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that all of it can be ended
    ) as process:
        try:
            out, err = process.communicate(timeout=_LONGEST_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            out, err = process.communicate()
            err += f"\nended after {_LONGEST_S:g} s\n"
    return Printed(process.returncode, out, err)


def play(page: str, text: str, folder: Path, give: Give) -> Iterator[Played]:
    """Write the files of a page and give its commands; those that are not run here are left out."""
    lines = text.splitlines()
    for block in blocks(page, text):
        if block.file_name:
            path = folder / block.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(block.lines) + "\n")
        for before in _said_before(lines, block.line):
            printed = give(before, folder)
            if printed.code not in {0, 1, 3}:
                yield Played(Command(page, block.line, before), printed, f"exit {printed.code}, before the block")
        for command in commands(block):
            if not reason_not_to_run(command):
                printed = give(command.text, folder)
                yield Played(command, printed, judge(command, printed))


def judge(command: Command, printed: Printed) -> str:
    """What is wrong with what came of a command; empty where nothing is."""
    allowed = allowed_codes(command)
    if printed.code not in allowed:
        return f"exit {printed.code} instead of {' or '.join(map(str, sorted(allowed)))}"
    if command.output is not None and not is_like(command.output, output_of(command, printed)):
        return "it prints something else"
    return ""


def allowed_codes(command: Command) -> set[int]:
    """The exit codes that a command may have, by what the page shows of it."""
    shown = "\n".join(command.output or ())
    if found := _EXIT.search(shown):
        return {int(found[1])}
    if shown.startswith("closet: "):
        return {2}
    words = command.words
    if words[:3] in (["closet", "devices", "check"], ["closet", "baselines", "verify"]):
        return {0, 3}  # they say how things are
    return {0, 1, 3} if words[0] == "closet" and words[1] in _JUDGES else {0}


def output_of(command: Command, printed: Printed) -> list[str]:
    """The lines that a person would put into the page: mistakes where those are shown, else the result."""
    mistake = any(line.startswith("closet: ") for line in command.output or ())
    return (printed.err if mistake else printed.out).rstrip().splitlines()


def rewritten(text: str, played: list[Played], folder: Path) -> str:
    """The page with what was printed instead of what it showed, where that was something else."""
    lines = text.splitlines()
    for entry in sorted(played, key=lambda each: each.command.line, reverse=True):
        command = entry.command
        if not entry.wrong or command.output is None or any(ANYTHING in line for line in command.output):
            continue
        begin = command.line  # the line below the command, or below what it goes on in
        while lines[begin - 1].endswith("\\"):
            begin += 1
        new = [line.replace(f"{folder}/", "").rstrip() for line in output_of(command, entry.printed)]
        lines[begin : begin + len(command.output)] = new
    return "\n".join(lines) + "\n"


def _said_before(lines: list[str], first_line: int) -> list[str]:
    """The commands in the comments right above a block whose text begins at `first_line`."""
    found, above = [], first_line - 3
    while above >= 0 and (match := _BEFORE.match(lines[above])):
        found.append(match["text"])
        above -= 1
    return found[::-1]
