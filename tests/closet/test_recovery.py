"""Recovery: the state machine by itself, real commands, and an emulated worker that a script brings back."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.closet.deadline import Deadline
from harness.closet.emulator import EmulatedDevice, emulated_closet
from harness.closet.recovery import (
    DAY_S,
    Answered,
    Begin,
    CanaryAnswered,
    CommandEnded,
    Event,
    Phase,
    Recovery,
    Silent,
    recover,
    refusal,
    run_command,
    wait_until_reachable,
)
from harness.closet.session import open_session
from harness.config.upkeep import RecoveryHook
from harness.domain import Device, DeviceKind
from harness.errors import ClosetError, ErrorDescription, UnreachableError
from tests.closet.conftest import alive, eventually

HOOK = RecoveryHook(("power-cycle", "3"), deadline_s=60.0, cool_down_s=600.0, most_a_day=3)
WRONG = ErrorDescription("DeviceUnhealthyError", "canary answered X")
GONE = UnreachableError("the connection broke").describe()
DEVICE = Device("mici-01", DeviceKind.MICI, "127.0.0.1", 9, "comma", "no key", "ssh-ed25519 AAAA", "/data/closet", "py")


def python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program, *arguments)


def after(*events: Event, hook: RecoveryHook = HOOK) -> Recovery:
    recovery = Recovery(hook)
    for now_s, event in enumerate(events):
        recovery.handle(event, float(now_s))
    return recovery


@pytest.mark.parametrize(
    ("events", "phase", "words"),
    [
        ([Begin()], Phase.COMMAND, ""),
        ([Begin(), CommandEnded(0)], Phase.CONTACT, ""),
        ([Begin(), CommandEnded(0), Answered()], Phase.CANARY, ""),
        ([Begin(), CommandEnded(0), Answered(), CanaryAnswered(None)], Phase.RECOVERED, "recovered"),
        ([Begin(), CommandEnded(0), Answered(), CanaryAnswered(WRONG)], Phase.FAILED, "canary answered X"),
        ([Begin(), CommandEnded(0), Answered(), CanaryAnswered(GONE)], Phase.CONTACT, ""),
        ([Begin(), CommandEnded(0), Silent("no answer")], Phase.FAILED, "does not answer: no answer"),
        ([Begin(), CommandEnded(2, "x\nno such port\n")], Phase.FAILED, "ended with 2: no such port"),
        ([Begin(), CommandEnded(-9)], Phase.FAILED, "Killed"),
        ([Begin(), CommandEnded(None)], Phase.FAILED, "did not end within 60 s"),
        ([Begin((-10.0,))], Phase.REFUSED, "cools down for another 590 s"),
        ([Begin((-7000.0, -6000.0, -5000.0))], Phase.REFUSED, "3 times within a day"),
        ([Begin(), Begin(), CanaryAnswered(None), Answered(), CommandEnded(0)], Phase.CONTACT, ""),
    ],
)
def test_what_follows_from_what(events: list[Event], phase: Phase, words: str) -> None:
    recovery = after(*events)
    assert recovery.phase is phase
    assert words in recovery.words
    assert bool(recovery.words) is phase.ended


def test_a_device_that_goes_away_late_is_given_up() -> None:
    recovery = after(Begin(), CommandEnded(0), Answered())
    assert recovery.left_s(1.0 + 30.0) == 30.0
    recovery.handle(CanaryAnswered(GONE), 1.0 + 60.0)
    assert recovery.phase is Phase.FAILED


@given(
    st.lists(
        st.sampled_from(
            [
                Begin(),
                Begin((-1.0,)),
                CommandEnded(0),
                CommandEnded(1),
                CommandEnded(None),
                Answered(),
                Silent("dark"),
                CanaryAnswered(None),
                CanaryAnswered(WRONG),
                CanaryAnswered(GONE),
            ]
        ),
        max_size=30,
    )
)
def test_law_only_a_right_canary_recovers_and_an_end_is_an_end(events: list[Event]) -> None:
    recovery = Recovery(HOOK)
    commands, ended = 0, ""
    for now_s, event in enumerate(events):
        before = recovery.phase
        phase = recovery.handle(event, float(now_s))
        commands += phase is Phase.COMMAND and before is not Phase.COMMAND
        if phase is Phase.RECOVERED and before is not Phase.RECOVERED:
            assert before is Phase.CANARY
            assert event == CanaryAnswered(None)
        if ended:
            assert (before, phase, recovery.words) == (phase, before, ended)
        ended = recovery.words if phase.ended else ""
    assert commands <= 1, "the command runs at most once a try"


@given(st.lists(st.integers(0, 3 * 86_400), max_size=12), st.integers(1, 4), st.integers(0, 43_200))
def test_law_tries_that_were_not_refused_keep_their_distance(
    wanted_s: list[int], most_a_day: int, cool_down_s: int
) -> None:
    hook = replace(HOOK, most_a_day=most_a_day, cool_down_s=cool_down_s)
    past_s: list[int] = []
    for now_s in sorted(wanted_s):
        if not refusal(hook, past_s, now_s):
            past_s.append(now_s)
    for i, began_s in enumerate(past_s):
        assert sum(began_s - DAY_S < other <= began_s for other in past_s[: i + 1]) <= most_a_day
    assert all(later - earlier >= cool_down_s for earlier, later in itertools.pairwise(past_s))
    assert not wanted_s or past_s, "the first one is never refused"


def test_a_command_is_an_argument_list_and_knows_its_device(tmp_path: Path) -> None:
    program = "import os, sys; print(sys.argv[1], os.environ['CLOSET_DEVICE'], os.environ['CLOSET_ADDRESS'])"
    trap = f"$(touch {tmp_path}/trap); `touch {tmp_path}/trap`"
    ended = run_command(python(program, trap), DEVICE, Deadline.after(20.0), threading.Event())
    assert ended == CommandEnded(0, f"{trap} mici-01 127.0.0.1\n")
    assert list(tmp_path.iterdir()) == []


def test_what_a_command_says_is_kept_to_its_end_and_bounded() -> None:
    program = "import sys; sys.stdout.write('x' * 1_000_000); sys.stderr.write('the end'); sys.exit(3)"
    ended = run_command(python(program), DEVICE, Deadline.after(20.0), threading.Event())
    assert ended.exit_code == 3
    assert len(ended.output) == 64 * 1024
    assert ended.output.endswith("the end")


def test_a_command_that_is_not_there() -> None:
    ended = run_command(("/no/such/power-switch",), DEVICE, Deadline.after(5.0), threading.Event())
    assert ended.exit_code == 127
    assert "/no/such/power-switch" in ended.output


STUBBORN = """\
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["deadline", "stop"])
def test_a_command_that_does_not_end_is_ended_with_its_children(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.closet.recovery._GRACE_S", 0.2)
    stop = threading.Event()
    started = tmp_path / "started"
    if how == "stop":
        threading.Thread(target=lambda: eventually(lambda: started.exists() and not stop.set())).start()
    seconds = 1.5 if how == "deadline" else 60.0
    began_s = time.monotonic()
    ended = run_command(python(STUBBORN, str(started)), DEVICE, Deadline.after(seconds), stop)
    assert ended.exit_code is None
    assert time.monotonic() - began_s < 20.0
    assert eventually(lambda: bool(started.read_text()))
    pids = [int(pid) for pid in started.read_text().split()]
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_device_that_never_answers_is_waited_for_no_longer_than_that() -> None:
    began_s = time.monotonic()
    event = wait_until_reachable(DEVICE, Deadline.after(0.5), threading.Event())
    assert isinstance(event, Silent)
    assert time.monotonic() - began_s < 4.0


@contextmanager
def dead_worker(folder: Path) -> Iterator[tuple[EmulatedDevice, tuple[str, ...]]]:
    """An emulated worker whose server is gone, and the argument list that starts it again on its port."""
    with emulated_closet(1, folder) as closet:
        (member,) = closet.members
        device = member.device
        script = folder / "power_on.py"
        script.write_text(
            "import subprocess, sys\n"
            f"command = [{sys.executable!r}, '-m', 'harness.closet.emulator_server', '--root', {str(member.root)!r},\n"
            f"  '--host-key', {str(folder / device.name)!r} + '.host_key', '--client-key',\n"
            f"  {device.key_path!r} + '.pub', '--port', {str(device.port)!r}]\n"
            # It ends with its stdin: a pipe held by a process that this test can end.
            "server = subprocess.Popen(command, stdin=open(sys.argv[1]), stdout=subprocess.PIPE)\n"
            "print('on again', server.stdout.readline().decode())\n"
        )
        plug = folder / "plug"
        subprocess.run(["mkfifo", str(plug)], check=True)
        member.process.kill()
        member.process.wait()
        held = os.open(plug, os.O_RDWR)
        try:
            yield member, (sys.executable, str(script), str(plug))
        finally:
            os.close(held)
            assert eventually(lambda: looked_at(device) is not None), "it is switched off"


def looked_at(device: Device) -> ErrorDescription | None:
    """A stand-in for its canary: what the device measures of itself."""
    try:
        session = open_session(device, on_lost=lambda _error: None)
    except ClosetError as error:
        return error.describe()
    try:
        return None if session.check().cpus else WRONG
    finally:
        session.close()


def test_a_worker_that_was_switched_off_is_brought_back(tmp_path: Path) -> None:
    with dead_worker(tmp_path) as (member, command):
        assert looked_at(member.device) is not None
        hook = RecoveryHook(command, deadline_s=30.0)
        began: list[bool] = []
        recovery = recover(
            member.device,
            hook,
            (),
            canary=lambda: looked_at(member.device),
            stop=threading.Event(),
            began=lambda: began.append(True),
        )
        assert (recovery.phase, recovery.words) == (Phase.RECOVERED, recovery.words), recovery.words
        assert "on again" in recovery.output
        assert began == [True]
        again = recover(
            member.device, hook, (time.time(),), canary=lambda: pytest.fail("not asked"), stop=threading.Event()
        )
        assert again.phase is Phase.REFUSED
