"""What executes a replay: the key under which results may be demanded equal, cores to use, memory used."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from harness.domain import RuntimeChoice
from harness.errors import ConfigError

# The widest of these that a processor has decides which kernels run, and so the last bits of a result.
_X86_LEVELS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "avx", "sse4_2")
_ARM_LEVELS = ("i8mm", "bf16", "asimdhp", "asimddp", "asimd")


_DEFAULT = RuntimeChoice()
_CPU = "provider=cpu"
_chosen = _DEFAULT


def choose(choice: RuntimeChoice) -> None:
    """From here on models are executed so in this process, which replays one job."""
    global _chosen  # noqa: PLW0603 a process has one runtime, as it has one onnxruntime
    _chosen = choice


def chosen() -> RuntimeChoice:
    """What models are executed by."""
    return _chosen


def runtime_key(choice: RuntimeChoice | None = None) -> str:
    """Library versions and instruction set: traces of one key are demanded equal, of two keys only close."""
    return named(_machine_key(), choice or _chosen)


def named(key: str, choice: RuntimeChoice) -> str:
    """A key of the runtime that nobody chose anything of, as that of a choice."""
    if choice.provider != _DEFAULT.provider:
        provider = f"provider={choice.provider.removesuffix('ExecutionProvider').lower()}"
        key = key.replace(_CPU, provider) if _CPU in key else f"{key} {provider}"
    return key if choice.threads == _DEFAULT.threads else f"{key} threads={choice.threads}"


@cache
def _machine_key() -> str:
    libraries = " ".join(f"{name}={version(name)}" for name in ("onnxruntime", "numpy", "av"))
    return f"{libraries} {_CPU} level=all machine={platform.machine()} isa={_instruction_set()}"


def thread_count() -> int:
    """Cores to use: CLOSET_THREADS, by default all of them. Never changes a result."""
    text = os.environ.get("CLOSET_THREADS", "")
    if not text:
        return os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(
            f"CLOSET_THREADS is {text!r}", where="environment", remedy="set it to a whole number of at least 1"
        )
    return int(text)


def peak_rss_mb() -> float:
    """Most memory this process ever held, in megabytes.

    From /proc, not getrusage: the latter starts with the memory of whoever started the process.
    """
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024 / 1e6


def _instruction_set() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "unknown"
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            flags = set(value.split())
            return next((level for level in (*_X86_LEVELS, *_ARM_LEVELS) if level in flags), "base")
    return "unknown"
