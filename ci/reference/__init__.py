"""The reference pages of the documentation, rendered from the code: `ci/docs --write` puts them into docs/reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ci.reference import (
    commands,
    environment,
    expressions,
    faults,
    keys,
    metrics,
    replayers,
    run_folder,
    thresholds,
    verdicts,
)

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
METRICS = FOLDER.parent / "metrics.md"

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


def write_pages() -> list[Path]:
    """Write every page that is not there as it should be; returns those that were written."""
    texts = {FOLDER / name: render() for name, render in PAGES.items()}
    texts[METRICS] = metrics.with_tables(METRICS.read_text())
    written = [path for path, text in texts.items() if not path.is_file() or path.read_text() != text]
    for path in written:
        path.write_text(texts[path])
    return written
