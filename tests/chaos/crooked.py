"""A Python of a worker's own, that does what it is told besides what it is asked: for faults inside a worker."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from pathlib import Path

from tests.chaos.clock import fake_clock, jump

HOOK = Path(__file__).with_name("hook.py")


class CrookedPython:
    """An environment below `folder` with this one's packages, and `tests/chaos/hook.py` run at every start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.executable = folder / "bin" / "python3"
        self._tokens = folder / "tokens"
        self._clock = folder / "clock"
        site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        for made in (site, self.executable.parent, self._tokens):
            made.mkdir(parents=True, exist_ok=True)
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        if not self.executable.is_symlink():
            self.executable.symlink_to(base)
        shutil.copy(HOOK, site / "closet_chaos_hook.py")
        (site / "chaos.pth").write_text(f"{sysconfig.get_path('purelib')}\nimport closet_chaos_hook\n")
        self.behave()

    def behave(self) -> None:
        """As any other Python."""
        (self.folder / "chaos.json").unlink(missing_ok=True)
        for token in self._tokens.iterdir():
            token.unlink()

    def misbehave(self, seed: int, *, twice: bool, late_s: float, jumps: bool, tokens: tuple[str, ...]) -> None:
        """From the next start on. `tokens`: one for each job that shall be "deaf", "fork", "hang" or "die"."""
        wanted = {"seed": seed, "twice": twice, "late_s": late_s, "clock": fake_clock(self._clock) if jumps else {}}
        (self.folder / "chaos.json").write_text(json.dumps(wanted))
        for number, name in enumerate(tokens):
            (self._tokens / f"{number}-{name}").touch()

    def unused(self) -> list[str]:
        """The tokens that no job has taken, by what it would have done."""
        return [token.name.split("-")[1] for token in self._tokens.iterdir()]

    def jump(self, seconds: float) -> None:
        """The agent's clock is that much off from now on."""
        jump(self._clock, seconds)
