"""The two ways to replay: by the events the log carries, or by events derived from its messages.

`recorded`: the log's events drive the machine, with the types the rule set gives them. Thresholds the rule set moves
still count: each event is added where the moved thresholds derive it and the base's do not, and taken away where the
base's do and the moved ones do not. So one threshold can be tried on a log whose other events are its own.

`derived`: events are re-derived from messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.replay.selfdrive.actuation import Actuation
from harness.replay.selfdrive.agreement import EventAgreement, agree, state_agreement
from harness.replay.selfdrive.derive import Derivation, Masks, derive, settle, union_mask
from harness.replay.selfdrive.device_events import panda_events
from harness.replay.selfdrive.inputs import Bools, Inputs
from harness.replay.selfdrive.machine import DISABLED, ENABLED
from harness.replay.selfdrive.recorded import INITIALIZING, Recorded
from harness.replay.selfdrive.rules import OF_THE_LOG, Rules, RuleSpec, release_rules
from harness.replay.selfdrive.run import Course, Machine, MachineRun, drive, run_machine

RECORDED, DERIVED = "recorded", "derived"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out: `masks` (n,) of types by event, the machine's run, and how the derivation agrees with the log.

    `actuation` None where nothing was derived. `without_types` are events that occurred and have no type.
    """

    mode: str
    masks: Mapping[str, Masks]
    run: MachineRun
    agreement: Mapping[str, EventAgreement]
    state_agreement: float | None
    recorded_state: npt.NDArray[np.uint8] | None
    actuation: Actuation | None
    unjudged: tuple[str, ...]
    without_types: tuple[str, ...]


def replay_derived(inputs: Inputs, recorded: Recorded | None, rules: Rules, machine: Machine) -> Replayed:
    """Everything from messages."""
    derivation = derive(inputs, rules)
    events, run = settle(derivation, lambda events: _course(inputs, derivation, events, rules), machine)
    masks = {name: rows.astype(np.uint16) * np.uint16(rules.types[name]) for name, rows in events.items()}
    agreement: dict[str, EventAgreement] = {}
    if recorded is not None:
        agreement = agree(events, recorded.present, recorded.known)
    return _replayed(DERIVED, masks, run, agreement, recorded, derivation)


def replay_recorded(inputs: Inputs, recorded: Recorded, rules: Rules, spec: RuleSpec, machine: Machine) -> Replayed:
    """The log's events, typed by the rule set, with what its moved thresholds change."""
    derivation: Derivation | None = None
    added: Mapping[str, Bools] = {}
    gone: Mapping[str, Bools] = {}
    agreement: Mapping[str, EventAgreement] = {}
    try:
        base = derive(inputs, replace(rules, thresholds=release_rules(rules.release).thresholds))
        base_events = _by_own_machine(inputs, base)
        agreement = agree(base_events, recorded.present, recorded.known)
        derivation = base
        if spec.thresholds:
            derivation = derive(inputs, rules)
            events = _by_own_machine(inputs, derivation)
            added, gone = _moved(base_events, events)
    except DataError:
        # Without carParams nothing can be derived; the log's events can be replayed all the same.
        if spec.thresholds:
            raise
    masks = _retyped(recorded, rules, spec, added, gone)
    passive = len(inputs.log.rows("carParams")) > 0 and inputs.facts.passive
    initializing = recorded.present.get(INITIALIZING, np.zeros(len(inputs), np.bool_))
    held = ~recorded.known | initializing | passive
    types = np.bitwise_or.reduce([np.zeros(len(inputs), np.uint16), *masks.values()])
    _, _, allowed = panda_events(inputs, rules)
    ready = np.flatnonzero(~held)
    start = ENABLED if ready.size and allowed[ready[0]] else DISABLED
    # Before the first list nothing is known but that it went on; before initialisation it is off.
    before = np.where(recorded.known | passive, DISABLED, start).astype(np.uint8)
    run = drive(machine, Course(types, held, start, rules.soft_disable_frames), before)
    return _replayed(RECORDED, masks, run, agreement, recorded, derivation)


def _course(inputs: Inputs, derivation: Derivation, events: Mapping[str, Bools], rules: Rules) -> Course:
    types = union_mask(events, rules, len(inputs))
    held = ~derivation.initialized | inputs.facts.passive
    return Course(types, held, derivation.start, rules.soft_disable_frames)


def _by_own_machine(inputs: Inputs, derivation: Derivation) -> dict[str, Bools]:
    """Derived events, where they depend on the machine by ours: a candidate's does not bear on what the log says."""
    events, _ = settle(derivation, lambda events: _course(inputs, derivation, events, derivation.rules), run_machine)
    return events


def _moved(base: Mapping[str, Bools], moved: Mapping[str, Bools]) -> tuple[dict[str, Bools], dict[str, Bools]]:
    """Per event the rows (n,) that moved thresholds add, and those they take away."""
    added: dict[str, Bools] = {}
    gone: dict[str, Bools] = {}
    for name in base.keys() | moved.keys():
        either = base.get(name, moved.get(name))
        if either is None:
            continue
        nothing = np.zeros(len(either), np.bool_)
        ours, theirs = base.get(name, nothing), moved.get(name, nothing)
        added[name], gone[name] = theirs & ~ours, ours & ~theirs
    return added, gone


def _retyped(
    recorded: Recorded, rules: Rules, spec: RuleSpec, added: Mapping[str, Bools], gone: Mapping[str, Bools]
) -> dict[str, Masks]:
    """Masks by event, for those that occur with any type."""
    masks: dict[str, Masks] = {}
    for name in sorted(recorded.present.keys() | added.keys()):
        rows = recorded.present.get(name, np.zeros(len(recorded.known), np.bool_))
        nothing = np.zeros(len(rows), np.bool_)
        rows = (rows | added.get(name, nothing)) & ~gone.get(name, nothing) & recorded.known
        types = np.full(len(rows), rules.types.get(name, 0), np.uint16)
        if spec.base == OF_THE_LOG and name in recorded.events:
            # The log says which types its events had; the rule set's changes go on top.
            said = recorded.events[name]
            said = (said & np.uint16(~spec.removed.get(name, 0) & 0xFFFF)) | np.uint16(spec.added.get(name, 0))
            types = np.where(recorded.present[name], said, types)
        mask = np.where(rows, types, 0).astype(np.uint16)
        if mask.any():
            masks[name] = mask
    return masks


def _replayed(
    mode: str,
    masks: Mapping[str, Masks],
    run: MachineRun,
    agreement: Mapping[str, EventAgreement],
    recorded: Recorded | None,
    derivation: Derivation | None,
) -> Replayed:
    state = None if recorded is None else recorded.state
    known = np.zeros(len(run.states), np.bool_) if recorded is None else recorded.state_known
    silent = () if recorded is None else tuple(name for name in recorded.present if name not in masks)
    return Replayed(
        mode,
        {name: mask for name, mask in masks.items() if mask.any()},
        run,
        agreement,
        state_agreement(run.states, state, known),
        state,
        None if derivation is None else derivation.actuation,
        () if derivation is None else derivation.messages.unjudged,
        silent,
    )
