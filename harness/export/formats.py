"""The formats there are, and the one way into each."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import ModuleType

from harness.errors import ConfigError
from harness.export.segment import Segment
from harness.files import atomic_writer

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""


class ExportFormat(StrEnum):
    """A format, by the suffix of its files."""

    MCAP = "mcap"
    RERUN = "rrd"
    PARQUET = "parquet"


# The module that writes it, what it must be able to import, and the extra that brings that.
FORMATS = {
    ExportFormat.MCAP: ("mcap_file", ("mcap", "mcap_protobuf", "foxglove_schemas_protobuf"), "mcap"),
    ExportFormat.RERUN: ("rerun_file", ("rerun",), "rerun"),
    ExportFormat.PARQUET: ("parquet_file", ("pyarrow",), "parquet"),
}


def export_segment(segment: Segment, kind: ExportFormat, path: Path, progress: Progress) -> None:
    """Write a segment to `path`, whole or not at all. ConfigError where the library for it is not installed."""
    writer = load_writer(kind)
    with atomic_writer(path) as stream:
        writer.write(segment, stream, progress)


def load_writer(kind: ExportFormat) -> ModuleType:
    """The module that writes a format; ConfigError naming the extra where a library is missing."""
    name, libraries, extra = FORMATS[kind]
    for library in libraries:
        try:
            import_module(library)
        except ImportError as error:
            raise ConfigError(
                f"no library for {kind} files: {error}",
                where=f"--format {kind}",
                remedy=f"pip install 'testing-closet[{extra}]'",
            ) from error
    return import_module(f"harness.export.{name}")
