"""A run made by hand over the tiny demo's recording: what FAILs, PASSes and ends in ERROR, with hostile words in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from fixtures.make import Demo
from harness.config import load_suite
from harness.domain import json_digest
from harness.errors import ErrorDescription
from harness.files import write_text
from harness.intent import Answer, ClaimResult, Expectation
from harness.pipeline.request import Request, render_request
from harness.pipeline.runs import REQUEST, write_run
from harness.recording.layout import open_recording
from harness.recording.log import load_log
from harness.recording.video import open_video
from harness.replay.drive import camera_frames, first_calibration
from harness.store import Store
from harness.trace import Array, Channel, Exactness, Trace, write_trace
from harness.verdict import (
    FIRST_TO_MOVE,
    Attempt,
    CheckResult,
    Closeness,
    Finding,
    FindingKind,
    JobResult,
    RunRecord,
    Severity,
    Verdict,
)

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>&\"'"
FIRST_WRONG, BACK_AGAIN = 30, 50  # rows
PLAN_T_S = 10.0 * (np.arange(33) / 32.0) ** 2
LINE_X_M = 192.0 * (np.arange(33) / 32.0) ** 2
HEIGHT_M = 1.22
OTHER = "aaaaaaaaaaaaaaaa/00000001--0123456789/0"
PASSED = "aaaaaaaaaaaaaaaa/00000001--0123456789/1"

CLAIMS = (
    ClaimResult(
        "closer",
        "lateral error at 2 s",
        Expectation.GUARD,
        Answer.NOT_WORSE,
        "24 segments of 9 routes",
        "candidate 0.214 m, baseline 0.221 m · −3.1 %",
        *("lateral_error_2s", "all", "m", 24, 9, 0.214, 0.221, -0.007),
        interval=(-0.017, 0.004),
        size=0.01,
    ),
    ClaimResult(
        *("closer", f"comfort {HOSTILE}", Expectation.GUARD, Answer.WORSE, HOSTILE, "share of frames"),
        effect=0.02,
        interval=(0.01, 0.03),
        size=0.015,
    ),
)

_SUITE = """\
suite: made
routes: [{routes}]
replayers:
  driving_model:
    checks:
      action: {{channels: [action.*], tolerance: {{absolute: 0.001}}}}
      plan: {{channels: ["position.*"], tolerance: {{absolute: 0.05}}}}
  selfdrive_state:
    candidate: rules.yaml
    baseline: rules.yaml
    checks:
      disengagements: {{events: {{types: [softDisable]}}}}
