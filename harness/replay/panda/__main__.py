"""`python -m harness.replay.panda KERNEL`: compile a kernel for machines like this one, and ship it with the model."""

from __future__ import annotations

import argparse
import platform
import re
import sys
from pathlib import Path

from harness.errors import ClosetError, ConfigError
from harness.files import file_sha256, write_text
from harness.replay.panda.kernel import compile_kernel, find_compiler, load_sources
from harness.replay.panda.spec import SPEC_NAME, find_kernel, load_spec, prebuilt_name

_PREBUILT = re.compile(r"^prebuilt:.*\n(?:[ \t]+.*\n)*", re.MULTILINE)


def main(arguments: list[str] | None = None) -> int:
    """Compile; the exit code is that of the first error."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.replay.panda",
        description="Compile a safety kernel for machines like this one and name it in its kernel.yaml.",
    )
    parser.add_argument("kernel", type=Path, metavar="KERNEL", help=f"{SPEC_NAME}, or the folder it is in")
    chosen = parser.parse_args(arguments)
    try:
        path = write_prebuilt(chosen.kernel)
    except ClosetError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(f"{path}\n")
    return 0


def write_prebuilt(path: Path) -> Path:
    """Compile the kernel of a kernel.yaml beside it, and put its digest in there."""
    spec_path = path / SPEC_NAME if path.is_dir() else path
    if not spec_path.is_file():
        raise ConfigError(
            f"there is no {SPEC_NAME}", where=str(path), remedy="write one: format: 1, opendbc: installed"
        )
    text = spec_path.read_text()
    others = {machine: digest for machine, digest in load_spec(spec_path).prebuilt if machine != platform.machine()}
    bare = _PREBUILT.sub("", text if text.endswith("\n") else f"{text}\n")
    write_text(spec_path, bare + _line(others))
    _, sources = load_sources(dict(find_kernel(spec_path)))
    library = spec_path.parent / prebuilt_name(platform.machine())
    compile_kernel(sources, find_compiler(), library)
    write_text(spec_path, bare + _line(others | {platform.machine(): file_sha256(library)}))
    return library


def _line(prebuilt: dict[str, str]) -> str:
    entries = ", ".join(f"{machine}: {digest}" for machine, digest in sorted(prebuilt.items()))
    return f"prebuilt: {{{entries}}}\n" if entries else ""


if __name__ == "__main__":
    sys.exit(main())
