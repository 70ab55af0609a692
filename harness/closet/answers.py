"""What a device says, before it is believed: every value has a type and a bound, every text is short and printable.

A device that says anything else is not one of ours any more, or broken: DeviceUnhealthyError. Whatever comes in stays
small: lines are cut off by the transport, lists by their count, numbers by their range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from harness.closet.agent.job import OUT_BYTES, OUT_FILES
from harness.closet.work import DeviceFacts
from harness.domain import Blob
from harness.errors import (
    ClosetError,
    DeviceUnhealthyError,
    ErrorDescription,
    from_description,
)
from harness.redaction import known_secrets, redact

LARGEST = 1 << 53  # every number that JSON carries exactly, and a database holds
_MOST_WORDS = 1000
_MOST_SLOTS = 64
_MOST_BLOBS = 60_000
_MOST_PACKAGES = 50
_MOST_DEPTH = 8
_LONGEST_NAME = 200
_DIGEST = re.compile(r"[0-9a-f]{64}")
# The errors that an agent may raise here. That the harness has a bug, or a person made a mistake, is not its to say.
_KINDS = frozenset(
    {
        "DataError",
        "DeviceTimeoutError",
        "DeviceUnhealthyError",
        "LeaseLostError",
        "OnroadError",
        "StagingFailedError",
        "UnreachableError",
    }
)


def parse_message(line: bytes) -> dict[str, Any] | None:
    """A line as a message; None when it is none: a login banner, say, or nonsense."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def plain_text(value: object, most: int = _MOST_WORDS) -> str:
    """Text that may be shown on a terminal: cut off, and without characters that would steer it."""
    text = value if isinstance(value, str) else ascii(value) if isinstance(value, int | float | None) else ""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}"
        for letter in text[:most]
    )


def told_words(value: object, most: int = _MOST_WORDS) -> str:
    """Words of a device as they may be kept and shown: without secrets, which go before anything is cut in two."""
    return plain_text(redact(value, known_secrets()) if isinstance(value, str) else value, most)


def strange(what: str, where: str) -> DeviceUnhealthyError:
    """The error for an answer that no agent of ours gives."""
    return DeviceUnhealthyError(what, where=where, remedy="see what runs on that device; provision it again")


def number(value: object, where: str, *, least: int = 0, most: int = LARGEST) -> int:
    """A whole number within bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise strange(f"says a number that cannot be: {plain_text(repr(value)[:50])}", where)
    return value


def seconds(value: object, where: str) -> float:
    """A time that something took."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise strange("says a time that is none", where)
    if not 0 <= value <= LARGEST:  # nor is NaN; compared before it is made a float, which has no place for 10**400
        raise strange("says a time that cannot be", where)
    return float(value)


def count(value: object) -> int:
    """A count that is only shown: of what is none, or beyond all counts, nothing."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST else 0


def sequence(value: object, where: str, most: int) -> list[Any]:
    """A list that is not too long."""
    if not isinstance(value, list) or len(value) > most:
        raise strange("says a list that is none, or far too long", where)
    return value


def digest(value: object, where: str) -> str:
    """A sha256."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise strange("says a digest that is none", where)
    return value


def device_error(said: object, where: str) -> ClosetError:
    """The error that an agent's answer describes, placed at the device."""
    if not isinstance(said, Mapping):
        return strange("says an error that is none", where)
    kind = said.get("kind")
    problem, remedy = plain_text(said.get("problem")), plain_text(said.get("remedy"))
    if not isinstance(kind, str) or kind not in _KINDS:
        return strange(f"says an error of a kind that it has not: {problem}", where)
    return from_description(ErrorDescription(kind, problem, where, remedy))


def parse_hello(said: object, device: str, where: str) -> tuple[str, DeviceFacts]:
    """The work folder as the agent names it, and what it says of its machine."""
    if not isinstance(said, Mapping):
        raise strange("its agent does not say what it is", where)
    root = said.get("root")
    if not isinstance(root, str) or not root.startswith("/") or len(root) > 4096:
        raise strange("its agent does not say where its work folder is", where)
    packages = said.get("packages")
    if not isinstance(packages, Mapping) or len(packages) > _MOST_PACKAGES:
        raise strange("its agent does not say which packages it has", where)
    facts = DeviceFacts(
        device=device,
        python=plain_text(said.get("python"), 40),
        machine=plain_text(said.get("machine"), 40),
        cpus=number(said.get("cpus"), where, least=1, most=100_000),
        free_bytes=number(said.get("free_bytes"), where),
        packages={plain_text(name, 80): plain_text(version, 80) for name, version in packages.items()},
        epochs=parse_epochs(said.get("epochs"), where),
        blobs=frozenset(digest(entry, where) for entry in sequence(said.get("blobs"), where, _MOST_BLOBS)),
        onroad=plain_text(said.get("onroad", ""), 200),
        for_drives_bytes=number(said.get("for_drives_bytes", 0), where),
    )
    return root, facts


def parse_epochs(said: object, where: str) -> tuple[int, ...]:
    """The last epoch of each slot."""
    return tuple(number(epoch, where) for epoch in sequence(said, where, _MOST_SLOTS))


def parse_prelude(said: object, now_unix_s: float) -> dict[str, float]:
    """What was measured before a job began, as far as it is numbers: what was cleared away, and the clock's offset."""
    if not isinstance(said, Mapping):
        return {}
    removed, unix_s = said.get("removed"), said.get("unix_s")
    found: dict[str, float] = {}
    if isinstance(removed, int) and 0 <= removed <= LARGEST:
        found["leftovers_removed"] = float(removed)
    if isinstance(unix_s, int | float) and abs(unix_s) <= LARGEST:
        found["clock_offset_s"] = round(unix_s - now_unix_s, 3)
    return found


def chosen(said: object, offered: Mapping[str, Blob], where: str) -> list[Blob]:
    """Those of the offered blobs that the device says it lacks, each once."""
    missing = {digest(entry, where) for entry in sequence(said, where, len(offered))}
    if not missing <= offered.keys():
        raise strange("asks for what nobody offered", where)
    return [blob for name, blob in offered.items() if name in missing]


def parse_files(said: object, where: str) -> dict[str, Blob]:
    """What a job left in out/ by name: below it, no name a folder of another, few enough and small enough."""
    files: dict[str, Blob] = {}
    for entry in sequence(said, where, OUT_FILES):
        name, size, sha256 = sequence(entry, where, 3) if isinstance(entry, list) and len(entry) == 3 else (None,) * 3
        if not isinstance(name, str) or name in files:
            raise strange("names a result that is none, or twice", where)
        files[result_name(name, where)] = Blob(digest(sha256, where), number(size, where, most=OUT_BYTES))
    if sum(blob.size_bytes for blob in files.values()) > OUT_BYTES:
        raise strange(f"says that a job left more than {OUT_BYTES >> 30} GiB", where)
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    if folders & files.keys():
        raise strange("names a result that is also a folder", where)
    return files


def result_name(name: str, where: str) -> str:
    """The name of a result if it leads to a place below where results go, and nowhere else."""
    parts = name.split("/")
    good = all(0 < len(part) <= _LONGEST_NAME and part not in {".", ".."} and part.isprintable() for part in parts)
    if not good or len(parts) > _MOST_DEPTH or len(name) > 4 * _LONGEST_NAME:
        raise strange(f"names a result {plain_text(ascii(name), _LONGEST_NAME)}", where)
    return name
