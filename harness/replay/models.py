"""Which files make up a model, and by which names a replay knows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import ConfigError
from harness.replay.panda.spec import find_kernel
from harness.replay.selfdrive.rules import find_rules

VISION, POLICY = "driving_vision.onnx", "driving_policy.onnx"
SUPERCOMBO, DRIVER_MONITORING = "driving_supercombo.onnx", "dmonitoring_model.onnx"
SPEC = "interface.yaml"
# Beside a policy alone: a trace whose vision features that policy is to follow.
FEATURES_TRACE = "features.trace"

_SINGLE_FILES: Mapping[str, tuple[str, ...]] = {
    "driving_model": (SUPERCOMBO, "supercombo.onnx"),
    "driver_monitoring": (DRIVER_MONITORING,),
}


def find_model(path: Path, replayer: str) -> tuple[tuple[str, Path], ...]:
    """The named files of a model: of a folder with one model in it, or of a single ONNX file; a kernel's of its YAML.

    A description of the interface lies beside the files as `interface.yaml`, or beside a single file `x.onnx` as
    `x.interface.yaml`. ConfigError when there is no model for this replayer.
    """
    if replayer == "panda_safety":
        return find_kernel(path)
    if replayer == "selfdrive_state":
        return find_rules(path)
    if replayer not in _SINGLE_FILES:
        raise ConfigError(
            f"no replayer is called {replayer!r}", where=str(path), remedy=f"one of {', '.join(_SINGLE_FILES)}"
        )
    if path.is_file():
        return _single_file(path, replayer)
    if not path.is_dir():
        raise ConfigError("there is no such model", where=str(path), remedy="name a folder or an .onnx file")
    whole: list[tuple[str, ...]] = [(name,) for name in _SINGLE_FILES[replayer] if (path / name).is_file()]
    if replayer == "driving_model" and (path / VISION).is_file() and (path / POLICY).is_file():
        whole.append((VISION, POLICY))
    if len(whole) > 1:  # which of them is on trial must not be a guess
        raise ConfigError(
            f"more than one model: {'; '.join(' with '.join(names) for names in whole)}",
            where=str(path),
            remedy="keep each in a folder of its own, or name one .onnx file",
        )
    names = whole[0] if whole else ()
    if not names:
        return _only_file(path, replayer)
    files = [(name, path / name) for name in names]
    if (path / SPEC).is_file():
        files.append((SPEC, path / SPEC))
    return tuple(files)


def _only_file(folder: Path, replayer: str) -> tuple[tuple[str, Path], ...]:
    """The one ONNX file of a folder, whatever it is called."""
    found = sorted(folder.glob("*.onnx"))
    wanted = f"{VISION} and {POLICY}, or " if replayer == "driving_model" else ""
    if len(found) != 1 or found[0].name in {VISION, POLICY}:
        listed = ", ".join(file.name for file in found) or "no .onnx file"
        raise ConfigError(
            f"not a model for {replayer}: there is {listed}",
            where=str(folder),
            remedy=f"put in {wanted}{_SINGLE_FILES[replayer][0]}, or name one .onnx file",
        )
    files = _single_file(found[0], replayer)
    if len(files) == 1 and (folder / SPEC).is_file():
        return (*files, (SPEC, folder / SPEC))
    return files


def _single_file(path: Path, replayer: str) -> tuple[tuple[str, Path], ...]:
    if path.suffix != ".onnx":
        raise ConfigError("not an .onnx file", where=str(path), remedy="name a folder or an .onnx file")
    files = [(_SINGLE_FILES[replayer][0], path)]
    spec = path.with_name(f"{path.stem}.{SPEC}")
    if spec.is_file():
        files.append((SPEC, spec))
    return tuple(files)
