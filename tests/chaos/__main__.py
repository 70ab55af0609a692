"""ci/chaos: the long form. Scenarios from seeds, and the figures of docs/reliability.md."""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.chaos import driver, runners
from tests.chaos.crowds import crowd, rivalry
from tests.chaos.faults import scenario
from tests.chaos.figures import KEPT, PARTS, Figures
from tests.chaos.ledger import Ledger, code_digest
from tests.chaos.noticing import noticing

_EXAMPLES = """\
examples:
  ci/chaos                          # everything: 1 000 scenarios, then the figures; some two hours on two cores
  ci/chaos                          # once more after it was cut off: goes on, as long as the code is the same
  ci/chaos --seed 1234              # one scenario again, with what was said
  ci/chaos --minutes 10 --parts scenarios   # a shortened go is told and written nowhere
"""


def main(words: list[str]) -> int:
    """The exit code is 0 when nothing was violated."""
    if words[:1] == ["serve"]:
        runners.serve()
        return 0
    if words[:1] == ["drive"]:
        driver.main(words[1])
        return 0
    chosen = _parse(words)
    if chosen.seed is not None and chosen.scenarios is None and chosen.minutes is None:
        return _again(chosen.seed)
    figures = Figures.load()
    whole = chosen.scenarios is None and chosen.minutes is None
    for part in chosen.parts:
        _say(f"── {part}")
        match part:
            case "scenarios":
                figures.scenarios(_scenarios(chosen))
            case "noticing":
                figures.noticing(noticing(chosen.rounds))
            case "crowd":
                figures.crowd(crowd(50, 2000))
            case "rivalry":
                figures.rivalry(rivalry(10, chosen.rivalry_minutes * 60, freeze_every_s=90.0))
        if whole:
            figures.save()
    _say(figures.table())
    if whole:
        figures.write_document()
    else:
        _say("A shortened go: docs/reliability.md stays as it is.")
    return 0 if figures.good(chosen.parts) else 1


def _parse(words: list[str]) -> Any:
    parser = argparse.ArgumentParser(
        prog="ci/chaos", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", type=int, help="how many, those played before with this code included (1000)")
    parser.add_argument("--minutes", type=float, help="for so long at most")
    parser.add_argument("--seed", type=int, help="only this one; with --scenarios or --minutes, the first one")
    parser.add_argument(
        "--jobs", type=int, default=2 * (os.cpu_count() or 1), help="scenarios side by side (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=6, help="of noticing, 8 workers each (%(default)s)")
    parser.add_argument("--rivalry-minutes", type=float, default=10.0, help="two orchestrators (%(default)s)")
    parser.add_argument(
        "--parts", type=lambda text: text.split(","), default=list(PARTS), help=f"of {','.join(PARTS)} (all)"
    )
    chosen = parser.parse_args(words)
    if wrong := set(chosen.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(wrong))}")
    return chosen


def _again(seed: int) -> int:
    _say(str(scenario(seed)))
    told = runners.play_one(seed)
    _say(f"fired: {', '.join(told['fired']) or 'nothing'} · verdicts {told['verdicts']} · {told['seconds']:.1f} s")
    for kind, why in told["skipped"].items():
        _say(f"skipped: {kind}: {why}")
    for violation in told["violations"]:
        _say(f"VIOLATION {violation}")
    if told["violations"]:
        _say(told["said"])
    return 1 if told["violations"] else 0


def _scenarios(chosen: Any) -> runners.Tally:
    first = 1 if chosen.seed is None else chosen.seed
    until_s = math.inf if chosen.minutes is None else time.monotonic() + chosen.minutes * 60
    ledger = Ledger(KEPT, code_digest())
    count = chosen.scenarios or (1000 if chosen.minutes is None else None)

    def seeds() -> Iterator[int]:
        for seed in itertools.count(first):
            if count is not None and runners.tally_of(ledger.played).scenarios >= count:
                return
            if seed not in ledger.played:
                yield seed

    _say(f"code {ledger.code}: {len(ledger.played)} scenarios were played with it before")
    began_s, done = time.monotonic(), itertools.count(1)

    def ended(seed: int, told: dict[str, Any]) -> None:
        ledger.add(seed, told)
        for violation in told["violations"]:
            _say(f"VIOLATION in {scenario(seed)}\n  {violation}\n{told['said']}\n  again: ci/chaos --seed {seed}")
        if (number := next(done)) % 25 == 0:
            rate = number / (time.monotonic() - began_s) * 60
            wrong = sum(bool(told["violations"]) for told in ledger.played.values())
            _say(f"{len(ledger.played)} scenarios, {wrong} with a violation; {rate:.1f} a minute")

    runners.play_many(seeds(), chosen.jobs, until_s, ended)
    return runners.tally_of(ledger.played)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
