"""Driving models that weigh what published ones weigh: random weights behind the published interfaces.

Vision: about 10 M parameters and 1.7 GFLOP, two pictures of two cameras in, 1576 values out. Policy: about 14 M
parameters, a transformer over 25 steps of features, 1000 values out. A multiplication with its addition counts as two
floating-point operations; only convolutions and matrix products are counted.
"""

from __future__ import annotations

import base64
import importlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError
from harness.files import write_bytes

Floats: TypeAlias = npt.NDArray[np.float32]

VISION, POLICY = "driving_vision.onnx", "driving_policy.onnx"

# Heads of the published vision (1576 values) and policy (1000 values, of which the last two are room) in order.
_VISION_HEADS = {
    "meta": 55, "desire_pred": 32, "pose": 12, "wide_from_device_euler": 6, "road_transform": 12, "lane_lines": 528,
    "lane_lines_prob": 8, "road_edges": 264, "lead": 144, "lead_prob": 3, "hidden_state": 512,
}  # fmt: skip
_POLICY_HEADS = {"plan": 990, "desire_state": 8}
_VISION_WIDTH, _POLICY_WIDTH = 1576, 1000

# Channels after each halving of the 128 x 256 picture: about the same work at every size.
_STAGES = (48, 96, 192, 384)
_STEM_CHANNELS, _BLOCKS = 40, 2
_NECK_CHANNELS, _PICTURE_CHANNELS = 40, 24

_STEPS, _FEATURES, _LAYERS, _HEADS, _HIDDEN = 25, 512, 4, 8, 2176

_OPSET, _IR_VERSION = 17, 8


@dataclass(frozen=True, slots=True)
class Weight:
    """What a network weighs: `parameters`, and `flops` of one run."""

    parameters: int
    flops: int


@dataclass(frozen=True, slots=True)
class BenchModel:
    """The folder of one model, and what its two files weigh."""

    folder: Path
    vision: Weight
    policy: Weight

    @property
    def files(self) -> dict[str, Path]:
        """The model's files by the names a replay knows them by."""
        return {name: self.folder / name for name in (VISION, POLICY)}


def write_model(folder: Path, *, vision_seed: int, policy_seed: int) -> BenchModel:
    """Both files of a model in `folder`. Equal seeds give equal bytes."""
    vision, vision_weight = _vision(vision_seed)
    policy, policy_weight = _policy(policy_seed)
    write_bytes(folder / VISION, vision)
    write_bytes(folder / POLICY, policy)
    return BenchModel(folder, vision_weight, policy_weight)


