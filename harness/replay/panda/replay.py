"""The panda_safety replayer: a log's CAN through the car-side safety kernel, one trace a kernel.

Buses are counted modulo four, so a second panda's (4 to 6) stand for the car's; the safety mode is that of the last of
carParams.safetyConfigs, as in opendbc's own replay. What the panda's main loop adds to the kernel (heartbeat, power
save) is not in the headers and not replayed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.domain import Json, canonical_json
from harness.errors import ClosetError, ConfigError, DataError
from harness.files import file_sha256, write_text
from harness.recording.can_frames import CanTable, read_can
from harness.recording.log import Log
from harness.recording.log_schema import payload_schema
from harness.recording.services import ordinal_of
from harness.replay import REPLAYERS
from harness.replay.drive import load_whole_log
from harness.replay.job import Job, Outcome, Progress, ReplayRequest
from harness.replay.options import PandaSafetyOptions, parse_panda_safety_options
from harness.replay.panda.blocked import REASONS, Attempts, collect_attempts, find_episodes
from harness.replay.panda.kernel import Kernel, provide_kernel
from harness.replay.panda.library import KernelRun, SafetySetup, Traffic, run_kernel
from harness.replay.panda.notes import make_notes, summary
from harness.replay.runtime import peak_rss_mb
from harness.trace import Channel, Exactness, Trace

NAME = "panda_safety"
# The kernel counts in whole numbers and single steps of IEEE floats: every machine comes to the same.
RUNTIME = "safety kernel compiled from C"

_FLAG_CHANNELS = {
    "controls_allowed": "controlsAllowed",
    "relay_malfunction": "relayMalfunction",
    "tick_invalid": "tickInvalid",
    "gas_pressed": "gasPressed",
    "brake_pressed": "brakePressed",
    "vehicle_moving": "vehicleMoving",
}
_COUNT_CHANNELS = {
    "rx_invalid": "rxInvalid",
    "forward_blocked": "forwardBlocked",
    "sent": "sent",
    "passed": "passed",
}


@dataclass(frozen=True, slots=True)
class _Drive:
    """What all kernels of a job are given."""

    setup: SafetySetup
    traffic: Traffic
    row_t_ns: npt.NDArray[np.int64]
    facts: dict[str, Json]


def replay_panda_safety(job: Job, threads: int, progress: Progress) -> dict[str, Outcome]:
    """Traces of all replays of `job`. An error of the recording is raised; one of a kernel is that replay's outcome.

    `threads` is there for the signature: a log is one sequence, and takes milliseconds.
    """
    del threads
    begin_s = time.monotonic()
    options = parse_panda_safety_options(job.options)
    progress("reading", 0, 0)
    name, path = job.needed("rlog")
    log = load_whole_log(path, name)
    loaded_s = time.monotonic()
    drive = _load_drive(log, options, {name: file_sha256(path)})
    common = {"read_s": loaded_s - begin_s, "columns_s": time.monotonic() - loaded_s}
    outcomes: dict[str, Outcome] = {}
    with _cache_folder(job) as cache_folder:
        for done, request in enumerate(job.replays):
            progress("replaying", done, len(job.replays))
            outcomes[request.job] = _replay(job, request, drive, cache_folder)
            outcomes[request.job].measurements |= common
    progress("replaying", len(job.replays), len(job.replays))
    for outcome in outcomes.values():
        outcome.measurements |= {"wall_s": time.monotonic() - begin_s, "peak_rss_mb": peak_rss_mb()}
    return outcomes


def read_traffic(log: Log) -> Traffic:
    """Received and sent frames of a log, merged by time; equal times keep the order of the file."""
    received, sent = read_can(log, "can"), read_can(log, "sendcan")
    if not len(received.rows):
        raise DataError("the log has no can messages", where=log.where, remedy="replay an rlog; a qlog has no CAN")
    t_ns = np.concatenate([received.t_ns, sent.t_ns])
    order = np.lexsort((np.concatenate([received.rows, sent.rows]), t_ns))
    sends = np.repeat(np.array([0, 1], np.uint8), [len(received.rows), len(sent.rows)])
    return Traffic(
        received,
        sent,
        (t_ns[order] // 1000).astype(np.uint64),
        sends[order],
        np.concatenate([received.first, sent.first])[order],
        np.concatenate([received.counts, sent.counts])[order],
    )


def make_channels(run: KernelRun, attempts: Attempts) -> Iterator[Channel]:
    """Every channel of the trace. Which ones there are depends on the log alone, so that two kernels' always meet."""
    rows = len(run.flags["controls_allowed"])
    for name, channel in _FLAG_CHANNELS.items():
        yield Channel(channel, "state", run.flags[name], Exactness.EXACT)
    for name, channel in _COUNT_CHANNELS.items():
        yield Channel(channel, "messages", run.counts[name], Exactness.EXACT)
    groups = {
        "blocked.notListed": ~attempts.limited,
        "blocked.limit": attempts.limited,
        "blocked.whileAllowed": attempts.limited & attempts.allowed,
        **{f"blocked.{sender}": attempts.of(sender) for sender in attempts.sent},
        **{f"limit.{reason}": attempts.because(reason) & attempts.limited for reason in REASONS[2:]},
    }
    for name, chosen in groups.items():
        counts = np.bincount(attempts.records["row"][chosen], minlength=rows)
        yield Channel(name, "messages", counts.astype(np.uint16), Exactness.EXACT)


