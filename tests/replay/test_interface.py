"""What a model takes and gives is found in its metadata, its spec or its shapes; anything else is refused by name."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from harness.errors import DataError
from harness.replay.interface import describe_model, load_spec
from harness.replay.layouts import PUBLISHED
from harness.replay.sessions import Signature, TensorInfo, load_session
from tests.replay.makers import layout, write_layout

FLOAT = np.dtype(np.float32)
LAYOUTS = Path(__file__).parents[3] / "shared" / "reference" / "model_layouts.json"


def signature(inputs, width, metadata=None):
    tensors = tuple(TensorInfo(name, tuple(shape), FLOAT) for name, shape in inputs.items())
    return Signature("m.onnx", tensors, (TensorInfo("outputs", (1, width), FLOAT),), metadata or {})


def published_generations():
    if not LAYOUTS.is_file():
        pytest.skip(f"the published layouts are not here: {LAYOUTS}")
    return json.loads(LAYOUTS.read_text())["generations"]


def test_every_published_generation_is_known_as_it_was_published():
    generations = published_generations()
    assert {entry["generation"] for entry in generations} == {entry.name for entry in PUBLISHED}
    for entry in generations:
        known = layout(entry["generation"])
        width = entry["output_shapes"]["outputs"][1]
        assert {name: list(shape) for name, shape in known.inputs.items()} == entry["input_shapes"]
        assert known.width == width
        cuts = {head: cut for head, cut in entry["output_slices"].items() if head != "pad"}
        resolved = {head: tuple(range(width)[slice(*cut)][k] for k in (0, -1)) for head, cut in cuts.items()}
        assert {head: (start, stop - 1) for head, (start, stop) in known.slices().items()} == resolved


def test_metadata_of_every_published_generation_is_understood():
    for entry in published_generations():
        pickled = pickle.dumps({head: slice(*cut) for head, cut in entry["output_slices"].items()})
        metadata = {"output_slices": base64.b64encode(pickled).decode()}
        width = entry["output_shapes"]["outputs"][1]
        interface = describe_model(signature(entry["input_shapes"], width, metadata))
        assert interface.origin == "metadata"
        assert dict(interface.heads) == layout(entry["generation"]).slices()


@pytest.mark.parametrize("known", PUBLISHED, ids=lambda known: known.name.split(" (")[0])
def test_shapes_alone_tell_a_published_generation(known):
    named = signature(known.inputs, known.width)
    if known.width == 6512:
        with pytest.raises(DataError, match=r"shapes fit supercombo-6512 meta 53 and supercombo-6512 meta 55"):
            describe_model(named)
    else:
        interface = describe_model(named)
        assert dict(interface.heads) == known.slices()
        histories = [shape[1] for name, shape in known.inputs.items() if "features" in name or "desire" in name]
        assert interface.picture_skip == (1 if max(histories, default=0) > 25 else 4)


def test_what_is_missing_is_listed_all_at_once():
    named = signature({"img": (1, 12, 64, 256), "wish": (1, 25, 8), "features_buffer": (1, 30, 512)}, 700)
    with pytest.raises(DataError) as caught:
        describe_model(named)
    text = str(caught.value)
    assert "input img: expected (1, 12, 128, 256), found (1, 12, 64, 256)" in text
    assert "input wish (1, 25, 8) has no known meaning" in text
    assert "input features_buffer: expected (1, 24, 512) or (1, 25, 512)" in text
    assert "output_slices: where in the 700 output values each head lies" in text
    assert "interface.yaml" in text


def test_a_spec_describes_what_the_file_does_not(tmp_path):
    path = tmp_path / "interface.yaml"
    path.write_text(
        "format: 1\nm.onnx:\n  output_slices: {plan: [0, 990], desire_state: [-10, -2]}\n"
        "  inputs: {wish: desire_pulse}\n  picture_skip: 2\n"
    )
    named = signature({"wish": (1, 25, 8), "traffic_convention": (1, 2)}, 1000)
    interface = describe_model(named, load_spec(path)["m.onnx"])
    assert dict(interface.heads) == {"plan": (0, 990), "desire_state": (990, 998)}
    assert interface.inputs["desire_pulse"].name == "wish"
    assert interface.picture_skip == 2
    assert interface.origin == "interface.yaml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("plan: [0, 990]", "does not begin with format: 1"),
        ("format: 1\nm.onnx: 3", "m.onnx is no mapping"),
        ("format: 1\nm.onnx: {slices: {}}", "unknown key slices of m.onnx"),
        ("a: [", "not YAML"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("# " + "x" * 70_000, "too long"),
    ],
)
def test_specs_that_are_none(tmp_path, text, problem):
    path = tmp_path / "interface.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        load_spec(path)


@pytest.mark.parametrize(
    ("cuts", "problem"),
    [
        ({"plan": [0, 991]}, "head plan: expected 990 or 4955 values, found 991"),
        ({"plan": [900, 1890]}, r"head plan at \[900, 1890\) lies outside the 1000 output values"),
        ({"plan": "all"}, r"output_slices of plan: expected \[start, stop\]"),
        ([], "output_slices must map heads"),
    ],
)
def test_heads_that_do_not_fit(cuts, problem):
    with pytest.raises(DataError, match=problem):
        describe_model(signature({}, 1000), {"output_slices": cuts})


def test_separate_outputs_are_heads_by_their_names():
    outputs = (TensorInfo("plan", (1, 990), FLOAT), TensorInfo("hidden_state", (None, 512), FLOAT))
    interface = describe_model(Signature("m.onnx", (), outputs, {}))
    assert dict(interface.heads) == {"plan": (0, 990), "hidden_state": (990, 1502)}


def test_a_width_left_open_is_no_width():
    outputs = (TensorInfo("outputs", (1, None), FLOAT),)
    with pytest.raises(DataError, match=r"output outputs \(1, \?\) has no fixed width"):
        describe_model(Signature("m.onnx", (), outputs, {}))


def test_the_file_itself_is_read(tmp_path):
    path = write_layout(tmp_path / "m.onnx", layout("driving_vision-1576"), seed=1)
    session = load_session(path, "driving_vision.onnx")
    interface = describe_model(session.signature)
    assert interface.name == "driving_vision.onnx"
    assert interface.origin == "metadata"
    assert session.signature.inputs[0].dtype == np.uint8


def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"not a model at all")
    with pytest.raises(DataError, match=r"m\.onnx: not a model that onnxruntime .* can load"):
        load_session(path, "m.onnx")
