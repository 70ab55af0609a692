"""A device that was taken over: whatever its agent says, the run ends with a device error, in bounded memory and place.

The SSH server is real; what it runs instead of a Python is a program that lies.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import errors
from harness.closet.agent.job import OUT_BYTES, OUT_FILES
from harness.closet.answers import (
    chosen,
    count,
    device_error,
    parse_files,
    parse_hello,
    parse_message,
    parse_prelude,
    plain_text,
)
from harness.closet.emulator import emulated_closet
from harness.closet.ending import parse_ending
from harness.closet.health import judge_vitals, parse_vitals
from harness.closet.work import JobProgress
from harness.config.upkeep import Limits
from harness.domain import Blob, Device
from harness.errors import DeviceError, DeviceUnhealthyError
from tests.closet.conftest import Bench, eventually, processes_with

# What it says is given as a table: by request, or at once. `{…}` is filled in where it is said.
_PROGRAM = """\
#!{python} -I
import json, os, sys, time
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lies.json")) as stream:
    LIES = json.load(stream)
out = os.fdopen(1, "wb", buffering=0)

def say(value):
    out.write(value.encode() if isinstance(value, str) else json.dumps(value).encode() + b"\\n")

def forever(text, most=1 << 60):
    piece = (text * (1 + 65536 // len(text))).encode()
    while most > 0:
        most -= out.write(piece)

if "files" in sys.argv:
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        if "put" in request:
            left = request["size"]
            while left:
                left -= len(sys.stdin.buffer.read(min(left, 1 << 20)))
            say({{"ok": True}})
        elif "get" in LIES:
            say(LIES["get"])
            forever(LIES.get("bytes", "x"))
        else:
            say({{"size": 4}})
            out.write(b"real")
    sys.exit()
left = int(sys.argv[5])
while left:
    left -= len(sys.stdin.buffer.read(left))
if "at once" in LIES:
    forever(LIES["at once"])
say({{"beat": []}})
hello = LIES["good hello"]
for line in sys.stdin.buffer:
    request = json.loads(line)
    what, number = request["do"], request["id"]
    if what == "ping":
        say({{"beat": []}})
    elif what in LIES:
        text = LIES[what].replace('"ID"', str(number)).replace("JOB", request.get("name", ""))
        say(text)
        if "flood" in LIES:
            forever(LIES["flood"].replace("JOB", request["name"]), LIES["flood bytes"])
            say({{"job": request["name"], "ended": LIES["ended"]}})
    elif what == "hello":
        say({{"id": number, "ok": hello}})
    elif what == "start":
        say({{"id": number, "ok": 1}})
        say({{"job": request["name"], "ended": LIES.get("ended", {{}})}})
    else:
        say({{"id": number, "ok": []}})
"""

ENDED: dict[str, Any] = {
    "exit": 0, "elapsed_s": 1.0, "timed_out": False, "killed": False, "left_behind": 0, "survivors": [], "stderr": "",
    "files": [],
}  # fmt: skip
REAL = hashlib.sha256(b"real").hexdigest()  # of what is sent: only its name is wrong
DIGEST = "0" * 64


@pytest.fixture(autouse=True)
def one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A liar lies again: once is enough."""
    monkeypatch.setattr("harness.closet.connections._FIRST_PAUSES_S", ())


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with emulated_closet(1, tmp_path_factory.mktemp("hostile")) as closet:
        yield closet.devices[0]


def hostile(honest: Device, folder: Path, lies: dict[str, Any]) -> Device:
    """The device with a liar in the place of its Python."""
    folder.mkdir()
    (folder / "lies.json").write_text(json.dumps({"good hello": {**HELLO, "onroad": ""}, **lies}))
    program = folder / "python"
    program.write_text(_PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return replace(honest, python=str(program), work_folder=str(folder / "closet"))


HELLO = {
    "root": "/data/closet",
    "python": "3",
    "machine": "m",
    "cpus": 1,
    "free_bytes": 1,
    "packages": {},
    "epochs": [0],
    "blobs": [],
}


def hello(**changes: object) -> str:
    return json.dumps({"id": "ID", "ok": {**HELLO, **changes}}) + "\n"


def ended(*files: object, **changes: object) -> dict[str, Any]:
    return {"ended": {**ENDED, "files": list(files), **changes}}


LIARS: dict[str, dict[str, Any]] = {
    "noise": {"at once": "\x00\xff nothing \n"},
    "an endless line": {"at once": "x"},
    "deep lists": {"at once": "[" * 100_000 + "\n"},
    "deep lists for an answer": {"hello": "[" * 1_000_000 + "\n"},
    "no object": {"hello": '{"id": "ID", "ok": 7}\n'},
    "no answer in the answer": {"hello": '{"id": "ID"}\n'},
    "an id that is a list": {"hello": '{"id": [], "job": {}}\n{"id": "ID", "ok": null}\n'},
    "a huge number": {"hello": hello(epochs=[10**300])},
    "a number too long to read": {"hello": '{"id": "ID", "ok": ' + "9" * 100_000 + "}\n" + hello(cpus=-1)},
    "not a number": {"hello": hello().replace('"cpus": 1', '"cpus": NaN')},
    "infinite room": {"hello": hello().replace('"free_bytes": 1', '"free_bytes": Infinity')},
    "blobs that are none": {"hello": hello(blobs=["../../x"])},
    "a million blobs": {"hello": hello(blobs=["x"] * 300_000)},
    "a thousand slots": {"hello": hello(epochs=[1] * 1000)},
    "a root that is a list": {"hello": hello(root=[])},
    "an error that is none": {"hello": '{"id": "ID", "error": "x"}\n'},
    "a bug of ours": {"hello": '{"id": "ID", "error": {"kind": "ClosetError", "problem": "x", "remedy": ""}}\n'},
    "your mistake": {"hello": '{"id": "ID", "error": {"kind": "ConfigError", "problem": "x", "remedy": ""}}\n'},
    "wants what nobody offered": {"need": '{"id": "ID", "ok": ["' + DIGEST + '"]}\n'},
    "wants nonsense": {"need": '{"id": "ID", "ok": {"a": 1}}\n'},
    "no end": {"ended": 7},
    "half an end": ended(exit="zero"),
    "an exit code beyond all": ended(exit=10**30),
    "a time that is none": {"ended": {**ENDED, "elapsed_s": float("nan")}},
    "a time beyond all": ended(elapsed_s=10**400),
    "a time before all": ended(elapsed_s=-(10**400)),
    "a time that is true": ended(elapsed_s=True),
    "survivors beyond all": ended(survivors=[10**400]),
    "leftovers beyond all": ended(left_behind=10**400),
    "a name that leads out": ended(["../../x", 4, REAL]),
    "an absolute name": ended(["/closet-was-here", 4, REAL]),
    "a name of control characters": ended(["a\x1b[2Jb", 4, REAL]),
    "half a character": ended(["\ud800", 4, REAL]),
    "a name without end": ended(["x" * 100_000, 4, REAL]),
    "a folder that is a file": ended(["a", 4, REAL], ["a/b", 4, REAL]),
    "the same name twice": ended(["a", 4, REAL], ["a", 4, REAL]),
    "too many files": ended(*([str(number), 0, DIGEST] for number in range(OUT_FILES + 1))),
    "ten gigabytes": ended(["a", 10 << 30, DIGEST]),
    "ten gigabytes in pieces": ended(*([str(number), OUT_BYTES // 4, DIGEST] for number in range(5))),
    "a negative size": ended(["a", -1, DIGEST]),
    "a digest that is none": ended(["a", 4, "../../x"]),
    "another digest": ended(["a", 4, DIGEST]),
    "another size": {**ended(["a", 4, DIGEST]), "get": {"size": 5}},
    "more bytes than it said": {**ended(["a", 4, DIGEST]), "get": {"size": 4}},
    "an answer without end": {**ended(["a", 4, DIGEST]), "get": "x"},
    "an error of a kind nobody knows": ended(error={"kind": "Boom", "problem": "\x1b[2J", "remedy": ""}),
}  # fmt: skip


@pytest.mark.parametrize("name", LIARS)
def test_a_liar_is_a_device_error_and_nothing_else(honest: Device, bench: Bench, tmp_path: Path, name: str) -> None:
    liar = hostile(honest, tmp_path / "liar", LIARS[name])
    around = sorted(path for path in tmp_path.rglob("*") if "results" not in path.parts)
    (outcome,) = bench.run([bench.work("pass", deadline_s=10.0)], [liar], lost_after_s=1.0, max_attempts=1).values()
    assert outcome.error is not None
    assert issubclass(getattr(errors, outcome.error.kind), DeviceError), outcome.error
    assert (outcome.error.problem + outcome.error.where).isprintable()
    assert len(outcome.error.problem) < 5000
    assert not outcome.files
    results = tmp_path / "results"
    assert not results.exists() or not [path for path in results.rglob("*") if path.is_file()]
    after = sorted(path for path in tmp_path.rglob("*") if "results" not in path.parts and "shelf.db" not in path.name)
    assert set(after) - set(around) <= {tmp_path / "store", *(tmp_path / "store").iterdir()}


FLOOD_BYTES = 160_000_000


@pytest.mark.parametrize(
    "said", ['{"job": "JOB", "progress": {"x": "' + "y" * 60_000 + '"}}\n', '{"job": "JOB", "progress": {}}\n']
)
def test_a_flood_is_let_run_dry(honest: Device, bench: Bench, tmp_path: Path, said: str) -> None:
    lies = {
        "start": '{"id": "ID", "ok": 1}\n',
        "flood": said,
        "flood bytes": FLOOD_BYTES // (1 + 19 * (len(said) < 99)),
    }
    liar = hostile(honest, tmp_path / "liar", {**lies, **ended(stderr="z" * 3_000_000)})
    bench.run([bench.work("pass")], [honest], max_attempts=1)  # what a first job imports is not of the flood
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (outcome,) = bench.run([bench.work("pass")], [liar], max_attempts=1).values()
    assert outcome.error is None
    assert len(outcome.attempts[0].log_tail) <= 64 * 1024
    assert len(bench.seen(JobProgress)) < 1500, "two hundred at once, then forty a second"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 90_000
    assert eventually(lambda: not processes_with(str(tmp_path / "liar")))


# ---- the same, one value at a time -----------------------------------------------------------------------------------


def test_what_an_honest_agent_says_is_understood() -> None:
    root, facts = parse_hello({**HELLO, "blobs": [DIGEST], "epochs": [3, 4], "onroad": ""}, "mici-01", "there")
    assert (root, facts.epochs, facts.blobs, facts.device) == ("/data/closet", (3, 4), frozenset({DIGEST}), "mici-01")
    ending = parse_ending({**ENDED, "files": [["a/b.txt", 4, DIGEST]], "exit": -9}, "there")
    assert ending.files == {"a/b.txt": Blob(DIGEST, 4)}
    assert ending.exit_code == -9
    offered = {DIGEST: Blob(DIGEST, 1), REAL: Blob(REAL, 2)}
    assert chosen([DIGEST, DIGEST], offered, "there") == [Blob(DIGEST, 1)], "each is sent once"
    refused = device_error({"kind": "LeaseLostError", "problem": "slot 0 is busy", "remedy": "wait"}, "there")
    assert isinstance(refused, errors.LeaseLostError)


def test_texts_steer_no_terminal() -> None:
    assert (
        plain_text("\x1b]0;title\x07a\tb\r\nc\u202e")
        == "\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}a b  c\N{REPLACEMENT CHARACTER}"
    )
    assert len(plain_text("x" * 10**6)) == 1000
    assert plain_text(["x"]) == ""
    assert plain_text(None) == "None"


def test_a_log_tail_can_always_be_written_down() -> None:
    ending = parse_ending({**ENDED, "stderr": "half \ud800 a character" + "x" * 10**6}, "there")
    assert len(ending.stderr.encode()) <= 64 * 1024


@pytest.mark.parametrize(
    "line", [b"", b"Welcome!", b"[" * 10**6, b"7", b"[]", b"\xff\xfe", b'{"a":' + b"9" * 5000 + b"}"]
)
def test_a_line_that_is_no_message_is_none(line: bytes) -> None:
    assert parse_message(line) is None


@pytest.mark.parametrize("size", [1.5, True, "4", None, -1, OUT_BYTES + 1])
def test_a_size_is_a_whole_number_within_bounds(size: object) -> None:
    with pytest.raises(DeviceUnhealthyError):
        parse_files([["a", size, DIGEST]], "there")


VITALS: dict[str, Any] = {
    "free_bytes": 1, "memory_bytes": 1, "temperatures_c": {"cpu": 40.0}, "load": 0.1, "cpus": 1, "os_version": "19.6",
    "uptime_s": 1.0, "received_unix_s": 1.0, "sent_unix_s": 1.0, "leftovers": [],
}  # fmt: skip


def _short(value: object) -> str:
    return repr(value)[:12]


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), -1, (1 << 53) + 1, True, 1.5, float("nan"), "4", None], ids=_short
)
def test_a_count_that_is_none_counts_nothing(value: object) -> None:
    assert count(value) == 0
    assert count(4) == 4


@pytest.mark.parametrize("value", [10**400, -(10**400), "x" * 10**6, "\x1b[2J"], ids=_short)
@pytest.mark.parametrize("name", ["load", "uptime_s", "free_bytes", "received_unix_s", "cpus"])
def test_a_self_check_beyond_all_is_refused_in_few_words(name: str, value: object) -> None:
    with pytest.raises(DeviceUnhealthyError) as refused:
        parse_vitals({**VITALS, name: value}, 1.0, 0.1, where="there")
    assert len(refused.value.problem) < 1000
    assert refused.value.problem.isprintable()


NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), -1])
    | st.floats()
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(VITALS)), NONSENSE, max_size=4))
def test_whatever_a_device_measures_of_itself_is_judged_or_refused(changes: dict[str, Any]) -> None:
    try:
        vitals = parse_vitals({**VITALS, **changes}, 1.0, 0.1, where="there")
    except DeviceUnhealthyError:
        return
    assert all(str(broken).isprintable() for broken in judge_vitals(vitals, Limits()))


@settings(max_examples=300, deadline=None)
@given(NONSENSE, st.sampled_from([*ENDED, *HELLO]), NONSENSE)
def test_whatever_a_device_says_is_understood_or_a_device_error(whole: Any, name: str, part: Any) -> None:
    for said in (whole, {**ENDED, **HELLO, name: part}):
        for parse in (parse_ending, lambda said, where: parse_hello(said, "mici-01", where)):
            with suppress(DeviceError):
                parse(said, "there")
        assert isinstance(device_error(said, "there"), DeviceError)
        with suppress(DeviceError):
            chosen(said, {}, "there")
        assert parse_prelude(said, 0.0) is not None
