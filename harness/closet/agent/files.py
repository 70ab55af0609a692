"""Bytes over a channel of their own: blobs in, results out, one after the other without starting a process for each."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from harness.closet.agent.prelude import device_root, refuse_onroad
from harness.closet.agent.refusal import Refused, described, is_full, no_room
from harness.closet.agent.reserve import refuse_deleting

_PIECE_BYTES = 1 << 20
_LOOK_S = 1.0  # how often it is seen whether the car was switched on, or its drives need the room


def move_files(root: Path) -> None:
    """Answer `put` (a header line, then the bytes) and `get` until the input ends."""
    source, sink = io.BufferedReader(io.FileIO(0, closefd=False), _PIECE_BYTES), sys.stdout.buffer
    for line in iter(source.readline, b""):
        request = json.loads(line)
        stream = None
        try:
            if "put" in request:
                answer = _put(root, request["put"], request["size"], source)
            else:
                stream = (root / "jobs" / request["get"] / "out" / request["name"]).open("rb", buffering=0)
                answer = {"size": os.fstat(stream.fileno()).st_size}
        except (OSError, Refused) as error:
            answer = {"error": described(error, root)}
        sink.write(json.dumps(answer).encode() + b"\n")
        if stream is not None:
            with stream:
                shutil.copyfileobj(stream, sink, _PIECE_BYTES)
        sink.flush()


def _put(root: Path, digest: str, size: int, source: io.BufferedReader[io.FileIO]) -> dict[str, Any]:
    """Take one blob: to a temporary name, hashed on the way, renamed when whole. A failed one leaves nothing.

    After a failure, or when the device is driven, the rest of the bytes is still read, so that the next request is
    found.
    """
    final = root / "blobs" / digest
    temporary = final.with_name(f".{digest}.{os.getpid()}.part")
    buffer = memoryview(bytearray(_PIECE_BYTES))
    hashed = hashlib.sha256()
    failure: OSError | Refused | None = None
    left, look_at_s = size, time.monotonic()
    try:
        with temporary.open("wb", buffering=0) as target:
            while left:
                count = source.readinto(buffer[: min(left, _PIECE_BYTES)])
                if not count:
                    raise SystemExit(1)  # the sender is gone; the half goes with it
                left -= count
                if failure is None:
                    try:
                        if time.monotonic() >= look_at_s:
                            refuse_onroad(device_root())
                            refuse_deleting(root, left + count, device_root())
                            look_at_s = time.monotonic() + _LOOK_S
                        hashed.update(buffer[:count])
                        _write_all(target, buffer[:count])
                    except (OSError, Refused) as error:
                        failure = error
                        target.truncate(0)
            if failure is not None:
                raise no_room(root, size) if is_full(failure) else failure
            if hashed.hexdigest() != digest:
                raise Refused("StagingFailedError", f"blob {digest[:16]} arrived with another digest", "send it again")
            os.fsync(target.fileno())
        temporary.rename(final)
    finally:
        temporary.unlink(missing_ok=True)
    return {"ok": True}


def _write_all(target: io.FileIO, piece: memoryview) -> None:
    while piece:
        piece = piece[target.write(piece) :]
