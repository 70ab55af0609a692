from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from harness.closet.emulator import emulated_closet, write_key
from harness.closet.work import (
    DeviceConnected,
    DeviceLost,
    JobFinished,
    JobProgress,
    JobStarted,
    PoolEvent,
    StagingProgress,
    Work,
)
from harness.domain import Device, DeviceKind
from harness.errors import ConfigError, ErrorDescription
from tests.closet.conftest import Bench, alive, assert_clean, eventually, processes_with
from tests.disks import small_disk

SLEEPS = "import json, os, time; print(json.dumps({'pid': os.getpid()})); time.sleep(600)"
WRITES = "import pathlib; pathlib.Path('out/a.txt').write_text('done')"


def sleeps_once(bench: Bench) -> str:
    """A program that sleeps for ever the first time it is run, and does its work the next time."""
    mark = str(bench.folder / "mark")
    return (
        f"import json, os, pathlib, time; mark = pathlib.Path({mark!r}); first = not mark.exists(); mark.touch(); "
        f"print(json.dumps({{'pid': os.getpid()}})); time.sleep(600 if first else 0); {WRITES}"
    )


def killer(pids: list[int], on_pid) -> object:
    """An event handler that calls `on_pid` for each pid a job tells."""

    def told(event: PoolEvent) -> None:
        if isinstance(event, JobProgress) and "pid" in event.progress:
            pids.append(int(event.progress["pid"]))
            on_pid(event)

    return told


def test_a_job_runs_and_its_files_come_back(bench: Bench, devices) -> None:
    content = os.urandom(100_000)
    blob = bench.blob(content)
    program = """
import json, os, pathlib, sys, little
job = json.load(open("job.json"))
data = pathlib.Path(job["blob"]).read_bytes()
for n in range(3):
    print(json.dumps({"frames_done": n, "answer": little.ANSWER}))
print("this line is not JSON")
pathlib.Path("out/deep").mkdir()
pathlib.Path("out/deep/copy.bin").write_bytes(data)
pathlib.Path("out/empty").touch()
os.symlink("/etc/passwd", "out/link")
print("a word on stderr", file=sys.stderr)
"""
    work = bench.work(program, blobs=[blob], job_text=json.dumps({"blob": f"../../blobs/{blob.sha256}"}))
    outcome = bench.run([work], devices)[work.id]
    assert outcome.error is None
    assert sorted(outcome.files) == ["deep/copy.bin", "empty"]
    assert outcome.files["deep/copy.bin"].read_bytes() == content
    assert outcome.files["empty"].read_bytes() == b""
    (attempt,) = outcome.attempts
    assert attempt.log_tail == "a word on stderr\n"
    assert attempt.measurements["exit_code"] == 0
    assert 0 <= attempt.started_s < attempt.ended_s
    assert [event.progress["frames_done"] for event in bench.seen(JobProgress)] == [0, 1, 2]
    assert bench.seen(JobProgress)[0].progress["answer"] == 42
    facts = bench.seen(DeviceConnected)[0].facts
    assert facts.cpus == os.cpu_count()
    assert "numpy" in facts.packages
    assert bench.seen(JobStarted)[0].epoch == attempt.epoch
    assert bench.seen(JobFinished)[0].error is None


def test_many_jobs_end_once_each_and_both_devices_work(bench: Bench, devices) -> None:
    works = [bench.work(WRITES, cost_s=float(n)) for n in range(12)]
    outcomes = bench.run(works, devices)
    assert all(outcome.error is None for outcome in outcomes.values())
    assert all(outcome.files["a.txt"].read_text() == "done" for outcome in outcomes.values())
    assert {outcome.attempts[0].device for outcome in outcomes.values()} == {device.name for device in devices}


