"""The archive: what runs found, told again over weeks, and who changed what by hand. On the shelf's own database."""

from __future__ import annotations

from collections.abc import Mapping

from harness.shelf import audit, run_queries, run_writing, trends
from harness.shelf.database import Database
from harness.shelf.run_values import (
    AuditEntry,
    ClaimEntry,
    Counts,
    Covered,
    DeviceDays,
    FlakyPlace,
    LastSeen,
    Moved,
    PastTrial,
    Point,
    RunEntry,
    RunFilter,
    RunRow,
    SeriesRow,
    TrialRow,
)

_ALL = RunFilter()


class Archive:
    """What the shelf remembers of runs. Thread-safe; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Writing

    def write_run(self, entry: RunEntry) -> int:
        """Everything of a run as it is now, in place of what was known of it; its number."""
        return self._database.write(lambda t: run_writing.write_run(t, entry))

    def write_progress(self, run: int, counts: Counts, duration_s: float, seen: str) -> None:
        """How far a run is."""
        self._database.write(lambda t: run_writing.write_progress(t, run, counts, duration_s, seen))

    def seen_records(self, host: str) -> Mapping[str, str]:
        """Of each run of a machine, by folder: which state of its record is known."""
        return self._database.read(lambda t: run_writing.seen_records(t, host))

    # Runs

    def runs(
        self, chosen: RunFilter = _ALL, *, before: tuple[float, int] | None = None, limit: int = 50
    ) -> tuple[RunRow, ...]:
        """Runs, the newest first; those that began before (start, number) where it is given."""
        return self._database.read(lambda t: run_queries.run_rows(t, chosen, before, limit))

    def running(self) -> tuple[RunRow, ...]:
        """Runs that have begun and not ended."""
        return self._database.read(run_queries.running)

    def run(self, slug: str) -> RunRow | None:
        """One run by its name in addresses."""
        return self._database.read(lambda t: run_queries.run_row(t, slug))

    def run_before(self, run: RunRow) -> RunRow | None:
        """The run of the same suite before this one."""
        return self._database.read(lambda t: run_queries.run_before(t, run))

    def latest_of_each_suite(self, limit: int = 20) -> tuple[RunRow, ...]:
        """The newest run of every suite that has ended."""
        return self._database.read(lambda t: run_queries.latest_of_each_suite(t, limit))

    def suites(self) -> tuple[str, ...]:
        """Names of all suites that were ever run."""
        return self._database.read(run_queries.suites)

    def trials(
        self, run: int, *, verdict: str = "", text: str = "", after: int = -1, limit: int = 100
    ) -> tuple[TrialRow, ...]:
        """Trials of a run in report order, behind ordinal `after`."""
        return self._database.read(
            lambda t: run_queries.trial_rows(t, run, verdict=verdict, text=text, after=after, limit=limit)
        )

    def trial(self, run: int, ordinal: int) -> TrialRow | None:
        """One trial of a run."""
        return self._database.read(lambda t: run_queries.trial_row(t, run, ordinal))

    def past_trials(self, place: int, limit: int = 40) -> tuple[PastTrial, ...]:
        """The same place in the last runs, the newest first."""
        return self._database.read(lambda t: run_queries.past_trials(t, place, limit))

    def claims(self, run: int) -> tuple[ClaimEntry, ...]:
        """The claims of a run."""
        return self._database.read(lambda t: run_queries.claim_entries(t, run))

    def moved(self, before: int, after: int) -> tuple[Moved, ...]:
        """Trials whose verdict is not the same in two runs."""
        return self._database.read(lambda t: run_queries.moved(t, before, after))

    # Many runs together

    def series(self, suite: str = "") -> tuple[SeriesRow, ...]:
        """The metrics that runs have measured."""
        return self._database.read(lambda t: trends.series_rows(t, suite))

    def series_points(self, number: int, limit: int = 200) -> tuple[Point, ...]:
        """The last values of a series, oldest first."""
        return self._database.read(lambda t: trends.series_points(t, number, limit))

    def one_series(self, number: int) -> SeriesRow | None:
        """A metric by its number."""
        return self._database.read(lambda t: trends.one_series(t, number))

    def recent_points(self, suite: str, last_runs: int = 60) -> Mapping[SeriesRow, tuple[Point, ...]]:
        """What the last runs of a suite measured, by metric, oldest first."""
        return self._database.read(lambda t: trends.recent_points(t, suite, last_runs))

    def flaky_places(self, suite: str = "", *, last_runs: int = 40, limit: int = 50) -> tuple[FlakyPlace, ...]:
        """Places that were not steady over the last runs, the worst first."""
        return self._database.read(lambda t: trends.flaky_places(t, suite, last_runs, limit))

    def devices_since(self, days: int = 30) -> tuple[DeviceDays, ...]:
        """How every device did in the last days, the worst first."""
        return self._database.read(lambda t: trends.devices_since(t, days))

    def device_errors_by_day(self, device: str, days: int = 60) -> tuple[tuple[int, int, int], ...]:
        """(day since 1970, attempts, errors) of a device, oldest first."""
        return self._database.read(lambda t: trends.device_errors_by_day(t, device, days))

    def coverage(self) -> tuple[Covered, ...]:
        """How much of what is known was judged in the last day, week and month."""
        return self._database.read(trends.coverage)

    def longest_unseen(self, limit: int = 50) -> tuple[LastSeen, ...]:
        """Places that were not judged for longest."""
        return self._database.read(lambda t: trends.longest_unseen(t, limit))

    # Changes by hand

    def begin_change(self, *, who: str, via: str, action: str, subject: str, reason: str) -> int:
        """Note what somebody is about to do; the entry's number."""
        told = {"who": who, "via": via, "action": action, "subject": subject, "reason": reason}
        return self._database.write(lambda t: audit.begin(t, **told))

    def end_change(self, number: int, outcome: str) -> None:
        """Note what came of it."""
        self._database.write(lambda t: audit.end(t, number, outcome))

    def changes(self, *, before: int | None = None, limit: int = 50) -> tuple[AuditEntry, ...]:
        """What people changed, the newest first."""
        return self._database.read(lambda t: audit.entries(t, before, limit))
