"""Writing logs: one event to bytes, events to a file. Equal input gives equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import capnp
import numpy as np

from harness.errors import DataError
from harness.recording.container import write_packed
from harness.recording.log_schema import CapnpBuilder, PayloadKind, event_type, payload_kinds
from harness.recording.services import EVENT_NAMES, canonical_name, ordinal_of

Payload = Mapping[str, Any] | Sequence[Any] | str | bytes | None


def encode_event(service: str, t_ns: int, payload: Payload, *, valid: bool = True) -> bytes:
    """One message as it stands in a log: framing and a single segment.

    `payload` is a mapping for a struct (nested mappings, lists, numpy arrays and scalars; enums by name or number), a
    list for list services, text for `logMessage`, bytes for `ubloxRaw`. Fields that are not named keep their defaults.
    """
    name = canonical_name(service)
    ordinal = ordinal_of(name)
    kind = payload_kinds()[ordinal] if ordinal < len(EVENT_NAMES) else PayloadKind.UNREAD
    if kind is PayloadKind.UNREAD:
        raise DataError(f"the layout of {name} is not known, it cannot be written", remedy="copy its bytes instead")
    try:
        event = event_type().new_message(logMonoTime=t_ns, valid=valid)
        value = _plain(payload)
        if kind is PayloadKind.STRUCT:
            event.init(name).from_dict(value or {})
        else:
            setattr(event, name, value)
    except (capnp.KjException, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} cannot be written: {_first_line(error)}", where=f"t_ns {t_ns}") from error
    return _single_segment(event)


def write_log(path: Path, events: Iterable[bytes]) -> None:
    """Write messages to `path`, compressed by its suffix: .zst (level 10), .bz2, or bare. Atomic."""
    write_packed(path, b"".join(events))


def _single_segment(event: CapnpBuilder) -> bytes:
    """The bytes of an event, as one segment: what grew into several is laid out once more in one piece."""
    if len(event.to_segments()) > 1:
        words = event.total_size.word_count
        event = event.as_reader().as_builder(num_first_segment_words=words + 1)
    content: bytes = event.to_bytes()
    return content


def _plain(value: Any) -> Any:
    """Mappings, tuples, numpy arrays and scalars as what pycapnp takes."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
