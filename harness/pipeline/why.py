"""Why did it move: which input made each of the worst FAILs of a run, and which of all its FAILs moved alike.

Every trial that FAILed is looked at through its two stored traces; of the worst the swaps are replayed as well. What is
found lies beside the record as why.json; the record knows nothing of it.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from harness.compare.align import align
from harness.compare.causes import BASELINE, CANDIDATE, attribute, find_groups, hold_swap
from harness.compare.first import first_to_move
from harness.compare.growth import find_growth
from harness.compare.motion import Motion, find_motion, find_road, rms
from harness.compare.shapes import Shape, find_shape
from harness.compare.stories import find_stories
from harness.domain import Priority
from harness.errors import ClosetError
from harness.explanation import Explained, Explanation, Swap, parse_explained, render_explained
from harness.files import write_text
from harness.pipeline.events import Observer
from harness.pipeline.execute import Replays
from harness.pipeline.prepare import prepare
from harness.pipeline.request import load_request
from harness.pipeline.runs import REQUEST
from harness.pipeline.why_swaps import Swapped, run_swaps
from harness.store import Store
from harness.trace import Trace
from harness.verdict import JobResult, RunRecord, Verdict

WHY = "why.json"
REPLAYER = "driving_model"

Swapper: TypeAlias = Callable[[Sequence[JobResult]], dict[str, Swapped]]
"""Has the swaps of some trials replayed."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One trial looked at."""

    result: JobResult
    explanation: Explanation
    shape: Shape

    @property
    def badness(self) -> tuple[float, float, str]:
        """The worst sorts first."""
        told = self.explanation
        return (-told.action_mps2, -abs(told.lateral_m) - abs(told.longitudinal_m), told.name)


def explain_run(
    record: RunRecord, store: Store, *, most: int, swap: Swapper, segments: Sequence[str] = ()
) -> Explained:
    """Why the trials of a run that FAILed moved: stories of all, and an explanation each of `most`, the worst first.

    With `segments` those are explained, whatever came of them. An error of ours that hinders it becomes a note.
    """
    judged = [
        result
        for result in record.results
        if result.replayer == REPLAYER and result.candidate_trace and result.baseline_trace
    ]
    failed = [result for result in judged if result.verdict is Verdict.FAIL]
    wanted = [result for result in judged if result.segment in segments]
    notes: list[str] = []
    seen: dict[str, _Seen] = {}
    for result in {entry.name: entry for entry in (*failed, *wanted)}.values():
        try:
            seen[result.name] = _look(result, store, Swapped({}))
        except ClosetError as error:
            notes.append(f"{result.segment} is not told: {error.problem}")
    ranked = sorted(seen.values(), key=lambda entry: entry.badness)
    told = [entry for entry in ranked if entry.result.verdict is Verdict.FAIL]
    worst = [entry for entry in ranked if entry.result in wanted] if segments else _worst(told, most)
    if worst:
        try:
            swaps = swap([entry.result for entry in worst])
        except ClosetError as error:
            swaps = {}
            notes.append(f"nothing was swapped: {error}")
        for entry in worst:
            if entry.result.name in swaps:
                seen[entry.result.name] = _look(entry.result, store, swaps[entry.result.name])
    others = sum(result.verdict is Verdict.FAIL for result in record.results) - len(failed)
    if others:
        notes.append(f"{others} more FAILed without two traces of {REPLAYER}; closet diff shows them")
    return Explained(
        record.run,
        REPLAYER,
        len(failed),
        find_stories([seen[entry.result.name].shape for entry in told]),
        tuple(seen[entry.result.name].explanation for entry in worst),
        "\n".join(notes),
    )


def _worst(ranked: Sequence[_Seen], most: int) -> list[_Seen]:
    """The worst of all, the exemplar of each story, then the next worst: at most so many, the worst first."""
    exemplars = {story.exemplar for story in find_stories([entry.shape for entry in ranked])}
    order = sorted(range(len(ranked)), key=lambda place: (place > 0, ranked[place].result.name not in exemplars, place))
    return [ranked[place] for place in sorted(order[:most])]


def swap_anew(folder: Path, store: Store, observer: Observer, stop: threading.Event) -> Swapper:
    """Swaps on the devices of a run that is over, in `folder`."""

    def swap(results: Sequence[JobResult]) -> dict[str, Swapped]:
        request = load_request(folder / REQUEST)
        segments = tuple(dict.fromkeys(result.segment for result in results))
        prepared = prepare(replace(request, segments=segments, only=(), fresh=False), store)
        with (
            tempfile.TemporaryDirectory(prefix="why-", dir=store.home) as scratch,
            Replays(
                prepared.fleet,
                store,
                blob_paths=prepared.blob_paths,
                folder=Path(scratch),
                suite=prepared.plan.suite,
                priority=Priority.PROMPT,
                observer=observer,
                stop=stop,
                runtimes=prepared.suite.runtimes,
            ) as replays,
        ):
            return run_swaps(results, prepared, store, replays)

    return swap


def write_why(folder: Path, explained: Explained) -> None:
    """Put it into the run's folder, atomically."""
    write_text(folder / WHY, render_explained(explained))


def load_why(folder: Path) -> Explained | None:
    """What was found earlier for the run in `folder`; None when nobody asked."""
    path = folder / WHY
    return parse_explained(path.read_bytes(), where=str(path)) if path.is_file() else None


def _look(result: JobResult, store: Store, swapped: Swapped) -> _Seen:
    expected, observed = store.load_trace(result.baseline_trace), store.load_trace(result.candidate_trace)
    motion = find_motion(expected, observed)
    swaps, mine = _held_against(expected, observed, motion, swapped, store)
    told = attribute(expected, observed, motion, swaps, mine)
    alignment = align(expected, observed)
    moved = first_to_move(expected, observed, alignment)
    growth = find_growth(motion.size, motion.seconds, motion.frame_ids)
    road = find_road(expected, motion.frame_ids)
    shape = find_shape(result.name, result.segment, motion, road, growth, told.cause)
    explanation = Explanation(
        result.name,
        result.segment,
        result.device_kind,
        result.verdict.value,
        told.cause,
        told.words,
        moved[1] if moved else "nothing differs",
        find_groups(expected, observed),
        growth,
        rms(motion.size) if motion.by_action else 0.0,
        shape.lateral_m,
        shape.longitudinal_m,
        shape.broken_frames,
        swaps,
        told.carried,
        told.carried_from,
        swapped.note,
    )
    return _Seen(result, explanation, shape)


def _held_against(
    expected: Trace, observed: Trace, motion: Motion, swapped: Swapped, store: Store
) -> tuple[tuple[Swap, ...], Trace | None]:
    """The swaps with what they left of the difference; and the candidate's policy over the baseline's features."""
    swaps: list[Swap] = []
    mine: Trace | None = None
    for (policy, features), replayed in swapped.traces.items():
        if replayed.error is not None:
            swaps.append(Swap(policy, features, error=replayed.error.problem))
            continue
        trace = store.load_trace(replayed.trace_sha256)
        # A side over its own features should give what that side gave; every other is held against the baseline.
        own = observed if policy == features == CANDIDATE else expected
        swaps.append(hold_swap(own, trace, motion, Swap(policy, features, trace=replayed.trace_sha256)))
        if (policy, features) == (CANDIDATE, BASELINE):
            mine = trace
    return tuple(swaps), mine
