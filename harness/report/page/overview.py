"""The overview of a run as what its template shows: gate, verdicts, claims, devices, coverage, and every trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.explanation import Explained, Story
from harness.intent import Action, ClaimResult
from harness.report.budget import clean
from harness.report.links import overview_link, segment_link, trial_key
from harness.report.page.segment import first_wrong_frame
from harness.report.summary import duration
from harness.report.trials import devices_of, every_attempt, in_a_line
from harness.verdict import Gate, JobResult, RunRecord, Verdict, claim_action, gate

_LONGEST_LINE = 240
_PLOT_PX = 220


@dataclass(frozen=True, slots=True)
class Written:
    """A segment that has a page, and whether a film is on it."""

    segment: str
    has_film: bool = False


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A line of the table. `page` is "" where the segment has no page; `wrong` leads to the first wrong frame."""

    verdict: str
    segment: str
    replayer: str
    kind: str
    devices: str
    words: str
    busy_s: float
    frame: int | None
    page: str
    wrong: str


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim with the plot of its interval, places in pixels; `plot` None where it has none."""

    claim: ClaimResult
    tone: str
    words: tuple[str, ...]
    plot: tuple[int, int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """What one device did in the run."""

    name: str
    kind: str
    attempts: int
    errors: int
    busy_s: float
    last_error: str


@dataclass(frozen=True, slots=True)
class OverviewFacts:
    """The overview as text."""

    record: RunRecord
    gate: Gate
    took: str
    tiles: tuple[tuple[str, int, str], ...]
    claims: tuple[tuple[str, tuple[ClaimRow, ...]], ...]
    stories: tuple[tuple[Story, str], ...]
    devices: tuple[DeviceRow, ...]
    coverage: tuple[tuple[str, dict[str, int]], ...]
    segments: int
    routes: int
    rows: tuple[TrialRow, ...]
    replayers: tuple[str, ...]
    kinds: tuple[str, ...]
    pages: int
    first: TrialRow | None
    checks: tuple[tuple[str, str], ...]


def overview_facts(record: RunRecord, explained: Explained | None, written: Sequence[Written]) -> OverviewFacts:
    """What the template of the overview shows; what did not pass comes first."""
    decided = gate(record)
    paged = {page.segment for page in written}
    order = (Verdict.FAIL, Verdict.ERROR, Verdict.QUARANTINED, Verdict.PASS)
    results = sorted(record.results, key=lambda result: order.index(result.verdict))
    rows = tuple(_trial_row(result, result.segment in paged) for result in results)
    tiles = tuple((v.value, decided.counts[v], overview_link(verdict=v.value).partition("#")[2]) for v in order)
    intents = dict.fromkeys(claim.intent for claim in record.claims)
    return OverviewFacts(
        record,
        decided,
        duration(record.duration_s),
        tiles,
        tuple(
            (intent, tuple(_claim_row(record, claim) for claim in record.claims if claim.intent == intent))
            for intent in intents
        ),
        tuple((story, _story_link(story, paged)) for story in (explained.stories if explained else ())),
        _devices(record),
        _coverage(record),
        len({result.segment for result in record.results}),
        len({result.segment.rpartition("/")[0] for result in record.results}),
        rows,
        tuple(dict.fromkeys(row.replayer for row in rows)),
        tuple(dict.fromkeys(row.kind for row in rows)),
        len(written),
        next((row for row in rows if row.wrong and row.verdict == Verdict.FAIL.value), None),
        tuple(_sides(record)),
    )


def _trial_row(result: JobResult, has_page: bool) -> TrialRow:
    frame = first_wrong_frame(result) if result.verdict is not Verdict.PASS else None
    key = trial_key(result.replayer, result.device_kind)
    attempts = every_attempt(result)
    return TrialRow(
        result.verdict.value,
        result.segment,
        result.replayer,
        result.device_kind,
        devices_of(result),
        clean(in_a_line(result), _LONGEST_LINE),
        sum(attempt.ended_s - attempt.started_s for attempt in attempts),
        frame,
        segment_link("", result.segment, trial=key) if has_page else "",
        segment_link("", result.segment, frame, trial=key) if has_page and frame is not None else "",
    )


def _claim_row(record: RunRecord, claim: ClaimResult) -> ClaimRow:
    action = claim_action(record, claim.standing)
    tone = {None: "pass", Action.WARN: "warn", Action.BLOCK: "fail"}[action]
    words = tuple(clean(claim.words, 2000).split("\n")) if claim.words else ()
    return ClaimRow(claim, tone, words, _plot(claim))


def _plot(claim: ClaimResult) -> tuple[int, int, int, int, int] | None:
    """Places of low end, effect, high end, least size that matters, and zero, in a plot centred on zero."""
    low, high = claim.interval
    if low is None or high is None or claim.effect is None:
        return None
    size = claim.size or 0.0
    reach = max(abs(low), abs(high), size) * 1.15
    if not 0 < reach < float("inf"):
        return None

    def place(value: float) -> int:
        return round(_PLOT_PX / 2 * (1 + value / reach))

    return place(low), place(claim.effect), place(high), round(_PLOT_PX / 2 * size / reach), _PLOT_PX // 2


def _story_link(story: Story, paged: set[str]) -> str:
    """The page of a story's exemplar, whose name is that of a trial."""
    segment = story.exemplar.partition(" · ")[0]
    return segment_link("", segment) if segment in paged else ""


def _devices(record: RunRecord) -> tuple[DeviceRow, ...]:
    kinds = {device.get("name", ""): device.get("kind", "") for device in record.devices}
    attempts = [attempt for result in record.results for attempt in every_attempt(result)]
    names = dict.fromkeys([*kinds, *(attempt.device for attempt in attempts)])
    rows = []
    for name in names:
        mine = [attempt for attempt in attempts if attempt.device == name]
        errors = [attempt.error for attempt in mine if attempt.error is not None]
        rows.append(
            DeviceRow(
                name,
                kinds.get(name, ""),
                len(mine),
                len(errors),
                sum(attempt.ended_s - attempt.started_s for attempt in mine),
                f"{errors[-1].kind}: {errors[-1].problem}" if errors else "",
            )
        )
    return tuple(rows)


def _coverage(record: RunRecord) -> tuple[tuple[str, dict[str, int]], ...]:
    """By replayer and kind of device: how many trials came to each verdict."""
    found: dict[str, dict[str, int]] = {}
    for result in record.results:
        counts = found.setdefault(trial_key(result.replayer, result.device_kind), {v.value: 0 for v in Verdict})
        counts[result.verdict.value] += 1
    return tuple(found.items())


def _sides(record: RunRecord) -> list[tuple[str, str]]:
    """What is on trial and what it is held against: one line where all replayers share it."""
    lines = []
    for name, side in (("candidate", record.candidate), ("baseline", record.baseline)):
        labels = dict.fromkeys(side.values())
        each = ", ".join(f"{replayer} {label}" for replayer, label in side.items())
        lines.append((name, next(iter(labels), "none") if len(labels) <= 1 else each))
    return lines
