"""A decision made again, as text: the gate now, the gate of the run, what made the difference."""

from __future__ import annotations

from harness.report.budget import clean
from harness.verdict import Gate, Redecision

_SHOWN = 20
_LIMIT = 500


def render_redecided(decision: Redecision) -> str:
    """`gate CLOSED, exit 3, by policy release: …`, what the run decided, and which claims weigh differently."""
    lines = [f"gate {_words(decision.now, decision.policy.name)}"]
    same = decision.now == decision.before
    if decision.policy == decision.before_policy:
        lines.append("the run's own policy")
    elif same and not decision.reweighed:
        lines.append(f"nothing changes: by policy {decision.before_policy.name} the run decided the same")
    else:
        lines.append(f"run  {_words(decision.before, decision.before_policy.name)}")
    for entry in decision.reweighed:
        was, now = (action.value if action else "nothing" for action in (entry.before, entry.now))
        lines.append(f"  {entry.standing.value}: {was} → {now}")
        lines += [f"    {clean(f'{claim.intent}: {claim.name}', _LIMIT)}" for claim in entry.claims[:_SHOWN]]
        if len(entry.claims) > _SHOWN:
            lines.append(f"    {len(entry.claims) - _SHOWN} more: closet claims tells all")
    return "\n".join(lines) + "\n"


def _words(decided: Gate, policy: str) -> str:
    state = "OPEN" if decided.is_open else "CLOSED"
    warned = f" · warning: {', '.join(decided.warnings)}" if decided.warnings else ""
    reason = clean(f"{decided.reason}{warned}", _LIMIT)
    return f"{state}, exit {int(decided.exit_code)}, by policy {clean(policy, _LIMIT)}: {reason}"
