"""What a worker's Python does before anything else, where a scenario wants it to misbehave.

Reads `chaos.json` beside its environment. In the agent it puts itself between agent and wire, to say things twice or
late, or starts the agent anew under a clock that jumps. In a job it takes at most one of the tokens that lie there, and
does what it is named after. Every job leaves files in /dev/shm and /tmp. Standard library only, and quick: it runs at
every start of this Python.
"""

# What is loaded here is loaded at every start: no pathlib.
# ruff: noqa: PTH112, PTH108, PTH118, PTH123, PTH208

import json
import os
import random
import signal
import sys
import time


def main() -> None:
    if "CLOSET_JOB" in os.environ:
        _make_scratch(os.environ["CLOSET_SCRATCH"])
    try:
        with open(os.path.join(sys.prefix, "chaos.json")) as stream:
            wanted = json.load(stream)
    except OSError:
        return
    if "CLOSET_JOB" in os.environ:
        _misbehave(os.path.join(sys.prefix, "tokens"))
    elif "serve" in sys.orig_argv:
        if wanted.get("clock") and "LD_PRELOAD" not in os.environ:
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **wanted["clock"]})  # noqa: S606
        if wanted.get("twice") or wanted.get("late_s"):
            _stand_between(wanted)


def _make_scratch(name: str) -> None:
    """As openpilot's own processes do: somebody has to tidy up, however the job ends."""
    for place in ("/dev/shm", "/tmp"):  # noqa: S108 where they do
        open(os.path.join(place, f"{name}chaos"), "w").close()


def _misbehave(tokens: str) -> None:
    for name in sorted(os.listdir(tokens)) if os.path.isdir(tokens) else ():
        what = name.split("-")[1]
        if what == "hang" and _is_canary():
            return  # it may take two minutes, which is too long to wait for
        try:
            os.unlink(os.path.join(tokens, name))
        except FileNotFoundError:
            continue  # another job took it
        match what:
            case "deaf":
                _child(own_session=False)
                _child(own_session=True)
            case "fork":
                _fork_bomb(4)
            case "hang":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGINT})
                _sleep()
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
        return


def _is_canary() -> bool:
    """The only jobs here that replay a driving model."""
    try:
        with open("job.json") as stream:
            return '"driving_model"' in stream.read()
    except OSError:
        return False


def _child(own_session: bool) -> None:
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if own_session:
            os.setsid()
        _sleep()


def _fork_bomb(depth: int) -> None:
    """Every process of a tree of 2 ** depth stays, most in sessions of their own, half of them deaf."""
    if os.fork() != 0:
        return
    for level in range(depth):
        if os.fork() == 0 and level % 2:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _sleep()


def _sleep() -> None:
    while True:
        time.sleep(600)


def _stand_between(wanted: dict[str, float]) -> None:
    """Fork: the child becomes the agent, this process hands its lines on, and ends with it."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(sink, 1)
        os.close(source)
        os.close(sink)
        return
    os.close(sink)
    os.close(0)
    dice = random.Random(int(wanted.get("seed", 0)))
    waiting: list[tuple[float, bytes]] = []
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda given, _: os.kill(child, given))
    import select  # noqa: PLC0415 - only here, so that jobs start as fast as ever

    pending, open_ = b"", True
    while open_ or waiting:
        left = max(0.0, min(at for at, _ in waiting) - time.monotonic()) if waiting else None
        if not open_:
            time.sleep(left or 0.0)
        elif select.select([source], [], [], left)[0]:
            piece = os.read(source, 65536)
            open_ = bool(piece)
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                late_s = wanted.get("late_s", 0.0) if b'"beat"' not in line and dice.random() < 0.5 else 0.0
                waiting.append((time.monotonic() + late_s, line + b"\n"))
                if wanted.get("twice") and dice.random() < 0.5:
                    waiting.append((time.monotonic() + late_s + dice.uniform(0.0, 0.5), line + b"\n"))
        now = time.monotonic()
        for entry in [entry for entry in waiting if entry[0] <= now]:
            waiting.remove(entry)
            try:
                os.write(1, entry[1])
            except OSError:
                os._exit(1)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)


main()
