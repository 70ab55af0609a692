"""Headers of arrays: numpy's own writer and reader are the oracle."""

from __future__ import annotations

import ast
import gc
import io
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from harness.array_header import read_array_header

TYPES = st.one_of(
    st_np.boolean_dtypes(),
    st_np.integer_dtypes(endianness="?"),
    st_np.unsigned_integer_dtypes(endianness="?"),
    st_np.floating_dtypes(endianness="?"),
    st_np.complex_number_dtypes(endianness="?"),
    st_np.byte_string_dtypes(endianness="?"),
    st_np.unicode_string_dtypes(endianness="?"),
    st_np.datetime64_dtypes(endianness="?"),
)


def npy(array: np.ndarray, **rest: bool) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), **rest)
    return stream.getvalue()


@given(TYPES, st.lists(st.integers(0, 4), max_size=6).map(tuple))
def test_what_numpy_writes_is_read_as_numpy_reads_it(dtype: np.dtype, shape: tuple[int, ...]) -> None:
    content = npy(np.zeros(shape, dtype))
    found, read, begin = read_array_header(content)
    stream = io.BytesIO(content)
    assert np.lib.format.read_magic(stream) == (1, 0)
    expected = np.lib.format.read_array_header_1_0(stream)
    assert (found, False, read) == expected
    assert begin == stream.tell()


@given(st.binary(max_size=40), st.integers(0, 127), st.integers(0, 128))
def test_a_damaged_header_is_an_error_or_says_what_numpy_says(junk: bytes, at: int, cut: int) -> None:
    whole = npy(np.zeros((3, 5), np.float32))
    content = (whole[:at] + junk + whole[at + len(junk) :])[: len(whole) - cut]
    try:
        found, dtype, begin = read_array_header(content)
    except ValueError:
        return
    stream = io.BytesIO(content)
    np.lib.format.read_magic(stream)
    assert (found, False, dtype) == np.lib.format.read_array_header_1_0(stream)
    assert begin == stream.tell()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        npy(np.zeros((2, 3), order="F")),
        npy(np.zeros(2, [("a", "<f4")])),
        npy(np.array([None]), allow_pickle=True),
        npy(np.zeros(3))[:60],
        npy(np.zeros(3)).replace(b"<f8", b"<f3"),
        npy(np.zeros(3)).replace(b"NUMPY\x01", b"NUMPY\x02"),
        npy(np.zeros(3)).replace(b"(3,)", b"(3) "),
        npy(np.zeros(3)).replace(b"(3,)", b"(-3,"),
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|type"):
        read_array_header(content)


class _Ring:
    """Something that only the garbage collector ends, by Python code of its own: a place to change threads."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


def test_threads_that_read_at_once_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Python's own parser some hundredth of these fail in 3.11: threads change while the tree is made."""
    monkeypatch.setattr(ast, "literal_eval", None)  # whoever goes back to it is told also where it does no harm
    content = npy(np.zeros((1200, 33), np.float32))
    wrong: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(500):
                _Ring()
                assert read_array_header(content)[0] == (1200, 33)
        except BaseException as error:  # noqa: BLE001 told in the test's own thread
            wrong.append(error)

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(5)
    try:
        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
    assert wrong == []
