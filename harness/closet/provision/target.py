"""A Python on a device, as far as it decides which wheels fit it."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_PYTHON = (3, 11)
BELOW_PYTHON = (3, 13)  # opendbc has no release for newer ones
_MACHINES = {"aarch64": 17, "x86_64": 5}  # the oldest glibc 2.x that wheels are made for (PEP 599, PEP 600)
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True)
class Target:
    """`python` is (major, minor, micro), `glibc` (major, minor)."""

    python: tuple[int, int, int]
    machine: str
    glibc: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.tag} {self.machine} glibc {self.glibc[0]}.{self.glibc[1]}"

    @property
    def tag(self) -> str:
        """Interpreter and ABI in one: `cp312`."""
        return f"cp{self.python[0]}{self.python[1]}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Every platform whose wheels run there, the newest first."""
        names = []
        for minor in range(self.glibc[1], _MACHINES[self.machine] - 1, -1):
            names.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _OLD_NAMES:
                names.append(f"{_OLD_NAMES[minor]}_{self.machine}")
        return (*names, f"linux_{self.machine}")


def unsuitable(
    implementation: str,
    python: tuple[int, int, int],
    machine: str,
    glibc: tuple[int, int] | None,
    *,
    is_64_bit: bool,
    free_threaded: bool,
) -> str:
    """Why no environment can be made from such a Python; empty when one can."""
    version = ".".join(map(str, python))
    if implementation != "cpython":
        return f"it is {implementation}, not CPython"
    if python < LEAST_PYTHON or python >= BELOW_PYTHON:
        least, below = ".".join(map(str, LEAST_PYTHON)), ".".join(map(str, BELOW_PYTHON))
        return f"Python {version} is not at least {least} and below {below}"
    if free_threaded:
        return "it is a free-threaded build"
    if machine not in _MACHINES or not is_64_bit:
        return f"there are no wheels for {machine}{'' if is_64_bit else ' with 32 bits'}"
    if glibc is None:
        return "its C library is not glibc"
    if glibc[0] != 2 or glibc[1] < _MACHINES[machine]:
        return f"there are no wheels for glibc {glibc[0]}.{glibc[1]}"
    return ""
