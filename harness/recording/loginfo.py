"""What a log holds: a description as JSON, and its messages as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import capnp

from harness.domain import Json
from harness.errors import DataError
from harness.recording.log import Log, Message, load_log
from harness.recording.log_plain import plain_payload
from harness.recording.services import canonical_name, ordinal_of

_INIT_FIELDS = (
    *("version", "gitCommit", "gitBranch", "gitRemote", "dirty"),
    *("deviceType", "dongleId", "osVersion", "wallTimeNanos"),
)


def describe_log(path: Path) -> dict[str, Json]:
    """What `path` holds, as JSON values.

    Times are of the device's monotonic clock. `seconds` spans all messages but initData: that one is written again at
    the beginning of every segment, with the time the drive began.
    """
    log = load_log(path)
    t_ns = log.index.t_ns
    init = ordinal_of("initData")
    later = t_ns[log.index.ordinals != init]
    span = later if later.size else t_ns
    return {
        "file": str(path),
        "container": str(log.container),
        "bytes": path.stat().st_size,
        "uncompressed_bytes": len(log.content),
        "messages": len(log.index),
        "invalid_messages": int((~log.index.valid).sum()),
        "seconds": round(int(span.max() - span.min()) / 1e9, 3),
        "first_t_ns": int(t_ns.min()),
        "last_t_ns": int(t_ns.max()),
        "services": dict(log.counts()),
        "sentinels": _sentinels(log),
        "init_data": _init_data(log),
        "damage": _damage(log),
    }


def message_lines(path: Path, service: str) -> Iterator[str]:
    """The messages of a service in time order, one JSON object each: `t_ns`, `valid`, and the payload by its name.

    The name is the newest, whichever was asked for. See `log_plain` for how values are written. A service that the log
    has no message of gives no line.
    """
    name = canonical_name(service)
    log = load_log(path)
    for message in log.messages(name):
        line = {"t_ns": message.t_ns, "valid": message.valid, name: _plain(log, message)}
        yield json.dumps(line, allow_nan=False)


def _plain(log: Log, message: Message) -> Json:
    try:
        return plain_payload(ordinal_of(message.service), message.payload)
    except (capnp.KjException, UnicodeDecodeError) as error:
        problem = f"{message.service} at {message.t_ns} ns cannot be decoded: {str(error).splitlines()[0]}"
        raise DataError(problem, where=log.where, remedy="the log is corrupt there") from error


def _sentinels(log: Log) -> list[Json]:
    plain = (_plain(log, message) for message in log.messages("sentinel"))
    return [entry["type"] for entry in plain if isinstance(entry, dict)]


def _init_data(log: Log) -> Json:
    """The essentials of the first initData; null where there is none."""
    for message in log.messages("initData"):
        plain = _plain(log, message)
        return {name: plain[name] for name in _INIT_FIELDS} if isinstance(plain, dict) else None
    return None


def _damage(log: Log) -> Json:
    if log.damage is None:
        return None
    return {
        "offset_bytes": log.damage.offset_bytes,
        "messages_kept": log.damage.messages_kept,
        "reason": log.damage.reason,
    }
