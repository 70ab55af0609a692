"""Reads the header of a plain `.npy` array (version 1.0 of numpy's format, NEP 1) without Python's parser.

numpy reads it with `ast.literal_eval`. In Python 3.11 two threads that parse at the same time may each find the other's
depth in the parser's one counter ("AST constructor recursion depth mismatch", python/cpython#106905 and #95185), and
a sound array is called broken. What an array of ours says of itself needs no parser.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np

_MAGIC = b"\x93NUMPY\x01\x00"
_LENGTH = struct.Struct("<H")
_TEXT = re.compile(
    rb"\{'descr': '(?P<type>[<>|=][biufcSUmM][0-9]{1,9}(?:\[[0-9A-Za-z]{1,8}\])?)', "
    rb"'fortran_order': False, "
    rb"'shape': \((?P<shape>|[0-9]{1,18},|[0-9]{1,18}(?:, [0-9]{1,18}){1,31})\), \} *\n"
)


def read_array_header(content: bytes | memoryview) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type, and where the values begin, in bytes; they stand row by row.

    `content` may end anywhere after the header. ValueError for anything but a whole header of a plain array.
    """
    begin = len(_MAGIC) + _LENGTH.size
    head = bytes(content[:begin])
    if len(head) < begin or not head.startswith(_MAGIC):
        raise ValueError("no array header of version 1.0")
    end = begin + _LENGTH.unpack_from(head, len(_MAGIC))[0]
    found = _TEXT.fullmatch(bytes(content[begin:end]))
    if found is None or end > len(content):
        raise ValueError("not the header of a plain array")
    try:
        dtype = np.dtype(found["type"].decode())
    except TypeError as error:
        raise ValueError(f"no type {found['type'].decode()}") from error
    shape = tuple(int(size) for size in found["shape"].replace(b",", b" ").split())
    return shape, dtype, end
