"""The suites of a session: which files are ours, what was asked for beside them, and their plans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.cli.options import make_request, shown_path
from harness.pipeline import prepare
from harness.pipeline.prepare import Prepared
from harness.pipeline.request import Request
from harness.pipeline.runs import closet_home
from harness.store import Store

_SUFFIXES = (".yaml", ".yml")
_SUITE_KEY = re.compile(rb"^suite\s*:", re.MULTILINE)
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite with its whole plan, before anything is selected of it."""

    path: Path
    request: Request
    prepared: Prepared


class Suites:
    """The suites that a session has met, each prepared once. Errors are those of `prepare`."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._loaded: dict[Path, LoadedSuite] = {}
        self.home = closet_home()
        self.store = Store(self.home)

    def load(self, path: Path) -> LoadedSuite:
        """A suite with its plan; nothing is leased or replayed."""
        path = path.absolute()
        if path not in self._loaded:
            request = self._request(path)
            self._loaded[path] = LoadedSuite(path, request, prepare(request, self.store))
        return self._loaded[path]

    def named(self) -> list[Path]:
        """The suites named as files on the command line, once each."""
        files = (self._config.invocation_params.dir / argument.partition("::")[0] for argument in self._config.args)
        return list(dict.fromkeys(path for path in files if path.suffix in _SUFFIXES and path.is_file()))

    def _request(self, path: Path) -> Request:
        asked = self._config.option
        devices = self._config.invocation_params.dir / asked.closet
        request = make_request(
            path,
            tuple(asked.candidate),
            tuple(asked.baseline),
            devices,
            (),
            _as_command(path, devices, asked.candidate, asked.baseline, asked.intent, asked.branch),
            asked.branch,
            intents=tuple(Path(intent) for intent in asked.intent),
        )
        return replace(request, fresh=asked.fresh, confirm=False if asked.no_confirm else None)


def looks_like_suite(path: Path) -> bool:
    """Whether a YAML file that was not named itself says `suite:`. Those that do not are somebody else's."""
    if path.suffix not in _SUFFIXES:
        return False
    with path.open("rb") as stream:
        return _SUITE_KEY.search(stream.read(_HEAD_BYTES)) is not None


def _as_command(
    suite: Path,
    devices: Path,
    candidate: Sequence[str],
    baseline: Sequence[str],
    intents: Sequence[str],
    branch: str,
) -> tuple[str, ...]:
    """The `closet run` that does the same, for what the reports say of doing it again."""
    words = ["closet", "run", shown_path(suite), "--devices", shown_path(devices)]
    for option, values in (("--baseline", baseline), ("--candidate", candidate), ("--intent", intents)):
        words += [word for value in values for word in (option, value)]
    return (*words, *(("--branch", branch) if branch else ()))
