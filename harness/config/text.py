"""YAML text to plain values with their lines, and those to a form: every mistake at once, with file:line."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import ConfigError, ConfigMistakesError

_MAX_BYTES = 4 << 20  # a suite is written by people; anything larger is not one
_MAX_NODES = 20_000  # aliases of aliases make a small file a large one
_MAX_DEPTH = 32
Place = tuple[str | int, ...]
_Model = TypeVar("_Model", bound=BaseModel)


def load_yaml(path: Path) -> tuple[Any, dict[Place, int], list[ConfigError]]:
    """The plain content of a YAML file, the line (from 1) of every place in it, and the mistakes of its form."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError("larger than 4 MB", where=str(path), remedy="is this the right file?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), remedy="name an existing file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", where=str(path), remedy="name a YAML file") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise ConfigError("is nested too deeply", where=str(path), remedy="name a YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            f"not YAML: {problem}", where=f"{path}:{line}", remedy="mind indentation and quotes"
        ) from error
    if node is None:
        raise ConfigError("is empty", where=str(path), remedy="see the README for an example")
    reading = _Reading(path, {}, [])
    return reading.plain(node, ()), reading.places, reading.errors


@dataclass(slots=True)
class _Reading:
    """One file becoming plain Python values: the lines of its places, and the mistakes of its form."""

    path: Path
    places: dict[Place, int]
    errors: list[ConfigError]
    nodes: int = 0

    def plain(self, node: yaml.Node, place: Place) -> Any:
        """A node as plain values."""
        self.places.setdefault(place, node.start_mark.line + 1)
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            raise ConfigError("says too much", where=str(self.path), remedy="aliases of aliases grow quickly")
        if len(place) > _MAX_DEPTH:
            self._mistake(node, "is nested too deeply")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(child, (*place, number)) for number, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._mistake(key_node, "a key must be a word", "mind brackets and question marks")
                continue
            key = self._scalar(key_node)
            inner = (*place, str(key))
            if key in mapping:
                self._mistake(key_node, f"key {key} stands twice", "keep one")
            self.places[inner] = key_node.start_mark.line + 1
            mapping[key] = self.plain(value_node, inner)
        return mapping

    def _scalar(self, node: yaml.Node) -> Any:
        """Its value; a text that looks like a date or number and is none is a mistake."""
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node, deep=True)
        except (ValueError, yaml.YAMLError) as error:
            told = getattr(error, "problem", None) or str(error)
            self._mistake(node, f"cannot be understood: {told}", "put it in quotes if it is text")
            return None
        finally:
            loader.dispose()

    def _mistake(self, node: yaml.Node, problem: str, remedy: str = "") -> None:
        self.errors.append(ConfigError(problem, where=f"{self.path}:{node.start_mark.line + 1}", remedy=remedy))


def line_of(places: dict[Place, int], place: Place) -> int:
    """The line of a place, or of the nearest thing around it."""
    while place and place not in places:
        place = place[:-1]
    return places.get(place, 1)


def validated(
    model: type[_Model], content: Any, places: dict[Place, int], mistakes: list[ConfigError], path: Path
) -> _Model:
    """`content` as `model`; otherwise everything wrong with it, together with the `mistakes` of its form."""
    found = {(0, str(mistake)): mistake for mistake in mistakes}
    valid: _Model | None = None
    try:
        valid = model.model_validate(content)
    except ValidationError as error:
        for entry in error.errors():
            line = line_of(places, entry["loc"])
            name = ".".join(str(part) for part in entry["loc"]) or "the file"
            problem = entry["msg"].removeprefix("Value error, ").replace("Input should", "should")
            if entry["type"] == "extra_forbidden":
                problem = "unknown key"
            if entry["type"] == "missing":
                problem = "is missing"
            if entry["type"] in {"model_type", "dict_type"}:
                problem = "should be a mapping (`key: value`)"
            found.setdefault((line, name), ConfigError(f"{name}: {problem}", where=f"{path}:{line}"))
    if valid is None or found:
        raise ConfigMistakesError(tuple(found[key] for key in sorted(found)))
    return valid


def folder_there(text: str) -> str:
    """A folder on a device in its one way to write it, without `//`, `.` and a last `/`: paths are compared as text.

    ValueError when it is not absolute, is `/` itself, or has `..` in it, which could lead anywhere.
    """
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not text.startswith("/") or not parts or ".." in parts:
        raise ValueError("is no folder by its full path, without `..`")
    return f"/{'/'.join(parts)}"
