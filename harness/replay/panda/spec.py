"""Which safety kernel: kernel.yaml, the headers it names, and the changes it makes to them.

    format: 1
    opendbc: installed            # or a folder that holds the package: another environment's site-packages
    headers: ../my-opendbc        # instead: a folder with opendbc/safety/safety.h
    overrides:                    # textual changes, each of which must fit exactly one place
      - {file: modes/toyota.h, find: ".max_torque = 1500", replace: ".max_torque = 750"}
    prebuilt: {x86_64: <sha256>}  # kernel-x86_64.so beside this file; other machines compile

The headers become files of the model, so a device needs no opendbc and the job's id knows every byte of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from harness.errors import ConfigError
from harness.files import file_sha256

SPEC_NAME = "kernel.yaml"
HEADERS_PREFIX = "headers/"
SAFETY_FOLDER = "opendbc/safety"
INSTALLED = "installed"

_FORMAT = 1
_KEYS = {"format", "opendbc", "headers", "overrides", "prebuilt"}
_MAX_HEADER_BYTES = 4 << 20
_PREBUILT = re.compile(r"kernel-[A-Za-z0-9_]+\.so")
_REMEDY = "a kernel.yaml is `format: 1` and `opendbc: installed`, or `headers: FOLDER`"


@dataclass(frozen=True, slots=True)
class Override:
    """One textual change: `find` stands exactly once in `file` (a path below opendbc/safety)."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """What kernel.yaml says. `opendbc` or `headers` is set, not both; `prebuilt` maps machines to digests."""

    opendbc: str = INSTALLED
    headers: str = ""
    overrides: tuple[Override, ...] = ()
    prebuilt: tuple[tuple[str, str], ...] = ()


def load_spec(path: Path) -> KernelSpec:
    """Read a kernel.yaml; ConfigError with every mistake in it."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(path), remedy=_REMEDY) from error
    return parse_spec(text, where=str(path))


def parse_spec(text: str, *, where: str) -> KernelSpec:
    """Read the text of a kernel.yaml."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {error}", where=where, remedy=_REMEDY) from error
    if not isinstance(value, dict):
        raise ConfigError("it must be a mapping", where=where, remedy=_REMEDY)
    mistakes = [f"unknown key {key!r}" for key in sorted(map(str, set(value) - _KEYS))]
    if value.get("format") != _FORMAT:
        mistakes.append(f"format must be {_FORMAT}, not {value.get('format')!r}")
    if ("opendbc" in value) == ("headers" in value):
        mistakes.append("one of opendbc and headers must be named, not both")
    mistakes += [
        f"{key} must be a folder"
        for key in ("opendbc", "headers")
        if key in value and (not isinstance(value[key], str) or not value[key])
    ]
    overrides = tuple(
        _parse_override(entry, i, mistakes) for i, entry in enumerate(_list(value, "overrides", mistakes))
    )
    prebuilt = value.get("prebuilt") or {}
    if not isinstance(prebuilt, dict) or not all(
        isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest) for digest in prebuilt.values()
    ):
        mistakes.append("prebuilt must map machines, as in x86_64, to the sha256 of kernel-<machine>.so")
        prebuilt = {}
    if mistakes:
        raise ConfigError("; ".join(mistakes), where=where, remedy=_REMEDY)
    return KernelSpec(
        value.get("opendbc", ""),
        value.get("headers", ""),
        overrides,
        tuple(sorted((str(machine), digest) for machine, digest in prebuilt.items())),
    )


def find_kernel(path: Path) -> tuple[tuple[str, Path], ...]:
    """The named files of a kernel: of a kernel.yaml, the folder it is in, or a folder of headers without one."""
    spec_path = path / SPEC_NAME if path.is_dir() else path
    if spec_path.is_file() and spec_path.suffix in {".yaml", ".yml"}:
        spec = load_spec(spec_path)
        files = [(SPEC_NAME, spec_path)]
        for machine, digest in spec.prebuilt:
            files.append((prebuilt_name(machine), _checked_prebuilt(spec_path.parent, machine, digest)))
        root = headers_root(spec, spec_path.parent)
    elif path.is_dir():
        files, root = [], _root_in(path)
    else:
        raise ConfigError("there is no such kernel", where=str(path), remedy=f"name a folder with {SPEC_NAME}")
    return (*files, *((HEADERS_PREFIX + name, header) for name, header in list_headers(root)))


def headers_root(spec: KernelSpec, folder: Path) -> Path:
    """The folder that holds opendbc/safety; `folder` is where kernel.yaml lies."""
    if spec.headers:
        return _root_in(folder / spec.headers)
    if spec.opendbc != INSTALLED:
        return _root_in(folder / spec.opendbc)
    found = find_spec("opendbc")
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        raise ConfigError(
            "the package opendbc is not installed here", where=SPEC_NAME, remedy="python -m pip install opendbc==0.3.1"
        )
    return _root_in(Path(places[0]))


def list_headers(root: Path) -> tuple[tuple[str, Path], ...]:
    """(path below `root`, file) of every header of the kernel, sorted; those of opendbc's own tests are left out."""
    folder = root / SAFETY_FOLDER
    files = sorted(path for path in folder.rglob("*.h") if "tests" not in path.relative_to(folder).parts)
    return tuple((path.relative_to(root).as_posix(), path) for path in files)


