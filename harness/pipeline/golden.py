"""The golden segment: one recorded second and two tiny networks that ship with the program, and its known answer.

Replaying it takes everything a device needs for any other job: a log is parsed, both cameras are decoded and warped,
onnxruntime runs. What is exact in the answer ships with it, and how large every number about is; the last bits of the
numbers depend on the runtime, and are learned from the devices themselves.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.domain import Blob, Json, NamedBlob, canonical_json, json_digest
from harness.errors import DataError
from harness.replay import REPLAYERS
from harness.replay.job import FORMAT as JOB_FORMAT
from harness.trace import Channel, Exactness, Trace

FORMAT = 1
FOLDER = Path(__file__).parent / "golden_segment"
MANIFEST = "golden.json"
JOB = "canary"
_REPLAYER = "driving_model"
# Decoding is exact by the standard of the codec, and the warp takes each pixel from one of the picture's.
_EXACT = ("pictures.narrow.digest", "pictures.wide.digest", "desire")
# A level may be off by this share: far more than rounding differs, far less than anything that is broken.
_LEVEL_TOLERANCE, _LEVEL_LEAST = 0.01, 1e-4


@dataclass(frozen=True, slots=True)
class Golden:
    """The golden segment, checked: its files by name, where their bytes lie, and what is known of the answer."""

    segment: str
    files: tuple[NamedBlob, ...]
    paths: Mapping[str, Path]
    exact_sha256: str
    levels: Mapping[str, float]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """What a device needs of it."""
        return tuple(sorted(entry.blob for entry in self.files))

    @property
    def job_text(self) -> str:
        """JOB.json, with paths as they are on every device."""
        return offline_job(self.segment, {entry.name: f"../../blobs/{entry.blob.sha256}" for entry in self.files})

    def digest(self, code_sha256: str) -> str:
        """What an answer depends on beside the device: the files, the job, and the code that replays it."""
        files = {entry.name: entry.blob.sha256 for entry in self.files}
        return json_digest(
            {"files": files, "version": REPLAYERS[_REPLAYER], "code": code_sha256, "segment": self.segment}
        )

    def mistake(self, trace: Trace) -> str:
        """How an answer differs from what is known whatever the runtime; empty when it does not."""
        if trace.segment != self.segment or trace.replayer != _REPLAYER:
            return f"it is of {trace.segment} by {trace.replayer}"
        if set(_EXACT) - trace.channels.keys() or exact_digest(trace) != self.exact_sha256:
            return "pictures or frames are not those of the recording: it decodes, warps or reads its log wrongly"
        found = levels(trace)
        for name in sorted(self.levels.keys() | found.keys()):
            expected, observed = self.levels.get(name, math.nan), found.get(name, math.nan)
            if not abs(expected - observed) <= max(_LEVEL_LEAST, _LEVEL_TOLERANCE * abs(expected)):
                return f"{name} is {observed:.5g} on average, where {expected:.5g} is right: it computes wrongly"
        return ""


@functools.cache
def load_golden(folder: Path = FOLDER) -> Golden:
    """The golden segment in `folder`; DataError when a file is not the one that was shipped."""
    remedy = "install the program again"
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}")
        named, paths = [], {}
        for name, entry in sorted(manifest["files"].items()):
            path = folder / Path(name).name
            content = path.read_bytes()
            blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
            if blob.sha256 != entry["sha256"]:
                raise DataError("the golden segment is damaged", where=str(path), remedy=remedy)
            named.append(NamedBlob(name, blob))
            paths[blob.sha256] = path
        expected = {str(name): float(value) for name, value in manifest["levels"].items()}
        return Golden(str(manifest["segment"]), tuple(named), paths, str(manifest["exact_sha256"]), expected)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the golden segment cannot be read: {error}", where=str(folder), remedy=remedy) from error


def offline_job(segment: str, files: Mapping[str, Path | str]) -> str:
    """The golden segment's JOB.json for files at these places. Nothing is taken from a cache: all of it is computed."""
    models = {name: str(path) for name, path in files.items() if name.endswith(".onnx")}
    job: dict[str, Json] = {
        "format": JOB_FORMAT,
        "segment": segment,
        "replayer": _REPLAYER,
        "options": {"features_cache": False},
        "recording": {name: str(path) for name, path in files.items() if name not in models},
        "replays": [{"job": JOB, "model": dict(models), "provenance": {}}],
        "output_folder": "out",
        "cache_folder": None,
    }
    return canonical_json(job)


def content_digest(trace: Trace) -> str:
    """sha256 over what a trace says: every channel that is judged, and not who made it where."""
    return _digest(trace, [c for c in trace.channels.values() if c.exactness is not Exactness.INFORMATIVE])


def exact_digest(trace: Trace) -> str:
    """sha256 over what every right runtime answers alike, to the bit."""
    return _digest(trace, [trace.channels[name] for name in _EXACT])


def levels(trace: Trace) -> dict[str, float]:
    """The mean size of each channel of floating-point numbers, to six digits."""
    return {
        name: float(f"{float(np.abs(channel.values).mean(dtype=np.float64)):.6g}")
        for name, channel in sorted(trace.channels.items())
        if channel.exactness is Exactness.NUMERIC and channel.values.dtype.kind == "f"
    }


def _digest(trace: Trace, channels: list[Channel]) -> str:
    hashed = hashlib.sha256(canonical_json([trace.replayer, trace.segment]).encode())
    frames = [Channel("", "", trace.frame_ids), Channel("", "ns", trace.t_ns)]
    for channel in (*frames, *sorted(channels, key=lambda channel: channel.name)):
        values = np.ascontiguousarray(channel.values)
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        hashed.update(canonical_json([channel.name, channel.unit, values.dtype.str, list(values.shape)]).encode())
        hashed.update(values.tobytes())
    return hashed.hexdigest()
