"""How a command ended on a device, in terms of whose fault it is."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass

from harness.closet.answers import device_error, number, parse_files, plain_text, seconds, sequence, strange
from harness.domain import Blob
from harness.errors import (
    ClosetError,
    DeviceTimeoutError,
    DeviceUnhealthyError,
    ErrorDescription,
    ExitCode,
    OnroadError,
    ProductCrashError,
)
from harness.redaction import known_secrets, redact

RESULT = "result.json"
_TAIL_LETTERS = 64 * 1024
_MOST_PROCESSES = 10_000
_HIGHEST_CODE = 1 << 31
_NOT_STARTED = frozenset({126, 127})  # of the loader and of shells, where a program or a library of it is not there
_OURS = frozenset({ExitCode.REGRESSION, ExitCode.USAGE, ExitCode.HARNESS_BUG})  # the first is Python's for a traceback
_MISSING = ("ModuleNotFoundError:", "ImportError:")


@dataclass(frozen=True, slots=True)
class Ending:
    """What the agent says when a job is over. `exit_code` is negative for a signal, as in `subprocess`."""

    exit_code: int | None
    timed_out: bool
    killed: bool
    left_behind: int
    survivors: tuple[int, ...]
    stderr: str
    elapsed_s: float
    files: Mapping[str, Blob]
    error: ErrorDescription | None
    too_many: int = 0


def parse_ending(ended: object, where: str) -> Ending:
    """The agent's message as a value; DeviceUnhealthyError when it is none."""
    if not isinstance(ended, Mapping):
        raise strange("does not say how the job ended", where)
    exit_code, error, stderr = ended.get("exit"), ended.get("error"), ended.get("stderr")
    survivors = sequence(ended.get("survivors"), where, _MOST_PROCESSES)
    return Ending(
        exit_code=None if exit_code is None else number(exit_code, where, least=-_HIGHEST_CODE, most=_HIGHEST_CODE),
        timed_out=ended.get("timed_out") is True,
        killed=ended.get("killed") is True,
        left_behind=number(ended.get("left_behind"), where),
        survivors=tuple(number(pid, where) for pid in survivors),
        too_many=number(ended.get("too_many", 0), where),
        stderr=_tail(stderr) if isinstance(stderr, str) else "",
        elapsed_s=seconds(ended.get("elapsed_s"), where),
        files=parse_files(ended.get("files"), where),
        error=device_error(error, where).describe() if error else None,
    )


def _tail(stderr: str) -> str:
    """The end of what a job said, that can be written down. Secrets go while it is whole: a line is no key any more."""
    return redact(stderr[-_TAIL_LETTERS:].encode(errors="replace").decode(), known_secrets())[-_TAIL_LETTERS:]


def judge_ending(ending: Ending, where: str, deadline_s: float) -> ErrorDescription | None:
    """The error of a try, None when the command ran to its end.

    A command that exits with an error but left `result.json` has said there what is wrong: that is not ours to judge.
    One that fails without it with an exit code of ours did not get as far as our own first lines reach, or they have a
    bug: ClosetError, unless what is missing is a package of the device, or the code says that no result could be
    written there. With any other code it was ended by the software on trial, which is a crash of it, as is a signal
    that we did not send; or by the device's loader, which could not start it.
    """
    last = plain_text(next((line.strip() for line in reversed(ending.stderr.splitlines()) if line.strip()), ""))
    if ending.error is not None and ending.error.kind == OnroadError.__name__:
        return ending.error
    if ending.survivors:
        survivors = ", ".join(map(str, ending.survivors))
        error: ClosetError = DeviceUnhealthyError(
            f"processes of the job outlived SIGKILL: {survivors}", where=where, remedy="reboot the device"
        )
    elif ending.too_many:
        error = ProductCrashError(
            f"{ending.too_many} processes at once: the job was killed",
            where=where,
            remedy="see what starts so many; a job may have a few hundred",
        )
    elif ending.timed_out:
        error = DeviceTimeoutError(
            f"the job ran into its deadline of {deadline_s:.0f} s and was killed",
            where=where,
            remedy="see where it hangs in the log of the attempt; give the suite a longer deadline if it only is slow",
        )
    elif ending.exit_code is None:
        error = DeviceUnhealthyError("the job did not end", where=where, remedy="reboot the device")
    elif ending.exit_code < 0:
        error = ProductCrashError(
            f"killed by {_signal_name(-ending.exit_code)}{f': {last}' if last else ''}",
            where=where,
            remedy="run the same command at home under a debugger; SIGKILL can mean that memory ran out",
        )
    elif ending.error is not None:
        return ending.error
    elif ending.exit_code == 0 or RESULT in ending.files:
        return None
    else:
        error = _without_result(ending.exit_code, last, where)
    return error.describe()


def _without_result(exit_code: int, last: str, where: str) -> ClosetError:
    """The error of a command that exited by itself and left no result; `last` is the last that it said."""
    if last.startswith(_MISSING):
        return DeviceUnhealthyError(
            f"the device's python lacks something: {last}", where=where, remedy="install the worker's packages there"
        )
    if exit_code == ExitCode.NO_VERDICT:
        return DeviceUnhealthyError(
            f"the program could not leave its result: {last}", where=where, remedy="make room on the device"
        )
    if exit_code in _NOT_STARTED:
        return DeviceUnhealthyError(
            f"the device's python did not start: {last or 'no message'}",
            where=where,
            remedy="see whether it runs there; provision the device again",
        )
    if exit_code not in _OURS:
        return ProductCrashError(
            f"ended itself with exit {exit_code}{f': {last}' if last else ''}",
            where=where,
            remedy="see in the log of the attempt what calls exit",
        )
    return ClosetError(
        f"the program failed with exit {exit_code} and no result: {last or 'no message'}",
        where=where,
        remedy="this is a bug of the harness: see the log of the attempt",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