def _load_drive(log: Log, options: PandaSafetyOptions, inputs: dict[str, str]) -> _Drive:
    traffic = read_traffic(log)
    echoes = bool(np.any(traffic.received.source >= 128))
    sent_from = options.sent or ("sendcan" if len(traffic.sent.rows) or not echoes else "echoes")
    if sent_from == "echoes":
        traffic = _without_sent(traffic)
    mode, param, alternative = _safety_config(log, options)
    setup = SafetySetup(mode, param, alternative, options.seed, sent_from == "echoes")
    facts: dict[str, Json] = {
        "safety": {"model": mode, "param": param, "alternative_experience": alternative},
        "sent_from": sent_from,
        "recording_files": dict(inputs),
    }
    return _Drive(setup, traffic, traffic.received.t_ns, facts)


def _without_sent(traffic: Traffic) -> Traffic:
    """Echoes instead of sendcan: never both, or every command would be given twice."""
    keep = traffic.sends == 0
    table = traffic.sent
    nothing = CanTable(
        table.rows[:0], table.t_ns[:0], table.first[:0], table.counts[:0], table.address[:0], table.source[:0],
        table.start[:0], table.length[:0], table.content,
    )  # fmt: skip
    return Traffic(
        traffic.received, nothing, traffic.t_us[keep], traffic.sends[keep], traffic.first[keep], traffic.counts[keep]
    )


def _safety_config(log: Log, options: PandaSafetyOptions) -> tuple[int, int, int]:
    """Safety model, parameter, alternative experience: of the options, else of the log's first carParams."""
    mode = options.safety_model
    if isinstance(mode, str):
        mode = _model_number(mode)
    param, alternative = options.safety_param, options.alternative_experience
    params = next((message.payload for message in log.messages("carParams")), None)
    if params is not None and len(params.safetyConfigs):
        config = params.safetyConfigs[-1]
        mode = int(config.safetyModel.raw) if mode is None else mode
        if param is None:
            # Older logs have it in the fields that came before.
            older = config.safetyParam2DEPRECATED or config.safetyParamDEPRECATED
            param = int(config.safetyParam or older) & 0xFFFF
    if params is not None and alternative is None:
        alternative = int(params.alternativeExperience)
    if mode is None or param is None:
        raise DataError(
            "the log does not say which safety mode the car had (no carParams.safetyConfigs)",
            where=log.where,
            remedy="name the options safety_model and safety_param",
        )
    return mode, param, alternative or 0


def _model_number(name: str) -> int:
    config = payload_schema(ordinal_of("carParams")).fields["safetyConfigs"].schema.elementType
    numbers: dict[str, int] = config.fields["safetyModel"].schema.enumerants
    if name not in numbers:
        raise ConfigError(
            f"no safety model is called {name!r}", where="safety_model", remedy=f"one of {', '.join(numbers)}"
        )
    return int(numbers[name])


def _replay(job: Job, request: ReplayRequest, drive: _Drive, cache_folder: Path) -> Outcome:
    begin_s = time.monotonic()
    try:
        kernel = provide_kernel(request.model, cache_folder)
        ready_s = time.monotonic()
        run = run_kernel(kernel, drive.setup, drive.traffic)
    except ClosetError as error:
        return Outcome(error=error)
    ran_s = time.monotonic()
    attempts = collect_attempts(drive.traffic, run.records, echoes_sent=drive.setup.echoes_sent)
    episodes = find_episodes(attempts)
    notes = make_notes(run, attempts, episodes, drive.traffic.received) | {"compiler": kernel.compiler}
    write_text(job.output_folder / f"{request.job}.notes.json", canonical_json(notes) + "\n")
    trace = Trace(
        NAME,
        job.segment,
        np.arange(len(drive.row_t_ns), dtype=np.int64),
        drive.row_t_ns,
        {channel.name: channel for channel in make_channels(run, attempts)},
        _provenance(job, request, drive, kernel, run),
    )
    times = {"kernel_s": ready_s - begin_s, "replay_s": ran_s - ready_s, "frames": float(len(drive.row_t_ns))}
    return Outcome(trace=trace, measurements={**times, **summary(run, attempts, episodes)})


def _provenance(job: Job, request: ReplayRequest, drive: _Drive, kernel: Kernel, run: KernelRun) -> dict[str, Json]:
    return {
        **request.provenance,
        "replayer": {"name": NAME, "version": REPLAYERS[NAME]},
        "runtime": RUNTIME,
        "kernel": {"sources": kernel.sources.digest, "explains": run.explains},
        "options": dict(job.options),
        "seeded": {"by": run.seeded_by, "value": run.seed},
        **drive.facts,
    }


@contextmanager
def _cache_folder(job: Job) -> Iterator[Path]:
    """Where compiled kernels are kept; a folder of this run alone when the job has none."""
    if job.cache_folder is not None:
        yield job.cache_folder
        return
    with tempfile.TemporaryDirectory(prefix="closet-kernels-") as name:
        yield Path(name)
