from __future__ import annotations

import base64
import io
import pickle

import numpy as np
import onnx
import pytest

from fixtures.camera import CAMERA_PAIRS, MODEL_NARROW, MODEL_WIDE, Mounting, packed
from fixtures.drive import Drive, seeded_drive
from fixtures.layouts import PLAN_TIMES_S, POLICY_SLICES, VISION_SLICES
from fixtures.make import Demo, raw_answers
from fixtures.models import POLICY_FILE, SUPERCOMBO_FILE, VISION_FILE
from fixtures.oracle import Answers, answers, desire_pulses
from fixtures.record import RecordedDrive, fixture_route
from fixtures.render import Renderer
from fixtures.road import LANE_WIDTH_M, Floats
from fixtures.vision_fit import road_basis

SETTLED = 45  # frames after which the history of speeds is long enough


@pytest.fixture(scope="module")
def drive() -> Drive:
    return seeded_drive("right bend", 11, 6.0, 8.0, first_chapter=0)


@pytest.fixture(scope="module")
def views(drive: Drive) -> np.ndarray:
    """(n, 2, 6, 128, 256) what the model sees of the drive, drawn straight into its views."""
    renderers = [Renderer(lens, Mounting()) for lens in (MODEL_NARROW, MODEL_WIDE)]
    return np.array([[packed(*renderer.draw(drive.scene(frame))) for renderer in renderers] for frame in range(120)])


def _said(demo: Demo, variant: str, drive: Drive, views: np.ndarray) -> Answers:
    recorded = RecordedDrive(fixture_route("test", 1), drive, CAMERA_PAIRS["os04c10"], Mounting(), 6.0)
    return answers(demo.models[variant], views, desire_pulses(drive, recorded.parts[0]))


def _lane_errors(drive: Drive, said: Answers, distances_m: Floats) -> Floats:
    """(n, k) metres between the lane the model sees and the lane that is there."""
    seen = said.features[:, :6] @ road_basis(distances_m).T
    errors = []
    for frame, lane in enumerate(seen):
        _s, forward, right = drive.scene(frame).centre_line()
        error = lane - np.interp(distances_m, forward, right)
        errors.append(error - LANE_WIDTH_M * np.rint(error[0] / LANE_WIDTH_M))
    return np.array(errors)


def test_the_plan_follows_the_road_and_the_speed(tiny_demo: Demo, drive: Drive, views: np.ndarray) -> None:
    plan = _said(tiny_demo, "release", drive, views).plan
    lateral, forward = [], []
    for frame in range(SETTLED, 80):
        ahead, right = drive.future_path(frame, np.array([2.0]))
        forward.append(np.interp(2.0, PLAN_TIMES_S, plan[frame, :, 0]) - ahead[0])
        lateral.append(np.interp(2.0, PLAN_TIMES_S, plan[frame, :, 1]) - right[0])
    assert np.sqrt(np.mean(np.square(lateral))) < 0.3  # the road bends by metres meanwhile
    assert np.sqrt(np.mean(np.square(forward))) < 2.0  # of 40 m
    assert np.ptp([drive.future_path(frame, np.array([2.0]))[1][0] for frame in range(SETTLED, 80)]) > 1.0


def test_better_is_closer_to_the_truth(tiny_demo: Demo, drive: Drive, views: np.ndarray) -> None:
    at = np.array([0.0, 10.0, 20.0, 30.0, 40.0])
    release, better = (
        np.sqrt(np.mean(_lane_errors(drive, _said(tiny_demo, name, drive, views), at)[5:] ** 2))
        for name in ("release", "better")
    )
    assert better < 0.9 * release < 0.05


def test_curve_bias_is_two_tenths_of_a_metre_and_only_in_the_bend(
    tiny_demo: Demo, drive: Drive, views: np.ndarray
) -> None:
    release, biased = (_said(tiny_demo, name, drive, views) for name in ("release", "curve_bias"))
    shift = (biased.features - release.features)[:, 0]
    assert (shift[:15] == 0.0).all()
    np.testing.assert_allclose(shift[70:90], 0.2, atol=1e-5)


