"""A policy over the vision features of a stored trace: what it does with what another vision saw.

No picture is decoded. The frames are those of the trace; features, desires and curvatures are remembered as ever.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from harness.domain import Json
from harness.errors import ClosetError, DataError
from harness.files import file_sha256
from harness.recording.log import Log
from harness.replay import REPLAYERS
from harness.replay.actions import drive_actions
from harness.replay.drive import load_drive, load_whole_log
from harness.replay.driving import DrivingModel, load_policy
from harness.replay.driving_channels import driving_channels
from harness.replay.inputs import FEATURE_COUNT
from harness.replay.job import Job, Outcome, Progress, ReplayRequest
from harness.replay.models import FEATURES_TRACE
from harness.replay.outputs import decode_heads
from harness.replay.pairing import frame_drop_percent
from harness.replay.runtime import peak_rss_mb, runtime_key
from harness.trace import Channel, Exactness, Trace, load_trace

_NAME = "driving_model"
_FEATURES, _PICTURES = "features", "pictures."


def follow_features(job: Job, requests: Sequence[ReplayRequest], progress: Progress) -> dict[str, Outcome]:
    """Traces of the policies of `requests`, each over its own FEATURES_TRACE. An error of the log is raised."""
    progress("reading", 0, 0)
    name, path = job.needed("rlog")
    log = load_whole_log(path, name)
    recording: dict[str, Json] = {name: file_sha256(path)}
    outcomes: dict[str, Outcome] = {}
    for done, request in enumerate(requests):
        progress("following", done, len(requests))
        begin_s = time.monotonic()
        try:
            outcome = Outcome(_follow(job, request, log, recording))
        except ClosetError as error:
            outcome = Outcome(error=error)
        outcome.measurements |= {"wall_s": time.monotonic() - begin_s, "peak_rss_mb": peak_rss_mb()}
        outcomes[request.job] = outcome
    progress("following", len(requests), len(requests))
    return outcomes


def _follow(job: Job, request: ReplayRequest, log: Log, recording: dict[str, Json]) -> Trace:
    given = _load_features(request, job.segment)
    policy = load_policy(request.model)
    drive = load_drive(log, given.t_ns)
    model = DrivingModel(None, policy, drive, split=True)
    features = given.channels[_FEATURES].values
    for i, row in enumerate(features):
        model.follow(i, row)
    if model.error is not None:
        raise model.error
    decoded = decode_heads(model.outputs, policy.interface.heads)
    decoded["hidden_state"] = np.asarray(features, np.float64)
    actions = drive_actions(decoded, drive.v_ego_mps, drive.action_t_s)
    channels = [
        *(channel for name, channel in given.channels.items() if name.startswith(_PICTURES)),
        Channel("vEgo", "m/s", drive.v_ego_mps.astype(np.float32), Exactness.EXACT),
        Channel("frameDropPerc", "%", frame_drop_percent(given.frame_ids), Exactness.EXACT),
        Channel("desire", "", model.desires, Exactness.EXACT),
        *driving_channels(decoded, actions),
    ]
    provenance: dict[str, Json] = {
        **request.provenance,
        "replayer": {"name": _NAME, "version": REPLAYERS[_NAME]},
        "runtime": runtime_key(),
        "model_files": {policy.interface.name: policy.sha256},
        "interfaces": {policy.interface.name: policy.interface.origin},
        "options": dict(job.options),
        "recording": recording,
        "features_from": file_sha256(request.model[FEATURES_TRACE]),
    }
    return Trace(
        _NAME,
        job.segment,
        given.frame_ids,
        given.t_ns,
        {channel.name: channel for channel in channels},
        provenance,
    )


def _load_features(request: ReplayRequest, segment: str) -> Trace:
    trace = load_trace(request.model[FEATURES_TRACE])
    found = trace.channels.get(_FEATURES)
    problem = ""
    if (trace.replayer, trace.segment) != (_NAME, segment):
        problem = f"it is a trace of {trace.replayer} on {trace.segment}"
    elif found is None:
        problem = "it has no features"
    elif found.values.shape[1:] != (FEATURE_COUNT,) or found.values.dtype.kind != "f":
        problem = f"its features are {found.values.shape[1:]} of {found.values.dtype}, not {FEATURE_COUNT} numbers"
    elif not len(trace.frame_ids) or np.any(np.diff(trace.frame_ids) <= 0):
        problem = "its frame ids do not rise" if len(trace.frame_ids) else "it has no frames"
    if problem:
        raise DataError(
            f"no features for {segment}: {problem}",
            where=FEATURES_TRACE,
            remedy="give the trace of a model in two files on this segment",
        )
    return trace
