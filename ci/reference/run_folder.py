"""The files of a run's folder and of the closet's home. The tutorial's run is held against them by a test."""

from __future__ import annotations

from ci.reference.text import GENERATED, table
from harness.pipeline.runs import JUNIT, LOCK, RECORD, REQUEST, SUMMARY
from harness.pipeline.why import WHY
from harness.recording.corpus import CORPUS_FILE

RUN = {
    RECORD: "The complete plain description of the run, as JSON, from which every report is regenerated. From the "
    "first second it holds every planned job as ERROR “not run”.",
    REQUEST: "What was asked for, as JSON: what `closet resume` goes on with.",
    SUMMARY: "The summary as it was printed.",
    JUNIT: "The report for a build server.",
    WHY: "What `closet why` found, where it was asked or the suite says `why:`.",
    "incoming": "Where results arrive before they are checked and kept in the store. Empty when the run is over.",
    LOCK: "Held by the program that is at work on the run.",
}
HOME = {
    "runs": "One folder a run, named by the day and a number: `2026-11-21-001`.",
    "store": "Traces and other results by digest (`blobs/`), the ledger of baselines (`baselines.jsonl`) and what was "
    "measured of noise (`noise.jsonl`). Ledgers are only ever added to.",
    "closet.db": "An index of what is stored: it can be deleted, and is made anew.",
    "shelf.db": "What runs share on one machine: leases, turns, health of devices, history.",
    "emulated": "Emulated workers of runs: their keys and their folders.",
    CORPUS_FILE: "The index of recordings that `closet routes index` made.",
    "nightly": "How far `closet nightly` is.",
    "recovery": "What recovery hooks said.",
    "wheelhouses": "Packages for devices, by digest.",
    "bisect": "Models taken out of a repository by `closet bisect`.",
}


def render() -> str:
    """The page."""
    run = table(["file", "what it is"], [(f"`{name}`", words) for name, words in RUN.items()])
    home = table(["file or folder", "what it is"], [(f"`{name}`", words) for name, words in HOME.items()])
    return (
        f"{GENERATED}# Files of a run\n\n"
        "## A run's folder\n\n"
        "`.closet/runs/2026-11-21-001`, or what `--run-dir` names.\n\n"
        f"{run}\n"
        "Traces are not in it: the record names them by digest, and they lie in the store. A trace is a zip of `.npy`\n"
        "arrays, one a channel, with a `manifest.json`; it holds no pickle.\n\n"
        "## The closet's home\n\n"
        "`$CLOSET_HOME`, by default `.closet` in the current folder. Nothing is written anywhere else.\n\n"
        f"{home}"
    )
