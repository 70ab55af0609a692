"""`python -m tests.docs`: the commands of every page, given in a fresh folder each. 1 when one is not as shown."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from tests.docs.labs import named_devices, prepare_desk, prepare_tutorial, three_drives, tiny_demo
from tests.docs.not_run import reason_not_to_run
from tests.docs.running import Played, give_to_shell, play, rewritten
from tests.docs.shown import ROOT, pages, shown_commands

THREE_DRIVES = {"README.md", "docs/investigation.md"}
"""Pages that speak of three drives; the others need one."""
NAMED_DEVICES = {"docs/devices.md"}
"""Pages that speak of devices by name."""
TUTORIAL = "docs/tutorial.md"


def main(arguments: list[str] | None = None) -> int:
    """Run the pages that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put what was printed into the pages")
    parser.add_argument("--page", action="append", default=[], help="only this page; may be given again")
    chosen = parser.parse_args(arguments)
    wrong = 0
    for page, text in pages().items():
        if chosen.page and page not in chosen.page:
            continue
        if all(reason_not_to_run(command) for command in shown_commands(page, text)):
            continue
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="closet-docs-") as name:
            played = _played(page, text, Path(name))
            if chosen.write and (new := rewritten(text, played, Path(name))) != text:
                (ROOT / page).write_text(new)
        _say(f"{page}: {len(played)} commands, {time.monotonic() - begin:.0f} s")
        wrong += sum(bool(entry.wrong) for entry in played)
    return 1 if wrong else 0


def _played(page: str, text: str, folder: Path) -> list[Played]:
    if page == TUTORIAL:
        prepare_tutorial(folder, tiny_demo())
    elif page in THREE_DRIVES:
        prepare_desk(folder, three_drives(), renamed=False)
    else:
        prepare_desk(folder, tiny_demo(), renamed=True)
    played = []
    with named_devices(folder) if page in NAMED_DEVICES else nullcontext():
        for entry in play(page, text, folder, give_to_shell):
            played.append(entry)
            _tell(entry)
    return played


def _tell(entry: Played) -> None:
    if entry.wrong:
        _say(f"WRONG  {entry.command.where}: {entry.wrong}\n  $ {entry.command.text}")
        _say("\n".join(f"  | {line}" for line in (entry.printed.out + entry.printed.err).splitlines()[-40:]))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
