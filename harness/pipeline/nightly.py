"""The closet that never sleeps: round after round of the segments that were not seen for longest, for weeks.

A round is an ordinary run of some segments in which everything is replayed anew, so that a device or a software that
begins to answer otherwise is found out. What a kill cut off is gone on with at the next start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from harness.errors import ClosetError, DataError, refused_here
from harness.pipeline.events import Observer
from harness.pipeline.garbage import Keep, collect_garbage
from harness.pipeline.nightly_round import Round, broke_off, one_round
from harness.pipeline.nightly_state import alone
from harness.pipeline.request import Request
from harness.store import Store
from harness.verdict import gate

_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 600.0


def keep_replaying(
    request: Request,
    store: Store,
    *,
    batch: int,
    rounds: int | None,
    keep: Keep | None,
    observed: Callable[[], AbstractContextManager[Observer]],
    say: Callable[[str], None],
    stop: threading.Event,
) -> Iterator[Round]:
    """Rounds of `batch` segments until `stop` is set or `rounds` have ended; each is yielded as it ends.

    Mistakes of the configuration are raised on the first round; later ones (a suite that is being edited, a folder that
    is away) are told to `say` with the pause that follows, and tried again. The same when this machine refused, on the
    first round too, and when a round judged nothing. With `keep` room is made before each round and after it.
    """
    pauses = _pauses()
    done = 0
    with alone(store.home, request.suite) as state_path:
        while not stop.is_set() and (rounds is None or done < rounds):
            try:
                if keep is not None:  # also when no round ever ends because there is no room for one
                    collect_garbage(store, keep)
                with observed() as observer:
                    ended = one_round(request, store, state_path, batch, keep, observer, stop, say)
            except (ClosetError, OSError) as error:
                refusal = _refusal(error)
                if refusal is None and (done == 0 or isinstance(error, OSError)):
                    raise
                pause_s = next(pauses)
                say(f"{refusal or error}\ntried again in {pause_s:.0f} s")
                stop.wait(pause_s)
                continue
            done += 1
            yield ended
            if any(result.checks for result in ended.record.results):
                pauses = _pauses()
            elif not stop.is_set() and done != rounds:
                stop.wait(next(pauses))


def _refusal(error: ClosetError | OSError) -> ClosetError | None:
    """What to say when this machine refused, which passes: room is made, a disk comes back. None for anything else."""
    refused = refused_here(error) if isinstance(error, OSError) else None
    if refused is None:
        return None
    return DataError(refused.problem, where=refused.where, remedy="make room there, or mend the permissions")


def _pauses() -> Iterator[float]:
    """How long to wait after each failure in a row."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def render_round(ended: Round, *, folder: str) -> str:
    """One line that says how a round ended."""
    decided = gate(ended.record)
    counts = " ".join(f"{verdict.value} {count}" for verdict, count in decided.counts.items() if count)
    never = sum(entry.age_s is None for entry in ended.picked)
    again = sum(entry.again for entry in ended.picked)
    longest_s = max(
        (entry.age_s for entry in ended.picked if entry.age_s is not None and not entry.again), default=None
    )
    seen = [f"{never} never replayed before"] if never else []
    seen += [f"longest unseen {longest_s / 86_400:.1f} days"] if longest_s is not None else []
    seen += [f"{again} once more after an error of devices"] if again else []
    notes = [f"{len(ended.not_reproduced)} not as at their last replay"] if ended.not_reproduced else []
    if broke_off(ended.record):
        notes.append("a bug of the harness broke it off: all of it waits for its next turn")
    if ended.garbage is not None and ended.garbage.freed_bytes:
        notes.append(f"{ended.garbage.freed_bytes / 1e6:.0f} MB let go")
    if ended.garbage is not None and ended.garbage.over_budget:
        notes.append("what is needed is more than the budget")
    parts = (
        f"round {ended.number}{' (gone on with)' if ended.resumed else ''}",
        f"{len({result.segment for result in ended.record.results})} segments",
        *seen,
        counts or "nothing judged",
        f"gate {'open' if decided.is_open else 'CLOSED'}: {decided.reason}",
        *notes,
        f"{ended.record.duration_s:.0f} s",
        folder,
    )
    return " · ".join(parts)
