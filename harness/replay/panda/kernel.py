"""A safety kernel as a shared library: opendbc's headers and our shim, compiled once for its bytes and its compiler."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from harness.domain import json_digest
from harness.errors import DataError, DeviceError, DeviceUnhealthyError
from harness.files import atomic_writer, file_sha256
from harness.replay.panda.spec import SPEC_NAME, KernelSpec, load_spec, prebuilt_name, read_headers

CACHE_NAME = "kernels"

_HERE = Path(__file__).parent
_SHIM = "shim.c"
_OURS = "include"
# Overflow and floating point are told to mean the same everywhere; the C library is the one of the process.
_FLAGS = (
    *("-std=gnu11", "-O2", "-fPIC", "-shared", "-nostdlib", "-fvisibility=hidden"),
    *("-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off"),
    *("-Werror=implicit-function-declaration", "-Werror=incompatible-pointer-types", "-Werror=int-conversion"),
    "-DALLOW_DEBUG",  # all modes the headers know, as opendbc's own replay has them
)
_PLAIN = "-DCLOSET_PLAIN"
_COMPILERS = ("cc", "gcc", "clang")
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class KernelSources:
    """All that a kernel is compiled from, by path below the include folder. `digest` is of every byte and the flags."""

    headers: Mapping[str, bytes]
    digest: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled kernel. `compiler` says who made it; empty when it came with the model."""

    path: Path
    sources: KernelSources
    compiler: str


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler: how to call it, and what it calls itself."""

    command: tuple[str, ...]
    identity: str


def load_sources(model: Mapping[str, Path]) -> tuple[KernelSpec, KernelSources]:
    """The sources a model names. A model without kernel.yaml is a set of headers as they are."""
    spec = load_spec(model[SPEC_NAME]) if SPEC_NAME in model else KernelSpec()
    headers = read_headers(model, spec)
    contents = {name: sha256(content).hexdigest() for name, content in headers.items()}
    ours = {path.relative_to(_HERE).as_posix(): file_sha256(path) for path in _our_sources()}
    return spec, KernelSources(headers, json_digest({"headers": contents, "ours": ours, "flags": _FLAGS}))


def provide_kernel(model: Mapping[str, Path], cache_folder: Path) -> Kernel:
    """The kernel a model names: its prebuilt file for this machine, what was compiled before, or compiled now."""
    spec, sources = load_sources(model)
    name = prebuilt_name(platform.machine())
    digest = dict(spec.prebuilt).get(platform.machine())
    if digest is not None and name in model:
        if file_sha256(model[name]) != digest:
            raise DataError(f"{name} is not the file that kernel.yaml names", where=name, remedy="build it again")
        return Kernel(model[name], sources, "")
    compiler = find_compiler()
    key = json_digest([sources.digest, compiler.identity, platform.machine()])
    path = cache_folder / CACHE_NAME / f"{key}.so"
    if not path.is_file():
        compile_kernel(sources, compiler, path)
    return Kernel(path, sources, compiler.identity)


def find_compiler() -> Compiler:
    """The compiler that CC names, else the machine's own. DeviceUnhealthyError when there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    wanted = [tuple(named)] if named else [(name,) for name in _COMPILERS]
    for command in wanted:
        found = shutil.which(command[0])
        if found is not None:
            return Compiler((found, *command[1:]), _identity((found, *command[1:])))
    listed = f"CC names {named[0]}" if named else f"none of {', '.join(_COMPILERS)} is"
    raise DeviceUnhealthyError(
        f"no C compiler: {listed}{', which is not there' if named else ' on the PATH'}; "
        "the safety kernel is compiled at first use",
        where="panda_safety",
        remedy="install one (apt-get install gcc libc6-dev), set CC, or ship kernel-"
        f"{platform.machine()}.so with the model (python -m harness.replay.panda KERNEL makes it)",
    )


def compile_kernel(sources: KernelSources, compiler: Compiler, path: Path) -> None:
    """Compile to `path`, whole or not at all. DataError with the compiler's first complaint."""
    with tempfile.TemporaryDirectory(prefix="closet-kernel-") as name:
        folder = Path(name)
        for header, content in sources.headers.items():
            place = folder / "headers" / header
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        made = folder / "kernel.so"
        complaint = _call(compiler, sources, folder, made, ())
        if complaint:
            # Headers of another form than the watches know still replay; only the explanations are coarser.
            complaint = _call(compiler, sources, folder, made, (_PLAIN,)) and complaint
        if complaint:
            raise DataError(
                f"the safety kernel does not compile: {complaint}",
                where=SPEC_NAME,
                remedy="the headers must be a whole opendbc/safety of 0.3.0 or newer; mind the overrides",
            )
        try:
            with atomic_writer(path) as stream:
                stream.write(made.read_bytes())
        except OSError as error:
            raise DeviceError(
                f"the compiled kernel cannot be kept: {error.strerror}", where=str(path.parent), remedy="make room"
            ) from error


def _call(compiler: Compiler, sources: KernelSources, folder: Path, made: Path, extra: tuple[str, ...]) -> str:
    """Compile; the first complaint, empty when it went well."""
    command = [
        *compiler.command, *_FLAGS, *extra, f'-DCLOSET_SOURCES="{sources.digest}"',
        "-I", str(_HERE / _OURS), "-I", str(folder / "headers"), str(_HERE / _SHIM), "-o", str(made),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False, cwd=folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceUnhealthyError(
            f"the C compiler cannot be run: {error}", where=compiler.command[0], remedy="repair it, or set CC"
        ) from error
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="replace").replace(f"{folder}/headers/", "").splitlines()
    return next((line for line in lines if "error:" in line), lines[0] if lines else f"exit code {done.returncode}")


@cache
def _identity(command: tuple[str, ...]) -> str:
    """What a compiler says of itself, on one line."""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, timeout=30.0, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceUnhealthyError(
            f"the C compiler cannot be run: {error}", where=command[0], remedy="repair it, or set CC"
        ) from error
    said = done.stdout.decode(errors="replace").splitlines()
    return " ".join((Path(command[0]).name, *command[1:], said[0] if said else "of unknown version"))


def _our_sources() -> list[Path]:
    return sorted([_HERE / _SHIM, *(path for path in (_HERE / _OURS).rglob("*.h"))])
