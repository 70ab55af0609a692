"""What a driving model takes and gives: from its YAML spec, its own metadata, or a published layout of its shapes.

A spec is an `interface.yaml` beside the model:

    format: 1
    driving_policy.onnx:
      output_slices: {plan: [0, 990], desire_state: [990, 998]}
      inputs: {wish: desire_pulse}     # only where the file uses other names
      picture_skip: 4                  # frames between the two pictures; follows from the history when left out

A model nobody described is refused with what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import DataError
from harness.replay.layouts import Shape, published_layouts
from harness.replay.sessions import Signature, TensorInfo
from harness.replay.slices import Cut, parse_output_slices

_SPEC_KEYS = {"output_slices", "inputs", "picture_skip"}
_MAX_SPEC_BYTES = 64 * 1024

# Inputs known to us, under their newest names, and the shapes they came in.
INPUT_SHAPES: Mapping[str, tuple[Shape, ...]] = {
    "img": ((1, 12, 128, 256),),
    "big_img": ((1, 12, 128, 256),),
    "desire_pulse": ((1, 25, 8), (1, 100, 8)),
    "traffic_convention": ((1, 2),),
    "action_t": ((1, 2),),
    "features_buffer": ((1, 24, 512), (1, 25, 512), (1, 99, 512), (1, 100, 512)),
    "lateral_control_params": ((1, 2),),
    "prev_desired_curv": ((1, 25, 1), (1, 100, 1)),
    "lat_planner_state": ((1, 4),),
    "nav_features": ((1, 256),),
    "nav_instructions": ((1, 150),),
    "radar_tracks": ((1, 192),),
}
_OLD_INPUT_NAMES = {"input_imgs": "img", "big_input_imgs": "big_img", "desire": "desire_pulse"}

# Heads known to us and the widths they came in; `pad` is unused room.
HEAD_WIDTHS: Mapping[str, tuple[int, ...]] = {
    "plan": (990, 4955),
    "lane_lines": (528,),
    "lane_lines_prob": (8,),
    "road_edges": (264,),
    "lead": (144, 102),
    "lead_prob": (3,),
    "desire_state": (8,),
    "meta": (48, 53, 55),
    "desire_pred": (32,),
    "pose": (12,),
    "wide_from_device_euler": (6,),
    "sim_pose": (12,),
    "road_transform": (12,),
    "lat_planner_solution": (264,),
    "desired_curvature": (2,),
    "action": (2, 4),
    "hidden_state": (512,),
}


@dataclass(frozen=True, slots=True)
class Input:
    """One input: the file's name for it and its shape with the batch of one."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Interface:
    """How to feed a model file and read its flat output.

    `inputs` by newest name; `heads` are [start, stop) in the output of `width` values; `origin` says who described it.
    """

    name: str
    inputs: Mapping[str, Input]
    heads: Mapping[str, tuple[int, int]]
    width: int
    picture_skip: int
    origin: str


def load_spec(path: Path) -> Mapping[str, Any]:
    """The model files described by an `interface.yaml`; DataError when it is not one."""
    where = "interface.yaml"
    if path.stat().st_size > _MAX_SPEC_BYTES:
        raise DataError("too long to be a model's description", where=where, remedy="describe inputs and heads only")
    try:
        spec = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"not YAML: {error}", where=where, remedy="see harness/replay/interface.py") from error
    if not isinstance(spec, dict) or spec.get("format") != 1:
        raise DataError("does not begin with format: 1", where=where, remedy="see harness/replay/interface.py")
    for name, entry in spec.items():
        unknown = sorted(set(entry) - _SPEC_KEYS) if isinstance(entry, dict) else []
        if name != "format" and (not isinstance(entry, dict) or unknown):
            problem = f"unknown key {', '.join(map(str, unknown))} of {name}" if unknown else f"{name} is no mapping"
            raise DataError(problem, where=where, remedy=f"known keys: {', '.join(sorted(_SPEC_KEYS))}")
    return {name: entry for name, entry in spec.items() if name != "format"}


def describe_model(signature: Signature, spec: Mapping[str, Any] | None = None) -> Interface:
    """The interface of a model file; DataError lists everything that is missing or does not fit."""
    spec = spec or {}
    complaints: list[str] = []
    inputs = _inputs(signature, spec.get("inputs") or {}, complaints)
    width = sum(_elements(output, complaints) for output in signature.outputs)
    cuts, origin = _cuts(signature, spec, width, complaints)
    heads = _heads(cuts, width, complaints)
    skip = spec.get("picture_skip", _picture_skip(inputs))
    if not isinstance(skip, int) or not 1 <= skip <= 20:
        complaints.append(f"picture_skip {skip!r}: a whole number from 1 to 20 is needed")
    if complaints:
        raise DataError(
            f"the interface of this model is not known: {'; '.join(complaints)}",
            where=signature.name,
            remedy="export it with its output_slices metadata, or describe it in an interface.yaml beside it",
        )
    return Interface(signature.name, inputs, heads, width, skip, origin)


