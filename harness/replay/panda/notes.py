"""What a replay tells beside its trace: intervals, refusals with their bytes, episodes with their causes. Bounded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.domain import Json
from harness.recording.can_frames import CanTable
from harness.replay.panda.blocked import REASONS, Attempts, Episode, Sender, reasons_of
from harness.replay.panda.library import KernelRun

FORMAT = 1
_MOST_INTERVALS = 500
_MOST_EPISODES = 200
_MOST_REFUSALS = 500
_MOST_SAMPLES = 8  # refused messages of one sender, with their bytes


def make_notes(
    run: KernelRun, attempts: Attempts, episodes: tuple[Episode, ...], received: CanTable
) -> dict[str, Json]:
    """The notes as JSON values. Seconds count from the first received message."""
    controls = run.flags["controls_allowed"]
    row_t_ns = received.t_ns
    begin_ns = int(row_t_ns[0])
    invalid = received.address[run.frame_invalid]
    addresses, counts = np.unique(invalid, return_counts=True)
    relay = np.flatnonzero(run.flags["relay_malfunction"])
    return {
        "format": FORMAT,
        "controls_allowed": {
            "share": round(float(controls.mean()), 6),
            "intervals_s": _intervals(controls, row_t_ns),
        },
        "tick_invalid_s": _intervals(run.flags["tick_invalid"], row_t_ns),
        "relay_malfunction_s": round((int(row_t_ns[relay[0]]) - begin_ns) / 1e9, 6) if relay.size else None,
        "rx_invalid": {f"0x{a:X}": int(n) for a, n in zip(addresses.tolist(), counts.tolist(), strict=True)},
        "rx_checks": [
            {
                "address": f"0x{check.address:X}",
                "bus": check.bus,
                "length": check.length,
                "frequency_hz": check.frequency_hz,
                "seen": check.seen,
                "lagging_ticks": check.lagging_ticks,
            }
            for check in run.checks
        ],
        "malformed": int(run.counts["malformed"].sum()),
        "explains": run.explains,
        "unexplained_commands": run.disagreements,
        "sent": {str(sender): _sender(attempts, sender, begin_ns) for sender in attempts.sent},
        "limits": limit_counts(attempts),
        "refused_by_limits": [
            {"message": _name(attempts, record), **_refusal(attempts, record, begin_ns)}
            for record in np.flatnonzero(attempts.limited)[:_MOST_REFUSALS].tolist()
        ],
        "episodes": [_episode(attempts, episode, begin_ns) for episode in episodes[:_MOST_EPISODES]],
        "episodes_total": len(episodes),
    }


def limit_counts(attempts: Attempts) -> dict[str, Json]:
    """Refusals of messages on the list by reason; several may hold for one message."""
    counts = {name: int(np.count_nonzero(attempts.because(name) & attempts.limited)) for name in REASONS}
    return {name: count for name, count in counts.items() if count}


def summary(run: KernelRun, attempts: Attempts, episodes: tuple[Episode, ...]) -> Mapping[str, float]:
    """The notes' main numbers, as measurements of the replay."""
    limited = attempts.limited
    return {
        "frames_can": float(len(run.frame_invalid)),
        "sent": float(run.counts["sent"].sum()),
        "blocked_not_listed": float(np.count_nonzero(~limited)),
        "blocked_limit": float(np.count_nonzero(limited)),
        "blocked_limit_while_allowed": float(np.count_nonzero(limited & attempts.allowed)),
        "blocked_episodes": float(len(episodes)),
        "rx_invalid": float(run.frame_invalid.sum()),
        "controls_allowed_share": float(run.flags["controls_allowed"].mean()),
    }


def _intervals(flags: npt.NDArray[np.bool_], row_t_ns: npt.NDArray[np.int64]) -> list[Json]:
    """[first, last] seconds of every run of true rows."""
    edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    seconds = np.round((row_t_ns - row_t_ns[0]) / 1e9, 6)
    pairs = zip(seconds[first][:_MOST_INTERVALS].tolist(), seconds[last][:_MOST_INTERVALS].tolist(), strict=True)
    return [[begin, end] for begin, end in pairs]


def _sender(attempts: Attempts, sender: Sender, begin_ns: int) -> dict[str, Json]:
    refused = np.flatnonzero(attempts.of(sender))
    why = np.unique(attempts.records["why"][refused]).tolist()
    # The first of every set of reasons is worth more than the tenth of one.
    shown = [int(refused[attempts.records["why"][refused] == mask][0]) for mask in why][:_MOST_SAMPLES]
    return {
        "sent": attempts.sent[sender],
        "refused": len(refused),
        "refused_while_allowed": int(np.count_nonzero(attempts.allowed[refused])),
        "reasons": {
            " + ".join(reasons_of(mask)): int(np.count_nonzero(attempts.records["why"][refused] == mask))
            for mask in why
        },
        "samples": [_refusal(attempts, record, begin_ns) for record in shown],
    }


def _refusal(attempts: Attempts, record: int, begin_ns: int) -> dict[str, Json]:
    return {
        "t_s": _seconds(attempts, record, begin_ns),
        "bytes": attempts.data(record).hex(),
        "reasons": list(reasons_of(int(attempts.records["why"][record]))),
        "while_allowed": bool(attempts.allowed[record]),
    }


def _name(attempts: Attempts, record: int) -> str:
    return str(Sender(int(attempts.record_buses[record]), int(attempts.record_addresses[record])))


def _episode(attempts: Attempts, episode: Episode, begin_ns: int) -> dict[str, Json]:
    cause = attempts.records[episode.first]
    known = {
        name: int(cause[name])
        for name in ("desired", "last", "low", "high", "measured_min", "measured_max", "window")
        if cause["kind"]
    }
    return {
        "message": str(episode.sender),
        "first_s": _seconds(attempts, episode.first, begin_ns),
        "last_s": _seconds(attempts, episode.last, begin_ns),
        "refused": episode.count,
        "while_allowed": bool(cause["allowed"]),
        "cause": list(episode.reasons),
        "command": dict(known),
        "swapped_in_log": episode.swapped,
        "words": _words(attempts, episode, begin_ns),
    }


def _words(attempts: Attempts, episode: Episode, begin_ns: int) -> str:
    cause = attempts.records[episode.first]
    at_s = _seconds(attempts, episode.first, begin_ns)
    said = f"{episode.sender} refused at {at_s:.3f} s: {' + '.join(episode.reasons)}"
    if cause["kind"] == 1:
        said += f"; wanted {cause['desired']} after {cause['last']}, allowed {cause['low']} to {cause['high']}"
    if episode.count > 1:
        said += f"; {episode.count - 1} more follow and none passes"
    if episode.swapped:
        said += "; the next command would have been allowed here: the two may stand in the log in the wrong order"
    return said


def _seconds(attempts: Attempts, record: int, begin_ns: int) -> float:
    return round(attempts.time_us(record) / 1e6 - begin_ns / 1e9, 6)
