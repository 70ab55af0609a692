"""What the log itself says: the events selfdrived raised and the states it went through, at the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.recording.migration import engagement, event_lists
from harness.replay.selfdrive.inputs import Bools, Inputs

INITIALIZING = "selfdriveInitializing"


@dataclass(frozen=True, slots=True)
class Recorded:
    """`events` (n,) masks of types by name, as the log has them; `known` (n,) from the first list on.

    `state` (n,) and `state_known` (n,); None where the log has no states.
    """

    events: Mapping[str, npt.NDArray[np.uint16]]
    present: Mapping[str, Bools]
    known: Bools
    state: npt.NDArray[np.uint8] | None
    state_known: Bools


def read_recorded(inputs: Inputs) -> Recorded | None:
    """Events and states of the log; None when it has no list of events.

    A list is about the carState it was made from, the last one before it, and holds until the next list: selfdrived
    publishes it whenever it changes, and once a second.
    """
    lists = event_lists(inputs.log)
    if lists is None:
        return None
    n = len(inputs)
    rows = inputs.row_of(lists.t_ns)
    # The list at each row: the last one about it or about an earlier row.
    current = np.searchsorted(rows, np.arange(n), side="right") - 1
    known = current >= 0
    events: dict[str, npt.NDArray[np.uint16]] = {}
    present: dict[str, Bools] = {}
    for place in np.unique(lists.names).tolist():
        chosen = lists.names == place
        # One place more, for the rows before the first list.
        mask = np.zeros(len(lists.t_ns) + 1, np.uint16)
        there = np.zeros(len(lists.t_ns) + 1, np.bool_)
        np.bitwise_or.at(mask, lists.lists[chosen], lists.types[chosen])
        there[lists.lists[chosen]] = True
        name = lists.vocabulary[place]
        events[name] = events.get(name, np.zeros(n, np.uint16)) | mask[current]
        present[name] = present.get(name, np.zeros(n, np.bool_)) | there[current]
    state, state_known = _states(inputs)
    return Recorded(dict(sorted(events.items())), dict(sorted(present.items())), known, state, state_known)


def _states(inputs: Inputs) -> tuple[npt.NDArray[np.uint8] | None, Bools]:
    columns = engagement(inputs.log)
    n = len(inputs)
    if columns is None:
        return None, np.zeros(n, np.bool_)
    current = np.searchsorted(inputs.row_of(columns.t_ns), np.arange(n), side="right") - 1
    return columns["state"].astype(np.uint8)[np.maximum(current, 0)], current >= 0
