"""What an approval says, the batch it was made in, and which of many hold now. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from harness.domain import canonical_json, json_digest
from harness.errors import DataError

MAIN = ""

Place: TypeAlias = "tuple[str, str, str, str]"


@dataclass(frozen=True, slots=True)
class Approval:
    """One trace made a baseline of its segment, replayer and device kind.

    `when` is ISO 8601 and given by the caller; `run` is where the trace came from; `replaces` the digest that was
    approved before ("" for the first), filled in when the approval is written. `options` are the replayer's, as
    canonical JSON: a baseline of the first 400 frames and one of the whole segment stand side by side, and so do those
    of several runtimes.

    An approval on a `branch` holds for runs that name the branch, until it lands; `change` is the change it belongs to
    (a commit, an address). `beside`: what held before is accepted still. `withdrawn`: this trace is not accepted any
    more. `metrics` are the trace's figures as they were known then.
    """

    when: str
    who: str
    reason: str
    run: str
    segment: str
    replayer: str
    device_kind: str
    trace_sha256: str
    replaces: str = ""
    runtime: str = ""
    model_digest: str = ""
    candidate: str = ""
    options: str = "{}"
    branch: str = MAIN
    change: str = ""
    beside: bool = False
    withdrawn: bool = False
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """What it is the baseline of."""
        return self.segment, self.replayer, self.device_kind, self.options


@dataclass(frozen=True, slots=True)
class Batch:
    """Approvals made at once: all of them count, or none. `signature` is an armoured SSH signature of `sha256`."""

    approvals: tuple[Approval, ...]
    sha256: str
    signature: str = ""
    signer: str = ""

    @property
    def line(self) -> bytes:
        """The batch as one line of the ledger."""
        signed = {"signature": self.signature, "signer": self.signer} if self.signature else {}
        return (canonical_json({"approvals": _values(self.approvals), "sha256": self.sha256} | signed) + "\n").encode()


_APPROVALS = TypeAdapter(tuple[Approval, ...])
_DEFAULTS = {"branch": "", "change": "", "beside": False, "withdrawn": False, "metrics": {}}


def make_batch(approvals: Sequence[Approval]) -> Batch:
    """An unsigned batch."""
    return Batch(tuple(approvals), json_digest(_values(approvals)))


def parse_batch(line: bytes, *, where: str) -> Batch:
    """The batch in a line of a ledger; DataError when it was altered or is none."""
    try:
        value = json.loads(line)
        if json_digest(value["approvals"]) != value["sha256"]:
            raise ValueError("digest does not match")
        approvals = _APPROVALS.validate_python(value["approvals"])
        return Batch(approvals, value["sha256"], str(value.get("signature", "")), str(value.get("signer", "")))
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            "this line of the ledger is damaged",
            where=where,
            remedy="restore the file from a backup; lines are only ever added, so an older copy is a prefix",
        ) from error


def standing(approvals: Iterable[Approval], branch: str = MAIN) -> Mapping[Place, tuple[Approval, ...]]:
    """What is accepted now at each place, newest first; seen from `branch`, its own approvals lie over those of main.

    A new approval puts aside what its runtime had before, unless it was made `beside` that.
    """
    held: dict[Place, list[Approval]] = {}
    own: list[Approval] = []
    for entry in approvals:
        if entry.branch == MAIN:
            _apply(held, entry)
        elif entry.branch == branch:
            own.append(entry)
    for entry in own:
        _apply(held, entry)
    return {place: tuple(entries) for place, entries in held.items() if entries}


def filled_in(approvals: Sequence[Approval], before: Sequence[Approval]) -> tuple[Approval, ...]:
    """`approvals` with what each replaces, given all that were made `before`."""
    seen: dict[str, Mapping[Place, tuple[Approval, ...]]] = {}
    filled: list[Approval] = []
    for entry in approvals:
        now = seen.setdefault(entry.branch, standing(before, entry.branch))
        same = [held for held in now.get(entry.place, ()) if held.runtime == entry.runtime]
        filled.append(replace(entry, replaces=same[0].trace_sha256 if same else ""))
    return tuple(filled)


def landing(approvals: Sequence[Approval], branch: str, *, who: str, when: str, reason: str) -> tuple[Approval, ...]:
    """The approvals that make what holds on `branch` hold on main; DataError where main has moved on since.

    Main moved on where a place's newest approval there is not the one that the branch's first replaced.
    """
    own: dict[tuple[Place, str], list[Approval]] = {}
    for entry in approvals:
        if entry.branch == branch:
            own.setdefault((entry.place, entry.runtime), []).append(entry)
    main, seen = standing(approvals), standing(approvals, branch)
    landed: list[Approval] = []
    for (place, runtime), entries in own.items():
        here = [held for held in main.get(place, ()) if held.runtime == runtime]
        known = {entry.trace_sha256 for entry in entries} | {entries[0].replaces}
        if (here[0].trace_sha256 if here else "") not in known:
            raise DataError(
                f"main has approved another baseline since: {here[0].trace_sha256[:12] if here else 'none'} instead of "
                f"{entries[0].replaces[:12] or 'none'}",
                where=" · ".join(place[:3]),
                remedy="run the suite on the branch again and bless what it gives, then land",
            )
        landed += [
            replace(entry, branch=MAIN, when=when, who=who, reason=f"{reason}: {entry.reason}")
            for entry in entries
            if entry.withdrawn or entry in seen.get(place, ())
        ]
    return tuple(entry for entry in landed if not _holds(entry, main))


def _holds(entry: Approval, main: Mapping[Place, tuple[Approval, ...]]) -> bool:
    return not entry.withdrawn and any(
        held.trace_sha256 == entry.trace_sha256 and held.runtime == entry.runtime for held in main.get(entry.place, ())
    )


def _apply(held: dict[Place, list[Approval]], entry: Approval) -> None:
    entries = held.setdefault(entry.place, [])
    if entry.withdrawn:
        entries[:] = [other for other in entries if other.trace_sha256 != entry.trace_sha256]
        return
    entries[:] = [
        entry,
        *(
            other
            for other in entries
            if other.trace_sha256 != entry.trace_sha256 and (entry.beside or other.runtime != entry.runtime)
        ),
    ]


def _values(approvals: Sequence[Approval]) -> list[dict[str, Any]]:
    """The plain values that are written and hashed; fields that say nothing are left out."""
    return [
        {name: value for name, value in asdict(entry).items() if name not in _DEFAULTS or value != _DEFAULTS[name]}
        for entry in approvals
    ]
