"""closet routes: what recordings there are, and bringing new ones in."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.corpus import coverage_routes, find_routes, index_routes
from harness.cli.options import echo_json, json_option
from harness.errors import ConfigError
from harness.recording.importing import detect_source, import_recordings
from harness.recording.layout import Recording, find_recordings
from harness.recording.loginfo import describe_log
from harness.recording.video import open_video

_CAMERAS = ("fcamera", "ecamera", "dcamera")


@click.group(short_help="List, import, describe, index and find recordings.")
def routes() -> None:
    """Recordings on disk: list, import, describe, index and find."""


for command in (index_routes, find_routes, coverage_routes):
    routes.add_command(command)


@routes.command("ls", epilog="\b\nExample:\n  closet routes ls /data/drives --json")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def list_routes(folder: Path, as_json: bool) -> None:
    """The segments below FOLDER in any known layout, and which files each has."""
    if not folder.is_dir():
        raise ConfigError("is not a folder", where=str(folder), remedy="name the folder that holds the recordings")
    found = find_recordings(folder)
    if as_json:
        echo_json(
            [
                {
                    "segment": str(entry.segment),
                    "files": {stem: str(path) for stem, path in sorted(entry.files.items())},
                    "bytes": _bytes(entry),
                }
                for entry in found
            ]
        )
        return
    for entry in found:
        click.echo(f"{entry.segment}  {_bytes(entry) / 1e6:7.1f} MB  {' '.join(sorted(entry.files))}")
    click.echo(f"{len(found)} segments of {len({entry.segment.route for entry in found})} routes")


@routes.command("import", epilog="\b\nExample:\n  closet routes import comma2k19/Chunk_1 --to routes")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--to", "to", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where the recordings go."
)
@click.option(
    "--as",
    "camera",
    type=click.Choice(_CAMERAS),
    default="fcamera",
    show_default=True,
    help="Which camera a bare video is.",
)
@json_option
def import_routes(source: Path, to: Path, camera: str, as_json: bool) -> None:
    """Bring recordings in from SOURCE: a comma2k19 folder, openpilot segments in any layout, or a bare video.

    What SOURCE is, is found out. Each segment is written whole or not at all; importing the same again changes
    nothing.
    """
    click.echo(f"{source}: {detect_source(source)}", err=True)
    imported = import_recordings(source, to, camera=camera, progress=lambda text: click.echo(text, err=True))
    if as_json:
        echo_json(
            [
                {"segment": str(entry.segment), "folder": str(entry.folder), "notes": list(entry.notes)}
                for entry in imported
            ]
        )
        return
    for entry in imported:
        click.echo(f"{entry.segment}  {entry.folder}")
        for note in entry.notes:
            click.echo(f"  {note}")


@routes.command("info", epilog="\b\nExample:\n  closet routes info routes/0123456789abcdef_2026-01-02--03-04-05--0")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def describe_routes(folder: Path, as_json: bool) -> None:
    """What each segment in FOLDER holds: seconds, car, openpilot version, cameras with their frames."""
    found = find_recordings(folder)
    if not found:
        raise ConfigError("no recording in it", where=str(folder), remedy="closet routes ls DIR lists recordings")
    described = [_describe(entry) for entry in found]
    if as_json:
        echo_json(described)
        return
    for row in described:
        click.echo(str(row["segment"]))
        for name, value in row.items():
            if isinstance(value, dict):
                brief = {key: inner for key, inner in value.items() if not isinstance(inner, dict | list)}
                click.echo(f"  {name:<8} " + " · ".join(f"{key} {inner}" for key, inner in brief.items()))


def _describe(entry: Recording) -> dict[str, object]:
    row: dict[str, object] = {"segment": str(entry.segment)}
    log_path = entry.files.get("rlog") or entry.files.get("qlog")
    if log_path is not None:
        row["log"] = describe_log(log_path)
    for stem in _CAMERAS:
        if stem in entry.files:
            video = open_video(entry.files[stem])
            row[stem] = {"width": video.width, "height": video.height, "frames": video.frame_count}
    return row


def _bytes(entry: Recording) -> int:
    return sum(path.stat().st_size for path in entry.files.values())
