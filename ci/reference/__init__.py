"""The reference pages of the documentation, rendered from the code: `ci/docs --write` puts them into docs/reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ci.reference import commands, environment, expressions, faults, keys, replayers, run_folder, thresholds, verdicts

FOLDER = Path(__file__).parents[2] / "docs" / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.render,
    "suite.md": keys.render_suite,
    "devices.md": keys.render_devices,
    "intent.md": keys.render_intent,
    "quarantine.md": keys.render_quarantine,
    "expressions.md": expressions.render,
    "thresholds.md": thresholds.render,
    "replayers.md": replayers.render,
    "verdicts.md": verdicts.render,
    "exit-codes.md": faults.render,
    "environment.md": environment.render,
    "run-folder.md": run_folder.render,
}


def write_pages(folder: Path = FOLDER) -> list[str]:
    """Write every page that is not there as it should be; returns their names."""
    written = []
    for name, render in PAGES.items():
        text, path = render(), folder / name
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            written.append(name)
    return written
