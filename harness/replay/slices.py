"""Output slices from a model's metadata, without running what a pickle could say.

A published model carries `output_slices` as a base64 pickle of a mapping from names to slices. Unpickling bytes from
outside means running whatever they ask for, so the few opcodes such a mapping needs are interpreted here, on values
that cannot act, and everything else is refused.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.errors import DataError

_MAX_TEXT = 64 * 1024
_MAX_OPCODES = 20_000

Cut: TypeAlias = tuple[int | None, int | None]


class _Mark:
    """Where a group of stack items begins."""


class _SliceName:
    """Stands for the one class that may be named."""


@dataclass(frozen=True, slots=True)
class _Slice:
    start: object
    stop: object
    step: object


_MARK = _Mark()
_SLICE_NAME = _SliceName()
_IGNORED = {"PROTO", "FRAME"}
_LITERALS = {
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BININT", "BININT1", "BININT2", "INT", "LONG",
    "LONG1", "LONG4",
}  # fmt: skip
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NAMES_OF_SLICE = {"builtins slice", "__builtin__ slice"}


def parse_output_slices(text: str, *, where: str) -> dict[str, Cut]:
    """Names to (start, stop) from base64 pickle text; DataError for anything but a plain mapping of slices."""
    try:
        if len(text) > _MAX_TEXT:
            raise ValueError(f"{len(text)} characters, at most {_MAX_TEXT} are read")
        # Published models carry base64 in lines, as Python's base64 codec writes it.
        value = _interpret(base64.b64decode("".join(text.split()), validate=True))
        return _as_cuts(value)
    except (ValueError, IndexError, KeyError, TypeError, binascii.Error) as error:
        raise DataError(
            f"the metadata entry output_slices cannot be used: {error}",
            where=where,
            remedy="describe the model in an interface.yaml beside it",
        ) from error


def _as_cuts(value: object) -> dict[str, Cut]:
    if not isinstance(value, dict):
        raise ValueError("not a mapping")  # noqa: TRY004 - one kind of refusal, told as one error by the caller
    cuts: dict[str, Cut] = {}
    for name, cut in value.items():
        if not isinstance(name, str) or not isinstance(cut, _Slice) or cut.step not in (None, 1):
            raise ValueError(f"entry {name!r} is not a name with a plain slice")
        start, stop = cut.start, cut.stop
        if not (start is None or isinstance(start, int)) or not (stop is None or isinstance(stop, int)):
            raise ValueError(f"the slice {name!r} has ends that are not whole numbers")
        cuts[name] = (start, stop)
    return cuts


def _interpret(pickled: bytes) -> object:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(pickled)):
        name = opcode.name
        if count > _MAX_OPCODES:
            raise ValueError("too long")
        if name == "STOP":
            if len(stack) != 1:
                raise ValueError("does not end with one value")
            return stack[0]
        if name in _IGNORED:
            continue
        if name in _LITERALS:
            stack.append(argument)
        elif name in {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}:
            memo[len(memo) if name == "MEMOIZE" else _number(argument)] = stack[-1]
        elif name in {"GET", "BINGET", "LONG_BINGET"}:
            stack.append(memo[_number(argument)])
        else:
            _apply(name, argument, stack)
    raise ValueError("ends early")


def _apply(name: str, argument: object, stack: list[Any]) -> None:  # noqa: PLR0912 - one branch an opcode
    """One opcode that builds a value from others; ValueError for one that a mapping of slices does not need."""
    if name == "NONE":
        stack.append(None)
    elif name == "MARK":
        stack.append(_MARK)
    elif name == "EMPTY_DICT":
        stack.append({})
    elif name == "DICT":
        stack.append(_pairs(_since_mark(stack)))
    elif name == "TUPLE":
        stack.append(tuple(_since_mark(stack)))
    elif name in _TUPLES:
        size = _TUPLES[name]
        items = tuple(_pop(stack) for _ in range(size))[::-1]
        stack.append(items)
    elif name == "SETITEM":
        value, key = _pop(stack), _pop(stack)
        _target(stack).update(_pairs([key, value]))
    elif name == "SETITEMS":
        items = tuple(_since_mark(stack))
        _target(stack).update(_pairs(items))
    elif name == "GLOBAL":
        stack.append(_class_named(argument))
    elif name == "STACK_GLOBAL":
        attribute, module = _pop(stack), _pop(stack)
        stack.append(_class_named(f"{module} {attribute}"))
    elif name == "REDUCE":
        arguments, target = _pop(stack), _pop(stack)
        if target is not _SLICE_NAME or not isinstance(arguments, tuple) or len(arguments) != 3:
            raise ValueError("it calls something")
        stack.append(_Slice(*arguments))
    else:
        raise ValueError(f"it uses {name}, which a mapping of slices does not need")


def _number(argument: object) -> int:
    if not isinstance(argument, int):
        raise ValueError("it names a place that is not a number")  # noqa: TRY004 - as above
    return argument


def _class_named(name: object) -> _SliceName:
    if name not in _NAMES_OF_SLICE:
        raise ValueError(f"it names {name!r}; only slice is allowed")
    return _SLICE_NAME


def _pop(stack: list[Any]) -> Any:
    value = stack.pop()
    if value is _MARK:
        raise ValueError("a group is cut in two")
    return value


def _since_mark(stack: list[Any]) -> list[Any]:
    items: list[Any] = []
    while (value := stack.pop()) is not _MARK:
        items.append(value)
    return items[::-1]


def _pairs(items: list[Any] | tuple[Any, ...]) -> Mapping[Any, Any]:
    if len(items) % 2:
        raise ValueError("a mapping entry has no value")
    return dict(zip(items[::2], items[1::2], strict=True))


def _target(stack: list[Any]) -> dict[Any, Any]:
    target = stack[-1]
    if not isinstance(target, dict):
        raise ValueError("an entry is set in something that is not a mapping")  # noqa: TRY004 - as above
    return target