def test_what_a_device_has_is_not_sent_again(bench: Bench, devices) -> None:
    blob = bench.blob(os.urandom(20_000_000))
    device = devices[0]
    first = bench.work(
        "import hashlib, json, pathlib; "
        "d = hashlib.sha256(pathlib.Path(json.load(open('job.json'))['b']).read_bytes()).hexdigest(); "
        "pathlib.Path('out/digest').write_text(d)",
        blobs=[blob],
        job_text=json.dumps({"b": f"../../blobs/{blob.sha256}"}),
    )
    outcome = bench.run([first], [device])[first.id]
    assert outcome.files["digest"].read_text() == blob.sha256
    assert outcome.attempts[0].measurements["staged_bytes"] >= blob.size_bytes
    progress = bench.seen(StagingProgress)
    assert progress[-1].sent_bytes == progress[-1].total_bytes >= blob.size_bytes
    assert len(progress) > 2
    bench.events.clear()
    second = replace(first, id=hashlib.sha256(first.id.encode()).hexdigest())
    outcome = bench.run([second], [device])[second.id]
    assert outcome.error is None
    assert outcome.attempts[0].measurements["staged_bytes"] == 0
    assert bench.seen(StagingProgress) == []


def test_a_deadline_ends_the_whole_family(bench: Bench, devices) -> None:
    # A child that ignores SIGTERM, and a grandchild that made a session of its own.
    program = """
import json, os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
free = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
for pid in (os.getpid(), child.pid, free.pid):
    print(json.dumps({"pid": pid}))
time.sleep(600)
"""
    pids: list[int] = []
    work = bench.work(program, deadline_s=1.0)
    outcome = bench.run([work], devices[:1], on_event=killer(pids, lambda _: None), max_attempts=1)[work.id]
    assert outcome.error is not None
    assert outcome.error.kind == "DeviceTimeoutError"
    assert "deadline of 1 s" in outcome.error.problem
    assert len(pids) == 3
    assert not [pid for pid in pids if alive(pid)]
    assert outcome.files == {}


def test_what_a_job_leaves_running_is_ended(bench: Bench, devices) -> None:
    program = (
        "import json, subprocess, sys; "
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, "
        "stdout=subprocess.DEVNULL); print(json.dumps({'pid': p.pid}))"
    )
    pids: list[int] = []
    work = bench.work(program)
    outcome = bench.run([work], devices, on_event=killer(pids, lambda _: None))[work.id]
    assert outcome.error is None
    assert outcome.attempts[0].measurements["left_behind"] == 1
    assert len(pids) == 1
    assert not alive(pids[0])


def test_a_crash_everywhere_is_the_products(bench: Bench, devices) -> None:
    work = bench.work("import os, sys; sys.stderr.write('last words\\n'); sys.stderr.flush(); os.kill(os.getpid(), 11)")
    outcome = bench.run([work], devices)[work.id]
    assert outcome.error is not None
    assert outcome.error.kind == "ProductCrashError"
    assert "SIGSEGV" in outcome.error.problem
    assert "last words" in outcome.error.problem
    assert {attempt.device for attempt in outcome.attempts} == {device.name for device in devices}
    assert all(device.name in outcome.error.problem for device in devices)


def test_a_crash_on_one_device_only_is_not(bench: Bench, devices) -> None:
    bad = devices[0]
    program = f"import os\nif {bad.work_folder!r} in os.getcwd(): os.kill(os.getpid(), 6)\n{WRITES}"
    works = [bench.work(program) for _ in range(2)]
    outcomes = bench.run(works, devices)
    assert all(outcome.error is None for outcome in outcomes.values())
    tries = [attempt for outcome in outcomes.values() for attempt in outcome.attempts]
    crashed = [attempt for attempt in tries if attempt.error is not None]
    assert crashed
    assert {attempt.device for attempt in crashed} == {bad.name}
    assert crashed[0].error.kind == "ProductCrashError"
    assert "SIGABRT" in crashed[0].error.problem


def test_a_worker_killed_from_outside_is_tried_elsewhere(bench: Bench, devices) -> None:
    pids: list[int] = []

    def once(event: PoolEvent) -> None:
        if len(pids) == 1:
            os.kill(pids[0], signal.SIGKILL)

    work = bench.work(sleeps_once(bench))
    outcome = bench.run([work], devices, on_event=killer(pids, once))[work.id]
    assert outcome.error is None
    assert [attempt.error is None for attempt in outcome.attempts] == [False, True]
    assert "SIGKILL" in outcome.attempts[0].error.problem
    assert outcome.attempts[0].device != outcome.attempts[1].device


