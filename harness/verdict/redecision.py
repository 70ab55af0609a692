"""A run that is over, decided again by another policy. `gate` decides; this holds both of its answers side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.intent import Action, ClaimResult, GatePolicy, Standing
from harness.verdict.decision import Gate, gate
from harness.verdict.record import RunRecord


@dataclass(frozen=True, slots=True)
class Reweighed:
    """Claims that two policies weigh differently: how they stand, and what is done about it; None is nothing."""

    standing: Standing
    before: Action | None
    now: Action | None
    claims: tuple[ClaimResult, ...]


@dataclass(frozen=True, slots=True)
class Redecision:
    """What the run's own policy says of it (`before`), what another one says, and what makes the difference."""

    before: Gate
    before_policy: GatePolicy
    now: Gate
    policy: GatePolicy
    reweighed: tuple[Reweighed, ...]


def redecide(record: RunRecord, policy: GatePolicy | None) -> Redecision:
    """Both gates of a run: by its own policy, and by `policy` (None: its own once more)."""
    wanted = record.gate_policy if policy is None else policy
    reweighed = []
    for standing in Standing:
        claims = tuple(claim for claim in record.claims if claim.standing is standing)
        before, now = record.gate_policy.action(standing), wanted.action(standing)
        if claims and before is not now:
            reweighed.append(Reweighed(standing, before, now, claims))
    decided = gate(replace(record, gate_policy=wanted))
    return Redecision(gate(record), record.gate_policy, decided, wanted, tuple(reweighed))