class _Network:
    """A graph under construction: nodes in order, seeded weights, and the operations counted on the way."""

    def __init__(self, seed: int) -> None:
        try:
            onnx: Any = importlib.import_module("onnx")
        except ImportError as error:
            raise ConfigError(
                "making bench models needs the package onnx",
                where="closet bench",
                remedy='python -m pip install "testing-closet[models]"',
            ) from error
        self._onnx = onnx
        self._rng = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._initialisers: list[Any] = []
        self._inputs: list[Any] = []
        self.parameters = 0
        self.flops = 0

    def input(self, name: str, shape: tuple[int, ...], *, pixels: bool = False) -> str:
        """A graph input; pixels are bytes."""
        element = self._onnx.TensorProto.UINT8 if pixels else self._onnx.TensorProto.FLOAT
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, element, shape))
        return name

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        """The output of a new node."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def as_floats(self, source: str) -> str:
        """Bytes as floats."""
        return self.node("Cast", source, to=self._onnx.TensorProto.FLOAT)

    def constant(self, value: npt.NDArray[Any]) -> str:
        """An initialiser; floats count as parameters."""
        name = f"weight_{len(self._initialisers)}"
        self._initialisers.append(self._onnx.numpy_helper.from_array(value, name))
        self.parameters += value.size if value.dtype == np.float32 else 0
        return name

    def random(self, *shape: int, fan_in: int) -> str:
        """Seeded normal weights that keep the size of what goes through them (He et al. 2015)."""
        values = self._rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2.0 / fan_in))
        return self.constant(values.astype(np.float32))

    def scalar(self, value: float) -> str:
        """A number."""
        return self.constant(np.array(value, np.float32))

    def zeros(self, *shape: int) -> str:
        """A bias."""
        return self.constant(np.zeros(shape, np.float32))

    def shape(self, *sizes: int) -> str:
        """The second input of a Reshape."""
        return self.constant(np.array(sizes, np.int64))

    def convolution(
        self, source: str, channels: tuple[int, int], pixels: int, *, size: int = 3, stride: int = 1
    ) -> str:
        """A convolution with bias from channels[0] to channels[1]; `pixels` is how many come out."""
        before, after = channels
        self.flops += 2 * before * after * size * size * pixels
        weights = self.random(after, before, size, size, fan_in=before * size * size)
        pads = [size // 2] * 4
        return self.node("Conv", source, weights, self.zeros(after), strides=[stride, stride], pads=pads)

    def dense(self, source: str, widths: tuple[int, int], *, rows: int = 1) -> str:
        """A matrix product with bias over `rows` rows."""
        self.flops += 2 * widths[0] * widths[1] * rows
        product = self.node("MatMul", source, self.random(*widths, fan_in=widths[0]))
        return self.node("Add", product, self.zeros(widths[1]))

    def normalised(self, source: str, width: int) -> str:
        """Layer normalisation over the last axis."""
        return self.node("LayerNormalization", source, self.constant(np.ones(width, np.float32)), self.zeros(width))

    def finish(self, name: str, outputs: str, width: int, heads: Mapping[str, int]) -> tuple[bytes, Weight]:
        """The file, with the metadata of a published model."""
        helper = self._onnx.helper
        self._nodes.append(helper.make_node("Identity", [outputs], ["outputs"], name="node_outputs"))
        info = helper.make_tensor_value_info("outputs", self._onnx.TensorProto.FLOAT, (1, width))
        graph = helper.make_graph(self._nodes, name, self._inputs, [info], self._initialisers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="closet bench")
        model.ir_version = _IR_VERSION
        helper.set_model_props(model, {"output_slices": _pickled_slices(heads), "model_checkpoint": f"bench/{name}"})
        self._onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True)), Weight(self.parameters, self.flops)


def _pickled_slices(heads: Mapping[str, int]) -> str:
    """The heads as published models carry them: a pickle of slices in lines of base64."""
    slices: dict[str, slice] = {}
    start = 0
    for head, width in heads.items():
        slices[head] = slice(start, start + width)
        start += width
    return base64.encodebytes(pickle.dumps(slices, protocol=4)).decode()


def _vision(seed: int) -> tuple[bytes, Weight]:
    """A residual convolutional network over both pictures."""
    net = _Network(seed)
    narrow = net.input("img", (1, 12, 128, 256), pixels=True)
    wide = net.input("big_img", (1, 12, 128, 256), pixels=True)
    pictures = net.as_floats(net.node("Concat", narrow, wide, axis=1))
    centred = net.node("Mul", net.node("Sub", pictures, net.scalar(128.0)), net.scalar(1 / 64))
    pixels = 64 * 128
    tensor = net.node("Relu", net.convolution(centred, (_PICTURE_CHANNELS, _STEM_CHANNELS), pixels, stride=2))
    before = _STEM_CHANNELS
    for channels in _STAGES:
        pixels //= 4
        tensor = net.node("Relu", net.convolution(tensor, (before, channels), pixels, stride=2))
        for _ in range(_BLOCKS):
            inner = net.node("Relu", net.convolution(tensor, (channels, channels), pixels))
            inner = net.convolution(inner, (channels, channels), pixels)
            # Halved, so that a random network as deep as this stays in range.
            tensor = net.node("Relu", net.node("Mul", net.node("Add", tensor, inner), net.scalar(0.5)))
        before = channels
    neck = net.convolution(tensor, (before, _NECK_CHANNELS), pixels, size=1)
    width = _NECK_CHANNELS * pixels
    flat = net.node("Reshape", neck, net.shape(1, width))
    outputs = net.node("Mul", net.dense(flat, (width, _VISION_WIDTH)), net.scalar(0.1))
    return net.finish("driving_vision", outputs, _VISION_WIDTH, _VISION_HEADS)


def _policy(seed: int) -> tuple[bytes, Weight]:
    """A transformer over the history of features."""
    net = _Network(seed)
    desire = net.input("desire_pulse", (1, _STEPS, 8))
    traffic = net.input("traffic_convention", (1, 2))
    features = net.input("features_buffer", (1, _STEPS, _FEATURES))
    convention = net.node("Reshape", net.dense(traffic, (2, _FEATURES)), net.shape(1, 1, _FEATURES))
    told = net.node("Add", net.dense(desire, (8, _FEATURES), rows=_STEPS), convention)
    tokens = net.node("Add", net.dense(features, (_FEATURES, _FEATURES), rows=_STEPS), told)
    tokens = net.node("Add", tokens, net.random(1, _STEPS, _FEATURES, fan_in=50))
    for _ in range(_LAYERS):
        tokens = net.node("Add", tokens, _attention(net, net.normalised(tokens, _FEATURES)))
        hidden = net.dense(net.normalised(tokens, _FEATURES), (_FEATURES, _HIDDEN), rows=_STEPS)
        tokens = net.node("Add", tokens, net.dense(net.node("Relu", hidden), (_HIDDEN, _FEATURES), rows=_STEPS))
    last = net.node("Gather", net.normalised(tokens, _FEATURES), net.constant(np.array(_STEPS - 1)), axis=1)
    outputs = net.node("Mul", net.dense(last, (_FEATURES, _POLICY_WIDTH)), net.scalar(0.1))
    return net.finish("driving_policy", outputs, _POLICY_WIDTH, _POLICY_HEADS)


def _attention(net: _Network, tokens: str) -> str:
    """Every step looks at every step, in several heads."""
    size = _FEATURES // _HEADS

    def part(permutation: list[int]) -> str:
        dense = net.dense(tokens, (_FEATURES, _FEATURES), rows=_STEPS)
        return net.node("Transpose", net.node("Reshape", dense, net.shape(1, _STEPS, _HEADS, size)), perm=permutation)

    queries, keys, values = part([0, 2, 1, 3]), part([0, 2, 3, 1]), part([0, 2, 1, 3])
    scores = net.node("Mul", net.node("MatMul", queries, keys), net.scalar(size**-0.5))
    seen = net.node("MatMul", net.node("Softmax", scores, axis=-1), values)
    net.flops += 2 * 2 * _STEPS * _STEPS * _FEATURES
    merged = net.node("Reshape", net.node("Transpose", seen, perm=[0, 2, 1, 3]), net.shape(1, _STEPS, _FEATURES))
    return net.dense(merged, (_FEATURES, _FEATURES), rows=_STEPS)