@pytest.mark.parametrize(
    ("program", "kind", "words"),
    [
        ("raise RuntimeError('ours')", "ClosetError", "exit 1 and no result: RuntimeError: ours"),
        ("import not_there_at_all", "DeviceUnhealthyError", "not_there_at_all"),
        ("import os; os._exit(7)", "ProductCrashError", "ended itself with exit 7"),
        ("open('out/result.json', 'w').write('{}'); raise SystemExit(3)", None, ""),
    ],
)
def test_exit_codes_say_whose_fault_it_is(bench: Bench, devices, program: str, kind: str | None, words: str) -> None:
    work = bench.work(program)
    outcome = bench.run([work], devices[:1], max_attempts=1)[work.id]
    if kind is None:
        assert outcome.error is None
        assert outcome.attempts[0].measurements["exit_code"] == 3
        assert outcome.files["result.json"].read_text() == "{}"
    else:
        assert outcome.error is not None
        assert outcome.error.kind == kind
        assert words in outcome.error.problem


def test_an_error_that_is_found_in_the_files_is_tried_elsewhere(bench: Bench, devices) -> None:
    lacks = ErrorDescription("DeviceUnhealthyError", "no C compiler", remedy="install one")
    first: list[str] = []

    def judge(work: Work, device: str, files: Mapping[str, Path]) -> ErrorDescription | None:
        assert files["a.txt"].read_text() == "done"
        first.append(device)
        return lacks if device == first[0] else None

    work = bench.work(WRITES)
    outcome = bench.run([work], devices, judge=judge)[work.id]
    assert outcome.error is None
    assert [attempt.error for attempt in outcome.attempts] == [lacks, None]
    bad, good = (attempt.device for attempt in outcome.attempts)
    assert bad != good
    assert good in str(outcome.files["a.txt"])
    assert [path for path in (bench.folder / "results").rglob("a.txt") if bad in str(path)] == []


def test_what_no_device_does_better_comes_with_the_files_of_the_last(bench: Bench, devices) -> None:
    lacks = ErrorDescription("DeviceUnhealthyError", "no C compiler")
    work = bench.work(WRITES)
    outcome = bench.run([work], devices, judge=lambda *_: lacks)[work.id]
    assert outcome.error == lacks
    assert len({attempt.device for attempt in outcome.attempts}) == 2
    assert outcome.attempts[-1].device in str(outcome.files["a.txt"])


def test_stop_kills_what_runs_and_reports_the_rest_as_not_run(bench: Bench, devices) -> None:
    stop = threading.Event()
    pids: list[int] = []

    def told(event: PoolEvent) -> None:
        if len(pids) == 2:
            stop.set()

    works = [bench.work(SLEEPS) for _ in range(5)]
    outcomes = bench.run(works, devices, on_event=killer(pids, told), stop=stop)
    assert {outcome.error.kind for outcome in outcomes.values() if outcome.error} == {"NotRun"}
    assert len(outcomes) == 5
    assert len(pids) == 2
    assert not [pid for pid in pids if alive(pid)]
    for device in devices:
        assert_clean(device)


def test_leaving_the_pool_kills_what_runs(bench: Bench, devices) -> None:
    told = bench.folder / "pid"
    sleeps = (
        f"import os, pathlib, time; p = pathlib.Path({str(told)!r}); "
        "p.with_suffix('.part').write_text(str(os.getpid())); p.with_suffix('.part').rename(p); time.sleep(600)"
    )
    with bench.pool(devices) as pool:
        pool.submit([bench.work(sleeps), bench.work(WRITES)])
        assert next(pool.outcomes()).error is None
        assert eventually(told.exists, 60.0)
    assert not alive(int(told.read_text()))
    for device in devices:
        assert_clean(device)


def test_devices_go_on_while_the_caller_is_busy(bench: Bench, devices) -> None:
    marks = [bench.folder / f"mark{n}" for n in range(4)]
    works = [bench.work(f"import pathlib; pathlib.Path({str(mark)!r}).touch()") for mark in marks]
    with bench.pool(devices[:1]) as pool:
        pool.submit(works)
        outcomes = pool.outcomes()
        assert next(outcomes).error is None
        assert eventually(lambda: all(mark.exists() for mark in marks)), "the next jobs wait for the caller"
        assert len(list(outcomes)) == 3


