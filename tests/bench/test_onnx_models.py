from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, shape_inference

from harness.bench.onnx_models import POLICY, VISION, BenchModel, write_model
from harness.errors import ConfigError, ExitCode
from harness.replay.interface import describe_model
from harness.replay.sessions import load_session


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> BenchModel:
    return write_model(tmp_path_factory.mktemp("model"), vision_seed=1, policy_seed=2)


def _counted(path: Path) -> tuple[int, int]:
    """Parameters and operations of a file, counted from its shapes: the oracle."""
    inferred = shape_inference.infer_shapes(onnx.load(path), strict_mode=True).graph
    shapes = {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in inferred.initializer}
    shapes |= {name: list(weight.shape) for name, weight in weights.items()}
    flops = 0
    for node in inferred.node:
        out = math.prod(shapes[node.output[0]])
        if node.op_type == "Conv":
            flops += 2 * out * math.prod(shapes[node.input[1]][1:])
        elif node.op_type == "MatMul":
            flops += 2 * out * shapes[node.input[0]][-1]
    return sum(weight.size for weight in weights.values() if weight.dtype == np.float32), flops


def test_they_weigh_what_they_say(model: BenchModel) -> None:
    for name, weight in ((VISION, model.vision), (POLICY, model.policy)):
        assert _counted(model.files[name]) == (weight.parameters, weight.flops)


def test_they_weigh_what_published_models_weigh(model: BenchModel) -> None:
    assert model.vision.parameters == pytest.approx(10e6, rel=0.03)
    assert model.vision.flops == pytest.approx(1.7e9, rel=0.03)
    assert model.policy.parameters == pytest.approx(14e6, rel=0.03)


def test_equal_seeds_give_equal_bytes(model: BenchModel, tmp_path: Path) -> None:
    write_model(tmp_path, vision_seed=1, policy_seed=3)
    assert (tmp_path / VISION).read_bytes() == model.files[VISION].read_bytes()
    assert (tmp_path / POLICY).read_bytes() != model.files[POLICY].read_bytes()


def test_a_replay_knows_their_interfaces(model: BenchModel) -> None:
    vision, policy = (load_session(model.files[name], name) for name in (VISION, POLICY))
    described = describe_model(vision.signature), describe_model(policy.signature)
    assert [interface.origin for interface in described] == ["metadata", "metadata"]
    assert described[0].heads["hidden_state"] == (1064, 1576)
    assert described[1].heads == {"plan": (0, 990), "desire_state": (990, 998)}
    image = np.random.default_rng(0).integers(0, 256, (1, 12, 128, 256), np.uint8)
    seen = vision.run({"img": image, "big_img": image[:, ::-1]})
    thought = policy.run(
        {
            "desire_pulse": np.zeros((1, 25, 8)),
            "traffic_convention": np.array([[1.0, 0.0]]),
            "features_buffer": np.tile(seen[-512:], (1, 25, 1)),
        }
    )
    assert seen.shape == (1576,)
    assert thought.shape == (1000,)
    # Means and standard deviations are read from the same range, so it must be a small one.
    assert 0.001 < np.abs(seen).max() < 10
    assert 0.001 < np.abs(thought).max() < 10


def test_without_onnx_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match="testing-closet\\[models\\]") as caught:
        write_model(tmp_path, vision_seed=1, policy_seed=1)
    assert caught.value.exit_code == ExitCode.USAGE