"""


@dataclass(frozen=True, slots=True)
class MadeRun:
    """The run: where it and its closet lie, the segment that FAILs, and the frames of its camera."""

    folder: Path
    home: Path
    segment: str
    frames: tuple[int, ...]

    @property
    def wrong_frame(self) -> int:
        """The first frame that a finding names."""
        return self.frames[FIRST_WRONG]


def make_run(folder: Path, demo: Demo) -> MadeRun:
    """Everything below `folder`: a suite, a store with four traces, and the record."""
    suite_path = folder / "suite.yaml"
    write_text(suite_path, _SUITE.format(routes=demo.routes_folder))
    write_text(folder / "rules.yaml", "format: 1\nbase: 0.11.2\n")
    checks = {config.name: config.checks for config in load_suite(suite_path).replayers}
    recording = open_recording(demo.routes_folder, demo.segments[0])
    log = load_log(recording.files["rlog"])
    frames = camera_frames(log, "narrowRoadEncodeIdx", open_video(recording.files["fcamera"]), "fcamera")
    ids = np.array([frame.frame_id for frame in frames], np.int64)
    t_ns = np.array([frame.eof_ns for frame in frames], np.int64)
    segment, run = str(demo.segments[0]), folder / "run"
    with Store(folder / "home") as store:
        made_of = {f"recording {path.name}": store.digest_file(path).sha256 for path in recording.files.values()}
        kept = {}
        for moved in (False, True):
            driving_model = driving_trace(segment, ids, t_ns, first_calibration(log), moved=moved)
            for trace in (driving_model, state_trace(segment, ids, t_ns, moved=moved)):
                kept[trace.replayer, moved] = _kept(store, folder, trace)
    digests = {name: json_digest([asdict(check) for check in each]) for name, each in checks.items()}
    driving = _result(
        segment, "driving_model", Verdict.FAIL, _moved(ids), made_of | {"checks": digests["driving_model"]}
    )
    state = _result(segment, "selfdrive_state", Verdict.FAIL, _disengaged(ids), {"checks": digests["selfdrive_state"]})
    results = [
        replace(each, baseline_trace=kept[each.replayer, False], candidate_trace=kept[each.replayer, True])
        for each in (driving, state)
    ]
    results += [_result(PASSED, "driving_model", Verdict.PASS, (), {}), _lost()]
    record = RunRecord(
        "2026-01-02-003",
        f"made {HOSTILE}",
        "2026-01-02T03:04:05+00:00",
        ("closet", "run", "suite.yaml", "--only", "this"),
        {"driving_model": "models/next"},
        {"driving_model": "models/release"},
        ({"name": "mici-01", "kind": "mici"}, {"name": HOSTILE, "kind": "tizi"}),
        {},
        tuple(results),
        duration_s=12.5,
        claims=CLAIMS,
    )
    write_run(run, record)
    write_text(run / REQUEST, render_request(Request(suite_path)))
    return MadeRun(run, folder / "home", segment, tuple(ids.tolist()))


def driving_trace(segment: str, ids: Array, t_ns: Array, rpy: tuple[float, float, float], *, moved: bool) -> Trace:
    """Straight on at 20 m/s between two lines, with a lead; moved is 0.4 m to the right for a second."""
    n = len(ids)
    wrong = np.zeros(n)
    if moved:
        wrong[FIRST_WRONG:BACK_AGAIN] = 1.0
    x = np.tile(20.0 * PLAN_T_S, (n, 1))
    lines = np.array([-5.4, -1.8, 1.8, 5.4])[None, :, None] + 0.0 * LINE_X_M
    values = {
        "position.x": x,
        "position.y": wrong[:, None] * 0.4 * np.minimum(PLAN_T_S, 1.0),
        "position.z": 0.0 * x,
        **{
            f"{plan}.{axis}": 0.0 * x
            for plan in ("velocity", "acceleration", "orientation", "orientationRate")
            for axis in "xyz"
        },
        "velocity.x": np.full((n, 33), 20.0),
        "laneLines.y": np.tile(lines, (n, 1, 1)),
        "laneLines.z": np.full((n, 4, 33), HEIGHT_M),
        "laneLineProbs": np.tile([0.3, 0.95, 0.9, 0.2], (n, 1)),
        "leadsV3.x": np.full((n, 3, 6), 40.0),
        "leadsV3.y": np.zeros((n, 3, 6)),
        "leadsV3.v": np.full((n, 3, 6), 20.0),
        "leadsV3.prob": np.full((n, 3), 0.9),
        "action.desiredCurvature": 0.001 * np.sin(np.arange(n) / 9.0) + 0.004 * wrong,
        "action.desiredAcceleration": np.full(n, np.nan),
        "vEgo": np.full(n, 20.0),
    }
    channels = {name: Channel(name, "m", array.astype(np.float32)) for name, array in values.items()}
    provenance = {
        "calibration_rpy_rad": [*rpy],
        "device": "mici",
        "sensor": "os04c10",
        "side": "candidate" if moved else "baseline",
    }
    return Trace("driving_model", segment, ids, t_ns, channels, {**provenance})


def state_trace(segment: str, ids: Array, t_ns: Array, *, moved: bool) -> Trace:
    """Engaged all along; moved has a soft disable of half a second."""
    state = np.full(len(ids), 2, np.uint8)
    masks = np.zeros(len(ids), np.uint16)
    if moved:
        state[40:50] = 3
        masks[40:50] = 1 << 4
    channels = {
        "state": Channel("state", "state", state, Exactness.EXACT),
        "events.steerSaturated": Channel("events.steerSaturated", "event types", masks, Exactness.EXACT),
        "vEgo": Channel("vEgo", "m/s", np.linspace(19, 21, len(ids)).astype(np.float32), Exactness.EXACT),
    }
    return Trace("selfdrive_state", segment, ids, t_ns, channels, {"side": str(moved)})


def _kept(store: Store, folder: Path, trace: Trace) -> str:
    path = folder / "made.trace"
    write_trace(path, trace)
    sha256 = store.put_file(path).sha256
    path.unlink()
    return sha256


def _moved(ids: Array) -> tuple[CheckResult, ...]:
    first, last = int(ids[FIRST_WRONG]), int(ids[BACK_AGAIN - 1])
    seconds = (FIRST_WRONG / 20, (BACK_AGAIN - 1) / 20, FIRST_WRONG / 20)
    turn = Finding(
        FindingKind.CHANGED,
        Severity.BLOCK,
        "action.desiredCurvature",
        f"leaves at frame {first} (1.50 s), peak {first}, back after 1.0 s\nexpected 0.001 1/m, observed 0.005 1/m",
        *(first, last, first, *seconds),
    )
    later = replace(turn, channel="position.y", words=f"leaves at frame {first + 10} {HOSTILE}", first_frame=first + 10)
    pointer = Finding(FindingKind.CHANGED, Severity.NOTE, FIRST_TO_MOVE, "vision features (same pictures)", first)
    return (
        CheckResult("action", Closeness.BEYOND, (turn,), 2, len(ids)),
        CheckResult("plan", Closeness.BEYOND, (later, pointer), 3, len(ids)),
    )


def _disengaged(ids: Array) -> tuple[CheckResult, ...]:
    found = Finding(
        FindingKind.EVENT,
        Severity.BLOCK,
        "events.steerSaturated",
        "NEW softDisable steerSaturated 2.00–2.50 s, recovered",
        *(int(ids[40]), int(ids[49]), int(ids[40]), 2.0, 2.45, 2.0),
    )
    return (CheckResult("disengagements", Closeness.BEYOND, (found,), 2, len(ids)),)


def _result(
    segment: str, replayer: str, verdict: Verdict, checks: tuple[CheckResult, ...], made_of: dict[str, str]
) -> JobResult:
    return JobResult(
        f"{segment} · {replayer} · mici",
        segment,
        replayer,
        "mici",
        verdict,
        checks=(CheckResult("replay", Closeness.EXACT), *checks),
        attempts=(Attempt("candidate", "mici-01", 3, 0.5, 8.0, measurements={"wall_s": 7.0}),),
        provenance=made_of,
    )


def _lost() -> JobResult:
    error = ErrorDescription("StagingFailedError", f"disk full {HOSTILE}", "tizi-04:/data", "free space")
    attempt = Attempt("candidate", HOSTILE, 1, 1.0, 2.5, error, f"tail {HOSTILE}\n\x1b[31mred\x1b[0m \x00 end")
    name = f"{OTHER} · driving_model · tizi"
    return JobResult(name, OTHER, "driving_model", "tizi", Verdict.ERROR, error, attempts=(attempt,))