def read_headers(model: Mapping[str, Path], spec: KernelSpec) -> dict[str, bytes]:
    """The headers by path below the include folder, changes made: of the model's files, else as the spec says."""
    named = {name.removeprefix(HEADERS_PREFIX): path for name, path in model.items() if name.startswith(HEADERS_PREFIX)}
    if not named:
        folder = model[SPEC_NAME].parent if SPEC_NAME in model else Path()
        named = dict(list_headers(headers_root(spec, folder)))
    headers: dict[str, bytes] = {}
    for name, path in sorted(named.items()):
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or not name.startswith(f"{SAFETY_FOLDER}/"):
            raise ConfigError(f"{name} is no header of the kernel", where=SPEC_NAME, remedy=_REMEDY)
        content = path.read_bytes()
        if len(content) > _MAX_HEADER_BYTES:
            raise ConfigError(f"{name} has {len(content)} bytes", where=SPEC_NAME, remedy="is this a header?")
        headers[name] = content
    for change in spec.overrides:
        _apply(change, headers)
    return headers


def prebuilt_name(machine: str) -> str:
    """The file a kernel for this machine is shipped as."""
    return f"kernel-{machine}.so"


def _apply(change: Override, headers: dict[str, bytes]) -> None:
    name = f"{SAFETY_FOLDER}/{change.file}"
    if name not in headers:
        raise ConfigError(f"there is no header {change.file}", where=SPEC_NAME, remedy="paths are below opendbc/safety")
    count = headers[name].count(change.find.encode())
    if count != 1:
        raise ConfigError(
            f"{change.find!r} stands {count} times in {change.file}, an override needs exactly one place",
            where=SPEC_NAME,
            remedy="quote more of the line" if count else "the header is of another version: quote it as it stands",
        )
    headers[name] = headers[name].replace(change.find.encode(), change.replace.encode())


def _root_in(folder: Path) -> Path:
    """The include folder a person means: it, or what holds it, when they point into the package."""
    for root in (folder, folder.parent, folder.parent.parent):
        if (root / SAFETY_FOLDER / "safety.h").is_file():
            return root
    raise ConfigError(
        f"there is no {SAFETY_FOLDER}/safety.h",
        where=str(folder),
        remedy="name the folder that holds opendbc/ (opendbc 0.3.0 and newer ship the headers)",
    )


def _checked_prebuilt(folder: Path, machine: str, digest: str) -> Path:
    path = folder / prebuilt_name(machine)
    if not _PREBUILT.fullmatch(path.name) or not path.is_file():
        raise ConfigError(f"there is no {path.name}", where=str(folder), remedy="build it, or take it out of prebuilt")
    if file_sha256(path) != digest:
        raise ConfigError(
            f"{path.name} is not the file that kernel.yaml names",
            where=str(path),
            remedy="python -m harness.replay.panda KERNEL writes both anew",
        )
    return path


def _list(value: dict[str, Any], key: str, mistakes: list[str]) -> list[Any]:
    entries = value.get(key) or []
    if not isinstance(entries, list):
        mistakes.append(f"{key} must be a list")
        return []
    return entries


def _parse_override(entry: Any, i: int, mistakes: list[str]) -> Override:
    names = ("file", "find", "replace")
    if not isinstance(entry, dict) or set(entry) != set(names) or not all(isinstance(entry[n], str) for n in names):
        mistakes.append(f"overrides[{i}] must be a mapping of the texts {', '.join(names)}")
        return Override("", "", "")
    return Override(entry["file"], entry["find"], entry["replace"])
