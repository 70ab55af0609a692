"""What of a run is quarantined: entries held against its trials. Pure."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.domain import DeviceKind, QuarantineEntry, SegmentId
from harness.errors import ConfigError, ConfigMistakesError
from harness.recording.names import parse_selector
from harness.verdict import JobResult, excuse

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry may hold: one planned trial and the names of its checks."""

    segment: SegmentId
    replayer: str
    device_kind: DeviceKind
    checks: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the trial."""
        return f"{self.segment} · {self.replayer} · {self.device_kind}"


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The entries that say something of a run's trials, by the trial's name, and the checks planned for each."""

    held: Mapping[str, tuple[QuarantineEntry, ...]]
    planned: Mapping[str, frozenset[str]]
    today: datetime.date

    def applied(self, result: JobResult) -> JobResult:
        """The result with what is quarantined excused; entries that have expired are told, and excuse nothing."""
        entries = self.held.get(result.name, ())
        if not entries:
            return result
        holding = tuple(entry for entry in entries if entry.days_left(self.today) >= 0)
        expired = tuple(entry for entry in entries if entry not in holding)
        planned = self.planned[result.name] | {check.check for check in result.checks}
        quarantined = frozenset(check for check in planned if any(_covers(entry, check) for entry in holding))
        return excuse(result, quarantined, planned, holding, expired)


def hold(entries: Sequence[QuarantineEntry], places: Iterable[Place], today: datetime.date) -> Quarantine:
    """The quarantine of a run with these trials."""
    places = tuple(places)
    segments = {place.segment for place in places}
    chosen = [(entry, _segments(entry, segments)) for entry in entries]
    held = {
        place.name: found
        for place in places
        if (found := tuple(entry for entry, names in chosen if place.segment in names and _concerns(entry, place)))
    }
    return Quarantine(held, {place.name: frozenset(place.checks) for place in places}, today)


def unmatched(entries: Sequence[QuarantineEntry], places: Iterable[Place]) -> tuple[QuarantineEntry, ...]:
    """The entries that say something of none of the places: a route that is gone, a check that has another name."""
    held = hold(entries, places, datetime.date.min).held
    found = {entry for entries_there in held.values() for entry in entries_there}
    return tuple(entry for entry in entries if entry not in found)


def check_entries(entries: Sequence[QuarantineEntry]) -> None:
    """ConfigMistakesError with every route that is neither a selector nor a pattern."""
    errors: list[ConfigError] = []
    for entry in entries:
        if not _WILDCARDS & set(entry.route):
            try:
                parse_selector(entry.route)
            except ConfigError as error:
                remedy = f"{error.remedy}; or a pattern, as 5beb9b58bd12b691/*"
                errors.append(ConfigError(error.problem, where=entry.where, remedy=remedy))
    if errors:
        raise ConfigMistakesError(tuple(errors))


def check_expiry(entries: Sequence[QuarantineEntry], today: datetime.date) -> None:
    """ConfigMistakesError with every entry that has expired."""
    errors = tuple(
        ConfigError(
            f"the quarantine of {entry.route} expired {_days(-entry.days_left(today))} ago, on {entry.expires}",
            where=entry.where,
            remedy=f"ask {entry.owner} about {entry.issue}: release it, or give it another date",
        )
        for entry in entries
        if entry.days_left(today) < 0
    )
    if errors:
        raise ConfigMistakesError(errors)


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _concerns(entry: QuarantineEntry, place: Place) -> bool:
    """Whether kind, replayer and at least one check of the place are meant."""
    return (
        (not entry.device_kinds or place.device_kind in entry.device_kinds)
        and any(fnmatch.fnmatchcase(place.replayer, pattern) for pattern in entry.replayers)
        and any(_covers(entry, check) for check in place.checks)
    )


def _covers(entry: QuarantineEntry, check: str) -> bool:
    return any(fnmatch.fnmatchcase(check, pattern) for pattern in entry.checks)


def _segments(entry: QuarantineEntry, there: set[SegmentId]) -> set[SegmentId]:
    """The segments of `there` that an entry's route means."""
    if _WILDCARDS & set(entry.route):
        pattern = entry.route.replace("|", "/")
        return {segment for segment in there if fnmatch.fnmatchcase(str(segment), pattern)}
    selector = parse_selector(entry.route)
    numbers = sorted(segment.number for segment in there if segment.route == selector.route)
    try:
        return {SegmentId(selector.route, number) for number in selector.numbers(numbers)}
    except ConfigError:
        return set()  # none of it is in this run