def test_an_error_of_the_callers_own_handler_comes_back_and_ends_the_run(bench: Bench, devices) -> None:
    pids: list[int] = []

    def fail(event: PoolEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run([bench.work(SLEEPS)], devices[:1], on_event=killer(pids, fail))
    assert len(pids) == 1
    assert not alive(pids[0])
    assert_clean(devices[0])


def test_one_device_with_another_host_key_is_left_out(bench: Bench, devices) -> None:
    other = write_key(bench.folder / "other").with_suffix(".pub").read_text()
    wrong = replace(devices[0], host_key=" ".join(other.split()[:2]))
    works = [bench.work(WRITES) for _ in range(2)]
    outcomes = bench.run(works, [wrong, devices[1]])
    assert all(outcome.error is None for outcome in outcomes.values())
    (lost,) = bench.seen(DeviceLost)
    assert lost.device == wrong.name
    assert lost.error.kind == "HostKeyError"
    assert lost.returns is False


def test_a_key_that_is_refused_is_not_tried_again(bench: Bench, devices) -> None:
    wrong = replace(devices[0], key_path=str(write_key(bench.folder / "other")))
    began = time.monotonic()
    outcome = bench.run([work := bench.work(WRITES)], [wrong])[work.id]
    assert time.monotonic() - began < 6.0, "shorter than the pauses alone"
    assert outcome.error is not None
    assert outcome.error.kind == "UnreachableError"
    assert "may not log in" in outcome.error.problem


def test_a_short_time_without_any_device_ends_no_work(bench: Bench, devices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.closet.connections._FIRST_PAUSES_S", (0.1, 0.3))
    away = []
    for device in devices:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            away.append(replace(device, port=listener.getsockname()[1]))
    works = [bench.work(WRITES) for _ in range(3)]
    with ExitStack() as stack:

        def told(event: PoolEvent) -> None:
            if isinstance(event, DeviceLost) and len(bench.seen(DeviceLost)) == len(away):
                for device, there in zip(away, devices, strict=True):
                    stack.enter_context(forwarded(device.port, there.port))

        outcomes = bench.run(works, away, on_event=told)
    assert [event.returns for event in bench.seen(DeviceLost)] == [True, True]
    assert all(outcome.error is None and len(outcome.attempts) == 1 for outcome in outcomes.values())


def test_no_device_at_all_is_an_error_for_every_work_and_quick(
    bench: Bench, devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.closet.connections._FIRST_PAUSES_S", (0.1, 0.3))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    nobody = [replace(device, port=port) for device in devices]
    began = time.monotonic()
    outcomes = bench.run([bench.work(WRITES) for _ in range(3)], nobody)
    assert time.monotonic() - began < 5.0
    for outcome in outcomes.values():
        assert outcome.error is not None
        assert outcome.error.kind == "UnreachableError"
        assert all(device.name in outcome.error.problem for device in devices)
        assert outcome.attempts == ()


def test_a_work_for_no_device_is_refused_before_anything_is_connected(bench: Bench, devices) -> None:
    with pytest.raises(ConfigError, match=r"tizi with tags gpu"):
        bench.run([bench.work(WRITES, device_kind=DeviceKind.TIZI, tags=("gpu",))], devices)
    assert bench.events == []


def test_a_missing_blob_here_is_nobodys_device(bench: Bench, devices) -> None:
    blob = bench.blob(b"soon gone")
    bench.path(blob.sha256).unlink()
    work = bench.work(WRITES, blobs=[blob])
    outcome = bench.run([work], devices)[work.id]
    assert outcome.error is not None
    assert outcome.error.kind == "DataError"
    assert len(outcome.attempts) == 1


def test_a_blob_with_other_bytes_is_never_used(bench: Bench, devices) -> None:
    blob = bench.blob(os.urandom(1000))
    bench.path(blob.sha256).write_bytes(bytes(1000))
    work = bench.work(WRITES, blobs=[blob])
    outcome = bench.run([work], devices)[work.id]
    assert outcome.error is not None
    assert outcome.error.kind == "DataError", "the file changed here: no other device is tried"
    assert len(outcome.attempts) == 1
    assert not list(Path(devices[0].work_folder).rglob(f"*{blob.sha256}*"))


def test_a_device_without_a_fitting_python_says_so(bench: Bench, devices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.closet.connections._FIRST_PAUSES_S", (0.1,))
    work = bench.work(WRITES)
    outcome = bench.run([work], [replace(devices[0], python="/nowhere/python")])[work.id]
    assert outcome.error is not None
    (lost,) = bench.seen(DeviceLost)
    assert lost.error.kind == "DeviceUnhealthyError"
    assert "/nowhere/python" in lost.error.problem


def test_power_cut_in_the_middle_of_a_job(bench: Bench) -> None:
    pids: list[int] = []
    with emulated_closet(2, bench.folder / "devices") as closet:
        victims = {member.device.name: member for member in closet.members}

        def cut(event: JobProgress) -> None:
            if len(pids) == 1:
                os.kill(victims[event.device].process.pid, signal.SIGKILL)

        work = bench.work(sleeps_once(bench))
        outcome = bench.run([work], closet.devices, on_event=killer(pids, cut))[work.id]
        assert outcome.error is None
        first, second = outcome.attempts
        assert first.error.kind == "UnreachableError"
        assert first.device != second.device
        assert [event.device for event in bench.seen(DeviceLost)][:1] == [first.device]
        assert eventually(lambda: not alive(pids[0])), "the agent did not end the job when it was cut off"
        for device in closet.devices:
            assert_clean(device)


def test_what_a_killed_agent_left_is_swept_at_the_end_of_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.closet.connections._RETURN_PAUSES_S", (300.0,))  # it does not come back by itself
    pids: list[int] = []
    with emulated_closet(2, bench.folder / "devices") as closet:

        def kill(event: JobProgress) -> None:
            if len(pids) == 1:
                assert event.progress["parent"] != os.getpid()
                os.kill(int(event.progress["parent"]), signal.SIGKILL)

        program = sleeps_once(bench).replace("'pid': os.getpid()", "'pid': os.getpid(), 'parent': os.getppid()")
        work = bench.work(program)
        outcome = bench.run([work], closet.devices, on_event=killer(pids, kill))[work.id]
        assert outcome.error is None
        assert [attempt.error is None for attempt in outcome.attempts] == [False, True]
        assert not alive(pids[0]), "gone when the run is over, not when the next one comes"
        for device in closet.devices:
            assert_clean(device)


def test_a_frozen_device_is_noticed_and_its_late_answer_changes_nothing(bench: Bench) -> None:
    pids: list[int] = []
    with emulated_closet(2, bench.folder / "devices") as closet:
        servers = {member.device.name: member.process.pid for member in closet.members}
        frozen: list[int] = []

        def freeze(event: JobProgress) -> None:
            if not frozen:
                frozen.append(servers[event.device])
                os.kill(frozen[0], signal.SIGSTOP)

        work = bench.work(f"import json, os; print(json.dumps({{'pid': os.getpid()}}))\n{WRITES}")
        try:
            outcome = bench.run([work], closet.devices, on_event=killer(pids, freeze), lost_after_s=2.0)[work.id]
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        assert outcome.error is None
        assert len(outcome.attempts) == 2
        assert outcome.attempts[0].error.kind == "UnreachableError"
        assert "no heartbeat" in outcome.attempts[0].error.problem
        assert outcome.attempts[0].device != outcome.attempts[1].device


def test_a_killed_orchestrator_leaves_nothing_on_the_device(bench: Bench, devices) -> None:
    script = bench.folder / "orchestrator.py"
    told = bench.folder / "pid"
    work = bench.work(
        f"import os, pathlib, time; p = pathlib.Path({str(told)!r}); "
        "p.with_suffix('.part').write_text(str(os.getpid())); p.with_suffix('.part').rename(p); time.sleep(600)"
    )
    script.write_text(f"""
import threading
from pathlib import Path, PosixPath
from harness.closet.pool import open_pool
from harness.closet.work import Work
from harness.domain import Blob, Device, DeviceKind
from harness.shelf import Shelf
store = Path({str(bench.folder / "store")!r})
work = Work({work.id!r}, DeviceKind.EMULATED, (), (), "{{}}", {work.arguments!r}, {work.code!r}, 1.0, 60.0)
device = Device({devices[0].name!r}, DeviceKind.EMULATED, "127.0.0.1", {devices[0].port}, {devices[0].user!r},
    {devices[0].key_path!r}, {devices[0].host_key!r}, {devices[0].work_folder!r}, {devices[0].python!r})
with open_pool([device], shelf=Shelf(Path({str(bench.folder / "shelf.db")!r})), run="killed", blob_path=store.joinpath,
        destination=Path({str(bench.folder)!r}), on_event=lambda event: None, stop=threading.Event()) as pool:
    pool.submit([work])
    list(pool.outcomes())
""")
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(root)})
    try:
        assert eventually(told.exists, 60.0), "a Python of its own, which loads everything first"
    finally:
        process.kill()
        process.wait()
    assert eventually(lambda: not alive(int(told.read_text())))
    assert_clean(devices[0])


def test_a_device_that_comes_back_is_used_again(bench: Bench) -> None:
    # Only the server-side processes of the connection die, the device itself answers again at once.
    pids: list[int] = []
    with emulated_closet(1, bench.folder / "devices") as closet:
        (member,) = closet.members

        def drop(event: JobProgress) -> None:
            if len(pids) == 1:
                for pid in processes_with(f"CLOSET_EMULATED={member.root}"):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

        work = bench.work(sleeps_once(bench))
        outcome = bench.run([work], closet.devices, on_event=killer(pids, drop))[work.id]
        assert outcome.error is None
        assert len(outcome.attempts) == 2
        assert [event.returns for event in bench.seen(DeviceLost)] == [True]
        assert len(bench.seen(DeviceConnected)) == 2
        assert outcome.attempts[1].epoch > outcome.attempts[0].epoch
        assert_clean(member.device)


@contextmanager
def forwarded(port: int, to: int) -> Iterator[None]:
    """What connects to `port` of this machine reaches `to`."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    ends: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", port))

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", to))
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for end in ends:
            end.close()


def test_a_device_that_did_not_answer_at_first_joins_in_when_it_does(
    bench: Bench, devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.closet.connections._LATER_PAUSES_S", (0.2,) * 100)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    late = replace(devices[1], port=port)
    mark = bench.folder / "mark"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(mark)!r}).exists(): time.sleep(0.01)\n{WRITES}"
    first = bench.work(waits, only_devices=(devices[0].name,))
    second = bench.work(WRITES)
    with ExitStack() as stack:

        def told(event: PoolEvent) -> None:
            bench.events.append(event)
            if isinstance(event, DeviceLost):
                stack.enter_context(forwarded(port, devices[1].port))
                pool.submit([second])

        pool = stack.enter_context(bench.pool([devices[0], late], on_event=told))
        pool.submit([first])
        outcomes = {}
        for outcome in pool.outcomes():
            outcomes[outcome.work_id] = outcome
            mark.touch()
    assert [event.device for event in bench.seen(DeviceLost)] == [late.name], "it is told once"
    assert bench.seen(DeviceLost)[0].returns is True
    assert outcomes[second.id].attempts[0].device == late.name
    assert outcomes[first.id].attempts[0].device == devices[0].name


def test_a_full_disk_is_said_in_megabytes(bench: Bench) -> None:
    small = bench.folder / "small"
    with small_disk(small, 100), emulated_closet(1, bench.folder / "devices") as closet:
        device: Device = replace(closet.devices[0], work_folder=str(small / "closet"))
        blob = bench.blob(bytes(50_000_000))
        work = bench.work(WRITES, blobs=[blob])
        outcome = bench.run([work], [device], max_attempts=1)[work.id]
        assert outcome.error is not None
        assert outcome.error.kind == "StagingFailedError"
        assert "MB free of" in outcome.error.problem
        assert [path.name for path in (small / "closet" / "blobs").iterdir()] == []
        # With room again the same device does it.
        small_blob = bench.blob(bytes(1_000_000))
        work = bench.work(WRITES, blobs=[small_blob])
        assert bench.run([work], [device])[work.id].error is None
