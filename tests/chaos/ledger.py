"""What came of each seed with one state of the code: a line each, so that a long run that was cut off goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.chaos.nursery import ROOT

_SOURCES = ("harness", "fixtures", "tests/chaos")


def code_digest() -> str:
    """Of everything that decides what comes of a seed: the product, the recordings' makers, and this suite."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Ledger:
    """The scenarios played with one state of the code, by seed. Of a code that has changed nothing is counted."""

    def __init__(self, folder: Path, code: str) -> None:
        self.code = code
        self._path = folder / f"scenarios-{code}.jsonl"
        self.played: dict[int, dict[str, Any]] = {}
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                continue  # it was being written when its writer was killed
            self.played[told["seed"]] = told

    def add(self, seed: int, told: dict[str, Any]) -> None:
        """One more, which stays whatever happens next."""
        self.played[seed] = {**told, "seed": seed}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as stream:
            stream.write(f"\n{json.dumps(self.played[seed])}\n")  # also after half a line that a kill left
