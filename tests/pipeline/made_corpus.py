"""Drives with logs and no pictures, and traces of models whose faults are known, so that claims need no replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fixtures.camera import CAMERA_PAIRS, Mounting
from fixtures.drive import seeded_drive
from fixtures.layouts import PLAN_TIMES_S
from fixtures.messages import FIRST_FRAME_ID, FRAME_NS, Part, segment_messages
from fixtures.record import RecordedDrive, fixture_route, segment_folder
from harness.config import Fleet
from harness.domain import ReplayJob
from harness.pipeline import prepare
from harness.pipeline.prepare import Prepared
from harness.pipeline.request import ModelChoice, Request
from harness.recording.log_writer import encode_event, write_log
from harness.store import Store
from harness.trace import Channel, Exactness, Trace, write_trace

Floats = npt.NDArray[np.float64]
Fault = Callable[[int, Floats], Floats]
"""Metres to the right that a plan is off, from the drive's number and the (33,) plan times."""

SECONDS = 4.0
SUITE = """\
suite: made
confirm: false
routes: [routes]
replayers:
  driving_model:
    checks:
      pictures: {channels: [pictures.*]}
      plan: {channels: [position.*]}
"""


def none(_drive: int, times_s: Floats) -> Floats:
    """The plan is the path that was driven."""
    return np.zeros_like(times_s)


def off_by(metres: float, spread: float = 0.0) -> Fault:
    """Off to the right by so much 2 s ahead, more or less from drive to drive."""
    return lambda drive, times_s: (metres + spread * np.sin(7.0 * drive)) * times_s / 2.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """Recorded drives under `folder`/routes; `request` asks for `new` against `old`."""

    folder: Path
    drives: tuple[RecordedDrive, ...]
    request: Request
    store: Store

    def prepared(
        self, *intents: Path, text: str = SUITE, only: Sequence[str] = (), model: str = "new"
    ) -> tuple[Request, Prepared]:
        """A run of the suite, prepared with intents."""
        self.request.suite.write_text(text)
        chosen = (ModelChoice("", self.folder / model),)
        request = replace(self.request, intents=intents, only=tuple(only), candidate=chosen)
        return request, replace(prepare(request, self.store), fleet=Fleet((), 0))

    def replay(self, prepared: Prepared, candidate: Fault, baseline: Fault = none, *, broken: bool = False) -> None:
        """Put the traces of both models into the store, as if they had been replayed."""
        numbers = {str(part.segment): number for number, drive in enumerate(self.drives) for part in drive.parts}
        for trial in prepared.plan.trials:
            number = numbers[str(trial.segment)]
            assert trial.baseline_job is not None
            for job, fault in ((trial.candidate, candidate), (trial.baseline_job, baseline)):
                trace = self._trace(job, number, fault, broken=broken and fault is candidate and number == 1)
                path = self.folder / "made.trace"
                write_trace(path, trace)
                self.store.remember_trace(job.id, self.store.put_file(path).sha256, {})

    def _trace(self, job: ReplayJob, number: int, fault: Fault, *, broken: bool) -> Trace:
        drive = self.drives[number]
        part = drive.parts[0]
        frames = np.arange(part.first, part.stop)
        times_s = np.asarray(PLAN_TIMES_S, np.float64)
        paths = [drive.drive.future_path(int(frame), times_s) for frame in frames]
        x, y = (np.nan_to_num(np.stack([path[side] for path in paths])) for side in (0, 1))
        y = y + fault(number, times_s)[None, :]
        if broken:
            y[20] = np.nan
        still = np.zeros_like(x)
        speed = np.repeat(drive.drive.speed_mps[frames * 5, None], times_s.size, axis=1)
        values = {
            "position.x": ("m", x),
            "position.y": ("m", y),
            "orientation.z": ("rad", still),
            "velocity.x": ("m/s", speed),
        }
        channels = {name: Channel(name, unit, array.astype(np.float32)) for name, (unit, array) in values.items()}
        shown = Channel("pictures.narrow", "", np.arange(len(frames), dtype=np.uint64), Exactness.EXACT)
        ids = (FIRST_FRAME_ID + frames).astype(np.int64)
        begin = part.begin_ns
        return Trace(
            job.replayer,
            str(job.segment),
            ids,
            begin + np.arange(len(ids), dtype=np.int64) * FRAME_NS,
            channels | {shown.name: shown},
            {"runtime": "made"},
        )


def make_corpus(folder: Path, drives: int) -> Corpus:
    """Drives of four seconds, each of a route of its own."""
    recorded = []
    for number in range(drives):
        drive = RecordedDrive(
            fixture_route(f"made {number}", number + 1),
            seeded_drive(f"made {number}", number + 1, SECONDS, SECONDS, first_chapter=2 * number),
            CAMERA_PAIRS["os04c10"],
            Mounting(),
            SECONDS,
            ("fcamera",),
        )
        for part in drive.parts:
            _write(folder / "routes", drive, part)
        recorded.append(drive)
    for name in ("old", "new", "other"):
        (folder / name).mkdir()
        for file in ("driving_vision.onnx", "driving_policy.onnx"):
            (folder / name / file).write_bytes(f"{name} {file}".encode())
    request = Request(
        folder / "suite.yaml",
        None,
        (ModelChoice("", folder / "new"),),
        (ModelChoice("", folder / "old"),),
        command=("closet", "run", "suite.yaml"),
    )
    return Corpus(folder, tuple(recorded), request, Store(folder / "home"))


def _write(routes: Path, drive: RecordedDrive, part: Part) -> None:
    at = segment_folder(routes, part.segment)
    at.mkdir(parents=True)
    sizes = {"fcamera": [1000] * (part.stop - part.first)}
    messages = segment_messages(drive.drive, part, drive.cameras, drive.mounting, sizes)
    write_log(at / "rlog.zst", [encode_event(each.service, each.t_ns, each.payload) for each in messages])
    (at / "fcamera.hevc").write_bytes(b"never decoded")
