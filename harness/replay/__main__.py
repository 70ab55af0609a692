"""`python -m harness.replay JOB.json`: one job, its traces, its result."""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from harness.domain import Json, canonical_json
from harness.errors import ClosetError, ConfigError, DeviceError, ExitCode
from harness.files import write_text
from harness.replay import REPLAYERS
from harness.replay.job import FORMAT, RESULT_NAME, Job, Outcome, Progress, ProgressLines, load_job, write_outcome
from harness.replay.runtime import choose, thread_count

_EXAMPLE = """\
example:
  python -m harness.replay JOB.json

  where JOB.json is
  {"format": 1, "segment": "5beb9b58bd12b691/0000010a--a51155e496/3", "replayer": "driving_model",
   "options": {"frames": 200},
   "recording": {"rlog.zst": "rlog.zst", "fcamera.hevc": "fcamera.hevc", "ecamera.hevc": "ecamera.hevc"},
   "replays": [{"job": "candidate", "model": {"driving_vision.onnx": "next/driving_vision.onnx",
                                              "driving_policy.onnx": "next/driving_policy.onnx"}}],
   "output_folder": "out", "cache_folder": "cache"}

Paths are relative to JOB.json. Writes out/candidate.trace and out/result.json; progress goes to standard output as
JSON lines. CLOSET_THREADS sets the cores to use and never changes a result.
"""


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOPPED = 128 + int(signal.SIGTERM)


class _StoppedError(BaseException):
    """Somebody ended this process; not an Exception, so that nothing on the way takes it for one of its own."""


def main(arguments: list[str] | None = None) -> int:
    """Run one job; the exit code is 0 when every trace was written, else that of the first error."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.replay",
        description="Replay one recorded segment through one or more models and write their traces.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("job", type=Path, metavar="JOB.json", help="what to replay")
    chosen = parser.parse_args(arguments)
    try:
        job = load_job(chosen.job)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    with _stoppable():
        return _run(job)


def _run(job: Job) -> int:
    progress = ProgressLines(lambda line: sys.stdout.write(f"{line}\n") and sys.stdout.flush())
    try:
        outcomes, code = _attempt(job, progress)
    except _StoppedError:
        stopped = DeviceError("the replay was stopped from outside", where=job.segment, remedy="run it again")
        outcomes, code = _all_failed(job, stopped), _STOPPED
    _deafen()
    try:
        _write_result(job, outcomes)
    except OSError as error:
        full = DeviceError(
            f"the traces cannot be written: {error.strerror}", where=str(job.output_folder), remedy="make room there"
        )
        sys.stderr.write(f"{full}\n")
        return int(full.exit_code)
    return code


def _attempt(job: Job, progress: Progress) -> tuple[dict[str, Outcome], int]:
    choose(job.runtime)
    try:
        outcomes = _replayer(job.replayer)(job, thread_count(), progress)
    except ClosetError as error:
        outcomes = _all_failed(job, error)
    except Exception as error:  # noqa: BLE001 - a bug of ours, told as one and never as a verdict on a model
        traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        bug = ClosetError(
            f"a bug of the replayer: {type(error).__name__}: {error}",
            where=f"{where.filename}:{where.lineno}",
            remedy="report it with the job and standard error",
        )
        outcomes = _all_failed(job, bug)
    first = next((outcome.error for outcome in outcomes.values() if outcome.error is not None), None)
    if first is not None:
        sys.stderr.write(f"{first}\n")
    return outcomes, int(ExitCode.GATE_OPEN if first is None else first.exit_code)


def _replayer(name: str) -> Callable[[Job, int, Progress], dict[str, Outcome]]:
    # Imported here, because onnxruntime takes its time and a wrong name does not need it.
    if name == "driving_model":
        from harness.replay.driving_model import replay_driving_model  # noqa: PLC0415

        return replay_driving_model
    if name == "driver_monitoring":
        from harness.replay.driver_monitoring import replay_driver_monitoring  # noqa: PLC0415

        return replay_driver_monitoring
    if name == "panda_safety":
        from harness.replay.panda.replay import replay_panda_safety  # noqa: PLC0415

        return replay_panda_safety
    if name == "selfdrive_state":
        from harness.replay.selfdrive.replay import replay_selfdrive_state  # noqa: PLC0415

        return replay_selfdrive_state
    raise ConfigError(f"no replayer is called {name!r}", where="replayer", remedy=f"one of {', '.join(REPLAYERS)}")


def _all_failed(job: Job, error: ClosetError) -> dict[str, Outcome]:
    return {request.job: Outcome(error=error) for request in job.replays}


def _write_result(job: Job, outcomes: dict[str, Outcome]) -> None:
    entries: dict[str, Json] = {
        name: write_outcome(job.output_folder, name, outcome) for name, outcome in outcomes.items()
    }
    write_text(job.output_folder / RESULT_NAME, canonical_json({"format": FORMAT, "replays": entries}) + "\n")


@contextmanager
def _stoppable() -> Iterator[None]:
    """While the block runs SIGTERM and Ctrl-C raise `_StoppedError` in it; after it they are what they were."""
    before = {number: signal.signal(number, _stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deafen() -> None:
    """From here on the result is written, whoever knocks."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop(_number: int, _frame: FrameType | None) -> None:
    _deafen()
    raise _StoppedError


if __name__ == "__main__":
    sys.exit(main())
