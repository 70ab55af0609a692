"""Which Pythons a device has, and what was made there before: looked at, nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.closet.answers import number
from harness.closet.deadline import Deadline
from harness.closet.provision.target import Target, unsuitable
from harness.closet.transport import Connection
from harness.errors import DeviceUnhealthyError, UnreachableError

_SURVEY_S = 30.0
_MOST_PYTHONS = 32
_MOST_TEXT = 400
_MOST_VERSION = 999  # of any number in a version

# Looked for by name and where systems keep them: AGNOS in /usr/local (uv since 2024, pyenv before).
CANDIDATES = (
    "/usr/local/venv/bin/python",
    "python3.12",
    "python3.11",
    "python3",
    "/usr/bin/python3",
)
_PLACES = """\
"$HOME"/.local/share/uv/python/cpython-3.1[12].*/bin/python3 \
/usr/local/uv/python/cpython-3.1[12].*/bin/python3 \
"$HOME"/.pyenv/versions/3.1[12].*/bin/python3 \
/usr/local/pyenv/versions/3.1[12].*/bin/python3"""
_LOOK = f"""\
survey=$1; work=$2; everywhere=$3; shift 3
[ -z "$everywhere" ] || set -- "$@" {_PLACES}
for wanted in "$@"; do
  found=$(command -v -- "$wanted" 2>/dev/null) || continue
  "$found" -I -c "$survey" "$wanted" "$work" </dev/null 2>/dev/null
done
exit 0
"""

# Runs under whatever Python there is, also one too old for anything else of ours: no syntax newer than 3.4.
_SURVEY = """
import json, os, platform, shutil, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (ValueError, OSError):
    libc = ""
work = os.path.expanduser(sys.argv[2])
place = work
while not os.path.isdir(place) and place != os.path.dirname(place):
    place = os.path.dirname(place)
try:
    with open(os.path.join(work, "env", "current", "closet-env.json")) as stream:
        env = json.loads(stream.read(100000))
except (OSError, ValueError):
    env = None
print(json.dumps({
    "wanted": sys.argv[1],
    "executable": sys.executable,
    "base": os.path.realpath(sys.executable),
    "implementation": sys.implementation.name,
    "python": list(sys.version_info[:3]),
    "machine": platform.machine(),
    "libc": libc,
    "is_64_bit": sys.maxsize > 2**32,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "free_bytes": shutil.disk_usage(place).free,
    "env": env,
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python of a device. `wanted` is how it was asked for, `base` the program it really is."""

    wanted: str
    executable: str
    base: str
    version: str
    target: Target | None
    unsuitable: str


@dataclass(frozen=True, slots=True)
class Survey:
    """`environment` is the key of the environment that is there, and what it was made from; empty without one."""

    interpreters: tuple[Interpreter, ...]
    free_bytes: int
    environment: str
    environment_base: str


def take_survey(connection: Connection, work_folder: str, named: Sequence[str] = ()) -> Survey:
    """Ask the Pythons that are `named`, or else every one that can be found."""
    deadline = Deadline.after(_SURVEY_S)
    command = ["sh", "-c", _LOOK, "closet", _SURVEY, work_folder, "" if named else "yes", *(named or CANDIDATES)]
    process = connection.run(command, deadline)
    found: dict[str, Interpreter] = {}
    free_bytes, env = 0, dict[str, Any]()
    try:
        for _ in range(_MOST_PYTHONS):
            try:
                line = process.read_line(deadline)
            except UnreachableError:
                break  # the shell ended
            said = _parsed(line)
            if said is None:
                continue
            interpreter = _interpreter(said, connection.where)
            found.setdefault(interpreter.executable, interpreter)
            free_bytes = number(said.get("free_bytes"), connection.where)
            env = said["env"] if isinstance(said.get("env"), dict) else {}
    finally:
        process.close()
    key, base = (_text(said) if isinstance(said := env.get(name), str) else "" for name in ("key", "base"))
    return Survey(tuple(found.values()), free_bytes, key, base)


def choose(survey: Survey, named: str, where: str) -> tuple[Interpreter, Target]:
    """The Python to build on: the one `named`, else the first that will do. DeviceUnhealthyError when none will."""
    for interpreter in survey.interpreters:
        if interpreter.target is not None and (not named or interpreter.wanted == named):
            return interpreter, interpreter.target
    if named:
        reason = next((entry.unsuitable for entry in survey.interpreters if entry.wanted == named), "it does not run")
        raise DeviceUnhealthyError(
            f"{named} cannot be used: {reason}", where=where, remedy="name another with --python, or none to search"
        )
    seen = "; ".join(f"{entry.executable}: {entry.unsuitable}" for entry in survey.interpreters)
    raise DeviceUnhealthyError(
        f"no Python 3.11 or 3.12 there: {seen or 'none answers'}",
        where=where,
        remedy="bring one below /data (uv python install 3.12 makes one that can be copied), and name it with --python",
    )


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None  # a login banner, say
    return said if isinstance(said, dict) and "executable" in said else None


def _interpreter(said: dict[str, Any], where: str) -> Interpreter:
    try:
        major, minor, micro = (number(part, where, most=_MOST_VERSION) for part in said["python"])
        python = (major, minor, micro)
        glibc = _glibc(_text(said["libc"]))
        machine = _text(said["machine"])
        reason = unsuitable(
            _text(said["implementation"]),
            python,
            machine,
            glibc,
            is_64_bit=said["is_64_bit"] is True,
            free_threaded=said["free_threaded"] is True,
        )
        target = None if reason or glibc is None else Target(python, machine, glibc)
        return Interpreter(
            _text(said["wanted"]),
            _text(said["executable"]),
            _text(said["base"]),
            ".".join(map(str, python)),
            target,
            reason,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DeviceUnhealthyError(
            f"what it says of its Python is not understood: {type(error).__name__}",
            where=where,
            remedy="see what runs on the device",
        ) from error


def _text(value: object) -> str:
    """Text that a device said, short and printable; TypeError when it is none."""
    if not isinstance(value, str):
        raise TypeError
    text = value[:_MOST_TEXT]
    return text if text.isprintable() else ascii(text)


def _glibc(said: str) -> tuple[int, int] | None:
    """`glibc 2.39` as (2, 39); None when it is no glibc. ValueError beyond all versions: each is a platform to try."""
    name, _, version = said.partition(" ")
    major, _, minor = version.partition(".")
    minor = minor.partition(".")[0]
    if name != "glibc" or not major.isdecimal() or not minor.isdecimal() or len(version) > 20:
        return None
    if max(int(major), int(minor)) > _MOST_VERSION:
        raise ValueError
    return int(major), int(minor)
