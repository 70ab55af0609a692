"""Bringing a quarantined device back: its hook's command, the wait until it answers, and then its canary.

What may happen when is decided by a state machine without I/O; carrying it out is bounded in time and in output. The
command is run on the orchestrator from an argument list that stands in devices.yaml and nowhere else: nothing that a
device or a log said ever becomes part of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TypeAlias

from harness.closet.deadline import Deadline
from harness.closet.transport import CONNECT_S, connect
from harness.config.upkeep import RecoveryHook
from harness.domain import Device
from harness.errors import ClosetError, DeviceTimeoutError, ErrorDescription, UnreachableError
from harness.redaction import known_secrets, redact

DAY_S = 86_400.0
_OUTPUT_BYTES = 64 * 1024
_GRACE_S = 2.0
_POLL_S = 0.1
_CONTACT_PAUSE_S = 1.0
_GONE = frozenset({UnreachableError.__name__, DeviceTimeoutError.__name__})


class Phase(StrEnum):
    """How far one recovery is. The last three are its ends and never change."""

    NEW = "new"
    COMMAND = "command"
    CONTACT = "contact"
    CANARY = "canary"
    RECOVERED = "recovered"
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in {Phase.RECOVERED, Phase.FAILED, Phase.REFUSED}


@dataclass(frozen=True, slots=True)
class Begin:
    """A recovery is wanted. `past_s`: when earlier ones of this device began, on the clock of `handle`."""

    past_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """The command is over; `exit_code` is None when it was ended because its time was up or somebody stopped."""

    exit_code: int | None
    output: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The device can be reached."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The device was not reached in time."""

    reason: str


@dataclass(frozen=True, slots=True)
class CanaryAnswered:
    """The canary ran; `error` is None when its answer was right."""

    error: ErrorDescription | None


Event: TypeAlias = Begin | CommandEnded | Answered | Silent | CanaryAnswered


class Recovery:
    """One try to bring one device back. `phase` is also what is to be done next; `words` say how it ended."""

    def __init__(self, hook: RecoveryHook) -> None:
        self._hook = hook
        self.phase = Phase.NEW
        self.words = ""
        self.output = ""
        self._answer_by_s = 0.0

    def left_s(self, now_s: float) -> float:
        """How long what is to be done next may take."""
        return self._hook.deadline_s if self.phase is Phase.COMMAND else max(0.0, self._answer_by_s - now_s)

    def handle(self, event: Event, now_s: float) -> Phase:
        """Take in what happened; returns what is to be done next. What does not fit the phase changes nothing."""
        match (self.phase, event):
            case (Phase.NEW, Begin(past_s)):
                refused = refusal(self._hook, past_s, now_s)
                self._go(Phase.REFUSED if refused else Phase.COMMAND, refused)
            case (Phase.COMMAND, CommandEnded(exit_code, output)):
                self.output = output
                if exit_code == 0:
                    self._answer_by_s = now_s + self._hook.deadline_s
                    self._go(Phase.CONTACT)
                else:
                    self._go(Phase.FAILED, self._command_failed(exit_code))
            case (Phase.CONTACT, Answered()):
                self._go(Phase.CANARY)
            case (Phase.CONTACT, Silent(reason)):
                self._go(Phase.FAILED, f"the recovery command ran, but the device does not answer: {reason}")
            case (Phase.CANARY, CanaryAnswered(None)):
                self._go(Phase.RECOVERED, "recovered: the command ran, the device answers, its canary is right")
            case (Phase.CANARY, CanaryAnswered(ErrorDescription(kind))) if kind in _GONE and now_s < self._answer_by_s:
                self._go(Phase.CONTACT)  # a device that is told to reboot may still answer for a while
            case (Phase.CANARY, CanaryAnswered(ErrorDescription() as error)):
                self._go(Phase.FAILED, f"the recovery command ran, but the canary failed: {error.problem}")
        return self.phase

    def _go(self, phase: Phase, words: str = "") -> None:
        self.phase, self.words = phase, words

    def _command_failed(self, exit_code: int | None) -> str:
        if exit_code is None:
            return f"the recovery command did not end within {self._hook.deadline_s:g} s"
        how = f"by {signal.strsignal(-exit_code) or 'a signal'}" if exit_code < 0 else f"with {exit_code}"
        last = self.output.strip().splitlines()[-1:] or ["and said nothing"]
        return f"the recovery command ended {how}: {last[0][:200]}"


