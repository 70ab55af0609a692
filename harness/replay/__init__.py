"""Recording in, trace out: the part of the closet that travels to a device.

`python -m harness.replay JOB.json` reads a job and writes one trace a replay; the same command on a device and at
home. This package's face is light on purpose: who plans a run needs neither onnxruntime nor a video decoder.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.domain import Json
from harness.replay.options import (
    parse_driver_monitoring_options,
    parse_driving_model_options,
    parse_panda_safety_options,
    parse_selfdrive_options,
)

# Part of a job's id. A version goes up whenever the same job would give other bytes.
REPLAYERS: Mapping[str, str] = {
    "driving_model": "1",
    "driver_monitoring": "1",
    "panda_safety": "1",
    "selfdrive_state": "1",
}

# What a replayer uses when it is there and does without when it is not.
OPTIONAL_INPUTS: Mapping[str, frozenset[str]] = {
    "driving_model": frozenset({"ecamera"}),
    "driver_monitoring": frozenset({"rlog"}),
    "panda_safety": frozenset(),
    "selfdrive_state": frozenset(),
}


def inputs_needed(replayer: str, options: Mapping[str, Json]) -> tuple[str, ...]:
    """Stems of the recording files a replayer reads; those in `OPTIONAL_INPUTS[replayer]` may be absent.

    Raises ConfigError for a replayer or an option that does not exist.
    """
    if replayer == "driver_monitoring":
        return ("rlog", parse_driver_monitoring_options(options).camera)
    if replayer == "panda_safety":
        parse_panda_safety_options(options)
        return ("rlog",)
    if replayer == "selfdrive_state":
        parse_selfdrive_options(options)
        return ("rlog",)
    parse_driving_model_options(options, replayer=replayer)
    return ("rlog", "fcamera", "ecamera")
