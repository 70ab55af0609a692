"""What keeps the devices of a run in order: canaries, limits, and recovery hooks that remember when they ran."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.closet.deadline import Deadline
from harness.closet.recovery import DAY_S, Begin, Phase, Recovery, carry_out
from harness.closet.upkeep import Upkeep
from harness.config import Fleet
from harness.config.upkeep import RecoveryHook
from harness.domain import Blob, Device
from harness.errors import DeviceUnhealthyError, ErrorDescription
from harness.files import write_text
from harness.pipeline.canary import make_canaries
from harness.shelf import Shelf

RECOVERY_RUN = "recovery"
_MOST_PAST = 1000


def make_upkeep(
    fleet: Fleet,
    code: Blob,
    shelf: Shelf,
    home: Path,
    stop: threading.Event,
    *,
    unproved: Iterable[str] = (),
) -> Upkeep:
    """What devices.yaml says, for the pool. `stop` also ends a recovery command that runs; `unproved` run no canary."""
    over = threading.Event()
    return Upkeep(
        canaries=make_canaries({device.kind for device in fleet.devices}, code, shelf),
        canary_every_h=fleet.canary_every_h,
        unproved=frozenset(unproved),
        limits=fleet.limits_of,
        recoveries={name: _recovery(hook, shelf, home, stop, over) for name, hook in fleet.recoveries.items()},
        over=over,
    )


def _recovery(
    hook: RecoveryHook, shelf: Shelf, home: Path, stop: threading.Event, over: threading.Event
) -> Callable[[Device, str], ErrorDescription | None]:
    return lambda device, _reason: bring_back(device, hook, shelf, home, stop, over)


def bring_back(
    device: Device,
    hook: RecoveryHook,
    shelf: Shelf,
    home: Path,
    stop: threading.Event,
    over: threading.Event | None = None,
) -> ErrorDescription | None:
    """Run a device's hook and wait until it answers: None when it is worth its canary, else why not.

    `stop` ends the command too; `over` only the wait: a power switch that is ended half way leaves the device off.
    What the command said is kept below `home`/recovery.
    """
    recovery = Recovery(hook)
    recovery.handle(Begin(past_recoveries(shelf, device)), time.time())
    if not recovery.phase.ended:
        note_recovery(shelf, device)
    while not recovery.phase.ended and recovery.phase is not Phase.CANARY:
        deadline = Deadline.after(recovery.left_s(time.time()))
        ends = stop if recovery.phase is Phase.COMMAND or over is None else over
        recovery.handle(carry_out(recovery.phase, device, hook.command, deadline, ends), time.time())
    kept = keep_output(home, device, recovery.output)
    if recovery.phase is Phase.CANARY:
        return None
    remedy = f"what the command said is in {kept}" if kept else "look at the device"
    return DeviceUnhealthyError(recovery.words, where=device.name, remedy=remedy).describe()


def past_recoveries(shelf: Shelf, device: Device) -> tuple[float, ...]:
    """Unix times at which recoveries of the device began within the last day."""
    since_s = time.time() - DAY_S
    past = shelf.attempts(run=RECOVERY_RUN, device=device.name, limit=_MOST_PAST)
    return tuple(attempt.started_s for attempt in past if attempt.started_s > since_s)


def note_recovery(shelf: Shelf, device: Device) -> None:
    """A recovery begins now: noted before its command starts, so that one that is killed counts too."""
    now_s = time.time()
    shelf.record_attempt(
        run=RECOVERY_RUN,
        device=device.name,
        kind=device.kind,
        cost_key="",
        started_s=now_s,
        ended_s=now_s,
        error_kind="",
        canary=False,
    )


def keep_output(home: Path, device: Device, output: str) -> Path | None:
    """Keep what a recovery command said; None when it said nothing."""
    if not output:
        return None
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S")
    path = home / "recovery" / f"{device.name}-{stamp}.log"
    write_text(path, output)
    return path