def refusal(hook: RecoveryHook, past_s: Sequence[float], now_s: float) -> str:
    """Why no recovery may begin now, given when earlier ones began; empty when one may."""
    recent = [began_s for began_s in past_s if now_s - began_s < DAY_S]
    if len(recent) >= hook.most_a_day:
        return f"recovery was tried {len(recent)} times within a day, and may be {hook.most_a_day} times"
    if recent and (left_s := max(recent) + hook.cool_down_s - now_s) > 0:
        return f"recovery cools down for another {left_s:.0f} s"
    return ""


def recover(
    device: Device,
    hook: RecoveryHook,
    past_s: tuple[float, ...],
    *,
    canary: Callable[[], ErrorDescription | None],
    stop: threading.Event,
    clock: Callable[[], float] = time.time,
    began: Callable[[], object] = lambda: None,
) -> Recovery:
    """Try to bring a device back, to the end. `began` is called once the try is on, before its command is started."""
    recovery = Recovery(hook)
    recovery.handle(Begin(past_s), clock())
    if not recovery.phase.ended:
        began()
    while not recovery.phase.ended:
        event: Event
        if recovery.phase is Phase.CANARY:
            event = CanaryAnswered(canary())
        else:
            event = carry_out(recovery.phase, device, hook.command, Deadline.after(recovery.left_s(clock())), stop)
        recovery.handle(event, clock())
    return recovery


def carry_out(phase: Phase, device: Device, command: Sequence[str], deadline: Deadline, stop: threading.Event) -> Event:
    """Do what a phase stands for, the canary excepted, and say what came of it."""
    if phase is Phase.COMMAND:
        return run_command(command, device, deadline, stop)
    return wait_until_reachable(device, deadline, stop)


def run_command(command: Sequence[str], device: Device, deadline: Deadline, stop: threading.Event) -> CommandEnded:
    """Run the argument list to its end or the deadline. It is told the device by CLOSET_DEVICE and CLOSET_ADDRESS.

    It has the variables of this program too, so what it says of them is left out of its output.
    """
    environment = {**os.environ, "CLOSET_DEVICE": device.name, "CLOSET_ADDRESS": device.address}
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return CommandEnded(127, f"{command[0]}: {error.strerror}")
    tail = bytearray()
    reader = threading.Thread(target=_read_tail, args=(process.stdout, tail), daemon=True)
    reader.start()
    while process.poll() is None and not deadline.passed and not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            process.wait(deadline.within(_POLL_S).left_s)
    exit_code = process.poll()
    if exit_code is None:
        _end_group(process)
    reader.join(_GRACE_S)  # what it left in the background may hold its output open
    output = redact(bytes(tail).decode(errors="replace"), known_secrets())
    return CommandEnded(exit_code, output[-_OUTPUT_BYTES:])


def wait_until_reachable(device: Device, deadline: Deadline, stop: threading.Event) -> Event:
    """Try to log in until it works, the deadline has passed or somebody stops."""
    while True:
        try:
            connect(device, deadline.within(CONNECT_S)).close()
        except ClosetError as error:
            if stop.wait(deadline.within(_CONTACT_PAUSE_S).left_s) or deadline.passed:
                return Silent(error.problem)
        else:
            return Answered()


def _read_tail(stream: IO[bytes] | None, tail: bytearray) -> None:
    if stream is None:
        return
    with stream, suppress(OSError, ValueError):
        while piece := os.read(stream.fileno(), 65536):
            tail += piece
            del tail[: -2 * _OUTPUT_BYTES]  # whole lines show what is secret: it is cut to size after that


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, a grace, SIGKILL, to the session that the command leads."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
