"""The reader of pickled slices reads what models carry and runs nothing."""

from __future__ import annotations

import base64
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DataError
from harness.replay.slices import parse_output_slices

SLICES = {"plan": slice(0, 4955), "hidden_state": slice(5990, -2, None), "pad": slice(-2, None, None)}


def encoded(value, protocol=None):
    return base64.b64encode(pickle.dumps(value, protocol)).decode()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_is_read(protocol):
    cuts = parse_output_slices(encoded(SLICES, protocol), where="m.onnx")
    assert cuts == {"plan": (0, 4955), "hidden_state": (5990, -2), "pad": (-2, None)}


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12),
        st.tuples(st.none() | st.integers(-(2**40), 2**40), st.none() | st.integers(-(2**40), 2**40)),
        max_size=1200,
    ),
    st.integers(0, pickle.HIGHEST_PROTOCOL),
)
def test_what_pickle_writes_is_what_is_read(cuts, protocol):
    pickled = encoded({name: slice(*cut) for name, cut in cuts.items()}, protocol)
    if len(pickled) <= 64 * 1024:
        assert parse_output_slices(pickled, where="m.onnx") == cuts


class Harm:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_is_refused_and_not_run(tmp_path, protocol):
    mark = tmp_path / "harmed"
    for value in (Harm(mark), {"plan": Harm(mark)}, {"plan": slice(0, Harm(mark))}):
        pickled = encoded(value, protocol)
        with pytest.raises(DataError, match=r"output_slices cannot be used.*interface\.yaml"):
            parse_output_slices(pickled, where="m.onnx")
    assert not mark.exists()
    pickle.loads(base64.b64decode(encoded({"plan": Harm(mark)}, protocol)))  # noqa: S301 - that it would have harmed
    assert mark.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"cposix\nsystem\n(S'true'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"(i__builtin__\neval\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
        b"\x80\x02c__builtin__\nslice\n(K\x00K\x01Nt\x81.",  # NEWOBJ
        b"P0\n.",  # persistent id
        b"\x82\x01.",  # extension registry
        b"}",
        b".",
        b"",
        b"(((((",
        b"}(K\x01u.",
        b"\x80\x04\x95",
        b"K\x05.",
        b"}K\x01K\x02s.",
        b"]\x94.",
    ],
)
def test_broken_or_dangerous_bytes_are_data_errors(raw):
    with pytest.raises(DataError):
        parse_output_slices(base64.b64encode(raw).decode(), where="m.onnx")


@given(st.binary(max_size=200))
def test_random_bytes_never_do_more_than_fail(raw):
    try:
        cuts = parse_output_slices(base64.b64encode(raw).decode(), where="m.onnx")
    except DataError:
        return
    assert all(isinstance(name, str) for name in cuts)


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        "A" * 70_000,
        encoded([1, 2]),
        encoded({"a": 3}),
        encoded({1: slice(1)}),
        encoded({"a": slice(0, 4, 2)}),
        encoded({"a": slice("x", 4)}),
    ],
)
def test_anything_but_a_mapping_of_slices_is_refused(text):
    with pytest.raises(DataError):
        parse_output_slices(text, where="m.onnx")
