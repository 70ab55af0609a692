"""The commands that keep a device ready: one line of JSON in, lines of progress out, and one last word."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.closet.agent.environment import build, verify
from harness.closet.agent.prelude import device_root, refuse_onroad
from harness.closet.agent.refusal import Refused, described
from harness.closet.agent.removal import remove


def _build(root: Path, spec: dict[str, Any]) -> dict[str, Any]:
    def step(value: dict[str, Any]) -> None:
        refuse_onroad(device_root())
        _say(value)

    build(root, spec, step)
    return {}


def _verify(root: Path, spec: dict[str, Any]) -> dict[str, Any]:
    verify(root, spec["imports"])
    return {}


def _remove(root: Path, spec: dict[str, Any]) -> dict[str, Any]:
    del spec
    return remove(root)


COMMANDS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
    "build": _build,
    "verify": _verify,
    "remove": _remove,
}


def answer(root: Path, what: str) -> None:
    """Do one of `COMMANDS` and say how it went."""
    try:
        spec = json.loads(sys.stdin.readline())
        refuse_onroad(device_root())
        _say({"done": COMMANDS[what](root, spec)})
    except BrokenPipeError:
        raise SystemExit(1) from None  # whoever asked is gone
    except (OSError, Refused, ValueError, KeyError, subprocess.SubprocessError) as error:
        _say({"error": described(error, root)})


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
