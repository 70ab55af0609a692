"""How well a derivation reproduces the log, event by event, so that nobody trusts one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.domain import Json
from harness.replay.selfdrive.derive import NOT_DERIVABLE
from harness.replay.selfdrive.inputs import Bools


@dataclass(frozen=True, slots=True)
class EventAgreement:
    """Frames in which an event is in both, only derived, only recorded."""

    both: int
    only_derived: int
    only_recorded: int
    derivable: bool

    def as_json(self) -> dict[str, Json]:
        """For provenance and notes."""
        counts: dict[str, Json] = {"both": self.both, "only_derived": self.only_derived}
        return counts | {"only_recorded": self.only_recorded, "derivable": self.derivable}


def agree(derived: Mapping[str, Bools], recorded: Mapping[str, Bools], known: Bools) -> dict[str, EventAgreement]:
    """Every event of either, by name, over the rows (n,) for which the log's events are `known`."""
    nothing = np.zeros(len(known), np.bool_)
    found: dict[str, EventAgreement] = {}
    for name in sorted(derived.keys() | recorded.keys()):
        ours, theirs = derived.get(name, nothing) & known, recorded.get(name, nothing) & known
        if ours.any() or theirs.any():
            found[name] = EventAgreement(
                int((ours & theirs).sum()),
                int((ours & ~theirs).sum()),
                int((theirs & ~ours).sum()),
                name not in NOT_DERIVABLE,
            )
    return found


def state_agreement(
    states: npt.NDArray[np.uint8], recorded: npt.NDArray[np.uint8] | None, known: Bools
) -> float | None:
    """Share of rows whose state is the log's; None when the log has none."""
    if recorded is None or not known.any():
        return None
    return float((states == recorded)[known].mean())
