"""A closet to give commands to: its own home, a suite over the tiny demo, one emulated worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.make import Demo
from harness.cli import main

SUITE = """\
suite: tiny
routes: [{routes}]
replayers:
  driving_model:
    options: {{frames: {frames}}}
    checks:
      pictures: {{channels: [pictures.*, vEgo, frameDropPerc]}}
      action: {{channels: [action.*]}}
      plan: {{channels: [position.*, velocity.*, acceleration.*, orientation.*, orientationRate.*]}}
      meta: {{channels: [meta.*]}}
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A person's desk: the folder they stand in, and the commands they give there."""

    folder: Path
    demo: Demo
    suite: Path
    capture: pytest.CaptureFixture[str]

    def closet(self, *arguments: object) -> tuple[int, str, str]:
        """Give a command; returns exit code, standard output and standard error."""
        self.capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self.capture.readouterr()
        return code, out, err

    def model(self, name: str) -> Path:
        """A model of the demo."""
        return self.demo.models[name]


@pytest.fixture
def desk(tmp_path: Path, tiny_demo: Demo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOSET_HOME", raising=False)
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.format(routes=tiny_demo.routes_folder, frames=80))
    # One, where a closet without this file would start two: each costs half a second before it does anything.
    (tmp_path / "devices.yaml").write_text("devices: {emulated: 1}\n")
    return Desk(tmp_path, tiny_demo, suite, capsys)
