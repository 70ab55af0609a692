"""The ordered list that a bisection walks: folders of models, or commits of a repository that has models in it."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError

ORDER_FILE = "order.txt"
_DEADLINE_S = 300.0
_LFS = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Version:
    """One of the list. `path` brings its model here and says where it is."""

    name: str
    title: str
    path: Callable[[], Path]


def versions_in_folder(folder: Path, good: str, bad: str) -> tuple[Version, ...]:
    """The models of a folder from `good` to `bad`: in the order of its order.txt (a name a line), else by name.

    Numbers within names count as numbers: v9 comes before v10.
    """
    if not folder.is_dir():
        raise ConfigError(f"no folder {folder}", where="--models", remedy="name a folder of models")
    listed = folder / ORDER_FILE
    if listed.is_file():
        names = [line.strip() for line in listed.read_text().splitlines() if line.strip()]
        if missing := [name for name in names if not (folder / name).exists()]:
            raise ConfigError(f"{missing[0]} is not there", where=str(listed), remedy="list what is in the folder")
    else:
        names = sorted((path.name for path in folder.iterdir() if not path.name.startswith(".")), key=_natural)
    chosen = _between(names, good, bad, str(folder))
    return tuple(Version(name, "", _found(folder / name)) for name in chosen)


def versions_in_repository(repository: Path, path: str, good: str, bad: str, scratch: Path) -> tuple[Version, ...]:
    """The commits from `good` to `bad` (first parents) that change `path`, and both ends; models go to `scratch`."""
    first, last = (
        _git(repository, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip() for ref in (good, bad)
    )
    if _git(repository, "merge-base", first, last).strip() != first:
        raise ConfigError(f"{good} is no ancestor of {bad}", where=str(repository), remedy="name an older one")
    between = _git(
        repository, "log", "--first-parent", "--reverse", "--format=%H %s", f"{first}..{last}", "--", path
    ).splitlines()
    commits = [first, *(line.partition(" ")[0] for line in between)]
    if commits[-1] != last:
        commits.append(last)
    titles = {commit: title for commit, _, title in (line.partition(" ") for line in between)}
    return tuple(
        Version(commit[:12], titles.get(commit, ""), _extracted(repository, commit, path, scratch))
        for commit in commits
    )


def _between(names: list[str], good: str, bad: str, where: str) -> list[str]:
    for ref in (good, bad):
        if ref not in names:
            raise ConfigError(f"no model {ref}", where=where, remedy=f"there are: {', '.join(names[:20])}")
    first, last = names.index(good), names.index(bad)
    if first >= last:
        raise ConfigError(
            f"{good} does not come before {bad}", where=where, remedy=f"give the order in {ORDER_FILE}, a name a line"
        )
    return names[first : last + 1]


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _found(path: Path) -> Callable[[], Path]:
    return lambda: path


def _extracted(repository: Path, commit: str, path: str, scratch: Path) -> Callable[[], Path]:
    def extract() -> Path:
        target = scratch / commit[:12]
        if not target.is_dir():
            scratch.mkdir(parents=True, exist_ok=True)
            archive = scratch / f"{commit[:12]}.tar"
            _git(repository, "archive", "--format=tar", f"--output={archive}", commit, "--", path)
            with tarfile.open(archive) as members:
                # Pythons before 3.11.4 have no filters; what git archives is the user's own.
                members.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
                members.extractall(target)  # noqa: S202
            archive.unlink()
        for file in (target / path).rglob("*") if (target / path).is_dir() else [target / path]:
            if file.is_file() and _begins_with(file, _LFS):
                raise ConfigError(
                    f"{file.name} is a Git LFS pointer in {commit[:12]}",
                    where=f"{repository}: {path}",
                    remedy="fetch the objects and extract the models to folders: --models DIR bisects those",
                )
        return target / path

    return extract


def _begins_with(path: Path, content: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(content)) == content


def _git(repository: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, timeout=_DEADLINE_S, check=False
        )
    except FileNotFoundError as error:
        raise ConfigError("git is not installed", where="--repo", remedy="install git") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError("git did not answer", where=str(repository), remedy="does it ask for something?") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(
            f"git {arguments[0]} failed: {said[-1] if said else f'exit {done.returncode}'}",
            where=str(repository),
            remedy="see whether the commits and the path are there",
        )
    return done.stdout.decode(errors="replace")
