"""What a run was made from, as far as it is still there: recordings whose digests are those of the run, and its checks.

A page is written days after a run, perhaps elsewhere. What is missing, or has changed since, is told and left out: a
film of another recording, or the band of another tolerance, would be a lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.config import Suite, load_suite
from harness.domain import Check, json_digest
from harness.errors import ClosetError
from harness.pipeline.intents import declare
from harness.pipeline.request import load_request
from harness.pipeline.runs import REQUEST
from harness.pipeline.selection import select
from harness.recording.layout import Recording
from harness.store import Store
from harness.verdict import JobResult

_RECORDING = "recording "


@dataclass(frozen=True, slots=True)
class Sources:
    """Recordings by segment, checks by replayer with their digest, and what is to be said of what is not there."""

    recordings: Mapping[str, Recording] = field(default_factory=dict)
    checks: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def files(self, result: JobResult, store: Store) -> tuple[dict[str, Path], str]:
        """The files a trial was replayed from, by stem, with those beside them; and why there are none."""
        wanted = {
            name.removeprefix(_RECORDING).partition(".")[0]: sha256
            for name, sha256 in result.provenance.items()
            if name.startswith(_RECORDING)
        }
        found = self.recordings.get(result.segment)
        if found is None:
            return {}, "its recording is not where the suite looks for it any more"
        try:
            for stem, sha256 in wanted.items():
                if stem not in found.files or store.digest_file(found.files[stem]).sha256 != sha256:
                    return {}, f"{stem} is not the one that was replayed: it was changed or removed since"
        except (ClosetError, OSError) as error:
            return {}, f"its recording cannot be read: {error}"
        return dict(found.files), ""

    def checks_of(self, result: JobResult) -> tuple[tuple[Check, ...], str]:
        """The checks that a trial was judged by; none, and why, where the suite has others by now."""
        checks = self.checks.get(result.replayer, ())
        judged_by = result.provenance.get("checks")
        if judged_by is None or not checks:
            return (), "" if judged_by is None else "the suite is not there any more: no tolerances are shown"
        if json_digest([asdict(check) for check in checks]) != judged_by:
            return (), "the suite's checks have changed since: no tolerances are shown"
        return checks, ""


def load_sources(folder: Path, store: Store) -> Sources:
    """The sources of the run in `folder`; nothing that is missing is an error."""
    notes: list[str] = []
    try:
        request = load_request(folder / REQUEST)
        suite = load_suite(request.suite)
    except ClosetError as error:
        return Sources(notes=(f"what was asked for is not known any more: {error}",))
    try:
        declared = declare(suite, request.intents)
        checks = {config.name: declared.checks(config) for config in suite.replayers}
    except ClosetError as error:
        notes.append(f"what was declared cannot be read any more: {error}")
        checks = {config.name: config.checks for config in suite.replayers}
    recordings, missing = _recordings(suite, store)
    return Sources(recordings, checks, (*notes, *missing))


def _recordings(suite: Suite, store: Store) -> tuple[dict[str, Recording], list[str]]:
    found: dict[str, Recording] = {}
    notes: list[str] = []
    for source in suite.routes:
        try:
            for recording in select(source, store.home):
                found.setdefault(str(recording.segment), recording)
        except ClosetError as error:
            notes.append(f"recordings are missing: {error}")
    return found, notes