def test_speed_is_read_from_the_pair_of_pictures(tiny_demo: Demo, drive: Drive, views: np.ndarray) -> None:
    said = _said(tiny_demo, "release", drive, views)
    frozen = answers(tiny_demo.models["release"], np.repeat(views[50:51], 12, axis=0), np.zeros((12, 8), np.float32))
    assert np.abs(said.features[5:, 6] * 20 - drive.speed_mps[25:600:5]).mean() < 0.8
    assert abs(frozen.features[8, 6] * 20) < 2.0


def test_sixteen_bit_floats_say_nearly_the_same(tiny_demo: Demo) -> None:
    release, half = (raw_answers(tiny_demo, name, tiny_demo.segments[0]) for name in ("release", "fp16"))
    apart = np.abs(half.plan - release.plan)[:, :17]
    assert 0.0 < apart[..., 1].max() < 0.25
    assert apart[..., 0].max() < 1.0
    assert np.isfinite(half.vision).all()


def test_a_reexport_is_other_bytes_with_the_same_numbers(tiny_demo: Demo) -> None:
    for file in (VISION_FILE, POLICY_FILE):
        release, again = ((tiny_demo.models[name] / file).read_bytes() for name in ("release", "reexport"))
        assert release != again
        parsed = [onnx.load_model_from_string(content) for content in (release, again)]
        assert [n.op_type for n in parsed[0].graph.node] != [n.op_type for n in parsed[1].graph.node]
        assert sorted(n.op_type for n in parsed[0].graph.node) == sorted(n.op_type for n in parsed[1].graph.node)
    release, again = (raw_answers(tiny_demo, name, tiny_demo.segments[0]) for name in ("release", "reexport"))
    assert np.array_equal(release.vision, again.vision)
    assert np.array_equal(release.policy, again.policy)


@pytest.mark.parametrize("variant", ["longitudinal_lag", "late_lane_change", "nan_frame"])
def test_a_fault_of_the_policy_leaves_the_vision_file_alone(tiny_demo: Demo, variant: str) -> None:
    release = tiny_demo.models["release"] / VISION_FILE
    assert (tiny_demo.models[variant] / VISION_FILE).read_bytes() == release.read_bytes()


def test_files_carry_published_shapes_and_metadata(tiny_demo: Demo) -> None:
    shapes, slices = {}, {}
    for variant, file in (("release", VISION_FILE), ("fp16", POLICY_FILE), ("supercombo", SUPERCOMBO_FILE)):
        model = onnx.load(tiny_demo.models[variant] / file)
        for info in (*model.graph.input, *model.graph.output):
            kind = onnx.TensorProto.DataType.Name(info.type.tensor_type.elem_type)
            shapes[file, info.name] = (kind, *(d.dim_value for d in info.type.tensor_type.shape.dim))
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert metadata["model_checkpoint"].startswith("fixtures/1")
        content = base64.b64decode(metadata["output_slices"])
        slices[file] = pickle.load(io.BytesIO(content))  # noqa: S301
    assert slices[VISION_FILE] == VISION_SLICES
    assert slices[POLICY_FILE] == POLICY_SLICES
    assert shapes[VISION_FILE, "img"] == shapes[VISION_FILE, "big_img"] == ("UINT8", 1, 12, 128, 256)
    assert shapes[VISION_FILE, "outputs"] == ("FLOAT", 1, 1576)
    assert shapes[POLICY_FILE, "features_buffer"] == ("FLOAT", 1, 25, 512)
    assert shapes[POLICY_FILE, "desire_pulse"] == ("FLOAT", 1, 25, 8)
    assert shapes[POLICY_FILE, "outputs"] == ("FLOAT", 1, 1000)
    assert shapes[SUPERCOMBO_FILE, "features_buffer"] == ("FLOAT", 1, 24, 512)
    assert shapes[SUPERCOMBO_FILE, "outputs"] == ("FLOAT", 1, 6500)
