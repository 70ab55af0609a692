"""The selfdrive_state replayer: a log's minute through the engagement state machine, one trace a rule set."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.domain import Json, canonical_json
from harness.errors import ClosetError, ConfigError, DataError
from harness.files import file_sha256, write_text
from harness.replay import REPLAYERS
from harness.replay.drive import load_whole_log
from harness.replay.job import Job, Outcome, Progress, ReplayRequest
from harness.replay.options import SelfdriveOptions, parse_selfdrive_options
from harness.replay.runtime import peak_rss_mb
from harness.replay.selfdrive.actuation import find_excesses, limits_at, measure_actuation
from harness.replay.selfdrive.agreement import EventAgreement
from harness.replay.selfdrive.inputs import Inputs
from harness.replay.selfdrive.modes import DERIVED, RECORDED, Replayed, replay_derived, replay_recorded
from harness.replay.selfdrive.recorded import Recorded, read_recorded
from harness.replay.selfdrive.rules import (
    MACHINE_NAME,
    RULES_NAME,
    Rules,
    RuleSpec,
    apply_spec,
    describe_spec,
    load_rules,
)
from harness.replay.selfdrive.run import Machine, run_machine
from harness.replay.selfdrive.user_machine import own_machine
from harness.trace import Channel, Exactness, Trace, load_trace

NAME = "selfdrive_state"
MODEL_TRACE = "model.trace"
# Whole numbers and comparisons; the one signal that takes a sine is judged far from the last bit.
RUNTIME = "engagement rules in numpy"

_NOTED_EXCESSES = 100


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What one replay brings: its rules for this log, its machine, and where they come from."""

    spec: RuleSpec
    rules: Rules
    machine: Machine
    machine_sha256: str | None


def replay_selfdrive_state(job: Job, threads: int, progress: Progress) -> dict[str, Outcome]:
    """Traces of all replays of `job`. An error of the recording is raised; one of a rule set is that replay's outcome.

    `threads` is there for the signature: a drive is one sequence, and takes a moment.
    """
    del threads
    begin_s = time.monotonic()
    options = parse_selfdrive_options(job.options)
    progress("reading", 0, 0)
    name, path = job.needed("rlog")
    log = load_whole_log(path, name)
    common = {"read_s": time.monotonic() - begin_s}
    files = {name: file_sha256(path)}
    shared = job.file("model")
    outcomes: dict[str, Outcome] = {}
    for done, request in enumerate(job.replays):
        progress("replaying", done, len(job.replays))
        start_s = time.monotonic()
        trace_path = request.model.get(MODEL_TRACE, None if shared is None else shared[1])
        try:
            model = None if trace_path is None else _load_model(trace_path, job.segment)
            inputs = Inputs(log, model)
            outcomes[request.job] = _replay(job, request, inputs, options, files | _digest(trace_path))
        except ClosetError as error:
            outcomes[request.job] = Outcome(error=error)
        outcomes[request.job].measurements |= {"replay_s": time.monotonic() - start_s, **common}
    progress("replaying", len(job.replays), len(job.replays))
    for outcome in outcomes.values():
        outcome.measurements |= {"wall_s": time.monotonic() - begin_s, "peak_rss_mb": peak_rss_mb()}
    return outcomes


def run_rules(
    inputs: Inputs, rules: Rules, spec: RuleSpec, machine: Machine, mode: str | None
) -> tuple[Replayed, Recorded | None]:
    """Events and states of one log under one rule set; `mode` None takes the log's own events where it has them."""
    recorded = read_recorded(inputs)
    if mode == RECORDED and recorded is None:
        raise DataError(
            "the log carries no onroadEvents to be replayed",
            where=inputs.log.where,
            remedy="take mode: derived, or leave the segment out",
        )
    if recorded is not None and mode != DERIVED:
        return replay_recorded(inputs, recorded, rules, spec, machine), recorded
    return replay_derived(inputs, recorded, rules, machine), recorded


def make_channels(inputs: Inputs, replayed: Replayed, recorded: Recorded | None, rules: Rules) -> Iterator[Channel]:
    """Every channel of the trace; those of events only for events that occur."""
    run = replayed.run
    yield Channel("state", "state", run.states, Exactness.EXACT)
    yield Channel("enabled", "state", run.enabled, Exactness.EXACT)
    yield Channel("active", "state", run.active, Exactness.EXACT)
    yield Channel("softDisableTimer", "frames", run.timers, Exactness.EXACT)
    yield Channel("alertTypes", "event types", run.alerts, Exactness.EXACT)
    union = np.bitwise_or.reduce([np.zeros(len(inputs), np.uint16), *replayed.masks.values()])
    # There in every trace, so that a check of events always has something to compare.
    yield Channel("eventTypes", "event types", union, Exactness.EXACT)
    for name, masks in replayed.masks.items():
        yield Channel(f"events.{name}", "event types", masks, Exactness.EXACT)
    # How far was driven engaged, and disengagements for the distance, are reckoned from it.
    yield Channel("vEgo", "m/s", inputs.car["vEgo"], Exactness.EXACT)
    actuation = replayed.actuation if replayed.actuation is not None else measure_actuation(inputs, rules)
    limits = limits_at(actuation, rules)
    yield Channel("actuation.longitudinal", "m/s²", actuation.longitudinal_mps2)
    yield Channel("actuation.lateral", "m/s²", actuation.lateral_mps2)
    # What a rule set says is shown, not judged: what it leads to is.
    yield Channel("actuation.limitLongitudinal", "m/s²", limits[0], Exactness.INFORMATIVE)
    yield Channel("actuation.limitLateral", "m/s²", limits[1], Exactness.INFORMATIVE)
    yield Channel("actuation.heldFrames", "frames", actuation.held_frames, Exactness.INFORMATIVE)
    if recorded is not None:
        for name, masks in recorded.events.items():
            if masks.any():
                yield Channel(f"recorded.events.{name}", "event types", masks, Exactness.INFORMATIVE)
    if replayed.recorded_state is not None:
        yield Channel("recorded.state", "state", replayed.recorded_state, Exactness.INFORMATIVE)