def _inputs(signature: Signature, renamed: Any, complaints: list[str]) -> dict[str, Input]:
    inputs: dict[str, Input] = {}
    if not isinstance(renamed, dict):
        complaints.append("inputs must map the file's names to known ones")
        return inputs
    for tensor in signature.inputs:
        known = str(renamed.get(tensor.name, _OLD_INPUT_NAMES.get(tensor.name, tensor.name)))
        shapes = INPUT_SHAPES.get(known)
        shape = closed_shape(tensor)
        if shapes is None:
            complaints.append(f"input {tensor.name} {show_shape(shape)} has no known meaning")
        elif shape not in shapes:
            expected = " or ".join(show_shape(s) for s in shapes)
            complaints.append(f"input {tensor.name}: expected {expected}, found {show_shape(shape)}")
        else:
            inputs[known] = Input(tensor.name, tuple(size or 0 for size in shape))
    return inputs


def closed_shape(tensor: TensorInfo) -> tuple[int | None, ...]:
    """The shape for one frame: an open first dimension is a batch of one."""
    first, *rest = tensor.shape or (None,)
    return (1 if first is None else first, *rest)


def show_shape(shape: tuple[int | None, ...]) -> str:
    """A shape for a person; a size left open is `?`."""
    return f"({', '.join('?' if size is None else str(size) for size in shape)})"


def _elements(output: TensorInfo, complaints: list[str]) -> int:
    count = 1
    for size in closed_shape(output):
        if size is None:
            complaints.append(f"output {output.name} {show_shape(output.shape)} has no fixed width")
            return 0
        count *= size
    return count


def _cuts(
    signature: Signature, spec: Mapping[str, Any], width: int, complaints: list[str]
) -> tuple[Mapping[str, Cut], str]:
    """Heads and who described them: spec first, then the file's own metadata, names of outputs, published shapes."""
    described = spec.get("output_slices")
    if described is not None:
        return _spec_cuts(described, complaints), "interface.yaml"
    pickled = signature.metadata.get("output_slices")
    if pickled is not None:
        return parse_output_slices(pickled, where=signature.name), "metadata"
    if len(signature.outputs) > 1 and all(output.name in HEAD_WIDTHS for output in signature.outputs):
        cuts: dict[str, Cut] = {}
        start = 0
        for output in signature.outputs:
            size = _elements(output, complaints)
            cuts[output.name] = (start, start + size)
            start += size
        return cuts, "names of outputs"
    shapes = {tensor.name: tuple(size or 0 for size in closed_shape(tensor)) for tensor in signature.inputs}
    layouts = published_layouts(shapes, width)
    if len({tuple(layout.slices().items()) for layout in layouts}) == 1:
        return dict(layouts[0].slices()), layouts[0].name
    if layouts:
        complaints.append(f"output_slices: the shapes fit {' and '.join(layout.name for layout in layouts)}")
    else:
        complaints.append(f"output_slices: where in the {width} output values each head lies")
    return {}, ""


def _spec_cuts(described: Any, complaints: list[str]) -> Mapping[str, Cut]:
    cuts: dict[str, Cut] = {}
    if not isinstance(described, dict):
        complaints.append("output_slices must map heads to [start, stop]")
        return cuts
    for head, cut in described.items():
        if isinstance(cut, list) and len(cut) == 2 and all(end is None or isinstance(end, int) for end in cut):
            cuts[str(head)] = (cut[0], cut[1])
        else:
            complaints.append(f"output_slices of {head}: expected [start, stop], found {cut!r}")
    return cuts


def _heads(cuts: Mapping[str, Cut], width: int, complaints: list[str]) -> dict[str, tuple[int, int]]:
    heads: dict[str, tuple[int, int]] = {}
    for head, (start, stop) in cuts.items():
        if head == "pad":
            continue
        first = 0 if start is None else start + width if start < 0 else start
        last = width if stop is None else stop + width if stop < 0 else stop
        widths = HEAD_WIDTHS.get(head)
        if not 0 <= first < last <= width:
            complaints.append(f"head {head} at [{first}, {last}) lies outside the {width} output values")
        elif widths is not None and last - first not in widths:
            expected = " or ".join(map(str, widths))
            complaints.append(f"head {head}: expected {expected} values, found {last - first}")
        else:
            heads[head] = (first, last)
    return heads


def _picture_skip(inputs: Mapping[str, Input]) -> int:
    """Frames between the two pictures: full-rate histories came with neighbours, 5 Hz histories with 200 ms."""
    slots = [inputs[name].shape[1] for name in ("desire_pulse", "features_buffer") if name in inputs]
    return 1 if any(count > 25 for count in slots) else 4