def _replay(
    job: Job, request: ReplayRequest, inputs: Inputs, options: SelfdriveOptions, files: dict[str, str]
) -> Outcome:
    candidate = _candidate(request, inputs.release)
    rules = candidate.rules
    replayed, recorded = run_rules(inputs, rules, candidate.spec, candidate.machine, options.mode)
    trace = Trace(
        NAME,
        job.segment,
        np.arange(len(inputs), dtype=np.int64),
        inputs.t_ns,
        {channel.name: channel for channel in make_channels(inputs, replayed, recorded, rules)},
        _provenance(job, request, candidate, inputs, replayed, files),
    )
    actuation = replayed.actuation if replayed.actuation is not None else measure_actuation(inputs, rules)
    excesses = find_excesses(actuation, rules, inputs.t_ns)
    notes: dict[str, Json] = {
        "mode": replayed.mode,
        "excessive_actuation": list(excesses[:_NOTED_EXCESSES]),
        "agreement": _agreement_json(replayed.agreement),
        "state_agreement": replayed.state_agreement,
        "unjudged_services": list(replayed.unjudged),
        "events_without_types": list(replayed.without_types),
    }
    write_text(job.output_folder / f"{request.job}.notes.json", canonical_json(notes) + "\n")
    return Outcome(trace=trace, measurements=_measurements(inputs, replayed, len(excesses)))


def _candidate(request: ReplayRequest, log_release: str) -> _Candidate:
    unknown = set(request.model) - {RULES_NAME, MACHINE_NAME, MODEL_TRACE}
    given = ", ".join(sorted(request.model)) or "nothing"
    if RULES_NAME not in request.model or unknown:
        raise ConfigError(
            f"a rule set is {RULES_NAME} and perhaps {MACHINE_NAME}, not {given}",
            where=request.job,
            remedy="name a .yaml file of rules",
        )
    spec = load_rules(request.model[RULES_NAME])
    own: Path | None = request.model.get(MACHINE_NAME)
    machine = run_machine if own is None else own_machine(own)
    return _Candidate(spec, apply_spec(spec, log_release), machine, None if own is None else file_sha256(own))


def _load_model(path: Path, segment: str) -> Trace:
    trace = load_trace(path)
    if trace.segment != segment:
        raise DataError(
            f"the replayed model's trace is of {trace.segment}",
            where=MODEL_TRACE,
            remedy=f"replay the model on {segment}",
        )
    return trace


def _digest(path: Path | None) -> dict[str, str]:
    return {} if path is None else {MODEL_TRACE: file_sha256(path)}


def _provenance(
    job: Job,
    request: ReplayRequest,
    candidate: _Candidate,
    inputs: Inputs,
    replayed: Replayed,
    files: Mapping[str, str],
) -> dict[str, Json]:
    return {
        **request.provenance,
        "replayer": {"name": NAME, "version": REPLAYERS[NAME]},
        "runtime": RUNTIME,
        "recording_files": dict(files),
        "options": dict(job.options),
        "mode": replayed.mode,
        "rules": {**describe_spec(candidate.spec), "release": candidate.rules.release, "log_release": inputs.release},
        "machine": candidate.machine_sha256 or "built in",
        "agreement": _agreement_json(replayed.agreement),
        "unjudged_services": list(replayed.unjudged),
    }


def _agreement_json(agreement: Mapping[str, EventAgreement]) -> dict[str, Json]:
    return {name: entry.as_json() for name, entry in agreement.items()}


def _measurements(inputs: Inputs, replayed: Replayed, excesses: int) -> dict[str, float]:
    measured = {"frames": float(len(inputs)), "excessive_actuations": float(excesses)}
    measured["enabled_frames"] = float(replayed.run.enabled.sum())
    if replayed.state_agreement is not None:
        measured["agreement.state"] = replayed.state_agreement
    for name, entry in replayed.agreement.items():
        measured[f"agreement.{name}.both"] = float(entry.both)
        measured[f"agreement.{name}.only_derived"] = float(entry.only_derived)
        measured[f"agreement.{name}.only_recorded"] = float(entry.only_recorded)
    return measured
