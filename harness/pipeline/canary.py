"""The canary as a job like any other, and the judge of its answer: what ships with it, and what other devices said."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.closet.answers import told_words
from harness.closet.canary import Canary, passed_with
from harness.closet.work import Work
from harness.domain import Blob, Device, DeviceKind, Health, json_digest
from harness.errors import DataError, DeviceUnhealthyError, ErrorDescription
from harness.files import file_sha256
from harness.pipeline.golden import JOB, Golden, content_digest, load_golden
from harness.shelf import CanaryAnswer, Shelf
from harness.trace import Trace, load_trace

DEADLINE_S = 120.0
_COST_S = 3.0
_RESULT, _TRACE = "result.json", f"{JOB}.trace"
_SHOWN = 12
BY_VOTE = "canary answers compared"
"""Who makes a device suspect because of what other devices answered."""
_LARGEST_BYTES = 16 << 20
_LONGEST = 500  # characters of what a device said
_REMEDY = "closet devices check NAME runs it again; closet devices release NAME when it is mended"


def make_canaries(
    kinds: Iterable[DeviceKind], code: Blob, shelf: Shelf, *, relearn: bool = False
) -> Mapping[DeviceKind, Canary]:
    """The canary of each kind of device. `with_canary` knows where its files are; those of `code` are the caller's.

    With `relearn` a person vouches for the devices: the first answer to each runtime replaces what was known.
    """
    judge = Judge(load_golden(), code, shelf, relearn=relearn)
    return {kind: Canary(_work(judge.golden, kind, code), judge.verify) for kind in kinds}


def canary_blobs() -> Mapping[str, Path]:
    """Where the canary's files lie here, by digest."""
    return load_golden().paths


def with_canary(blob_path: Callable[[str], Path]) -> Callable[[str], Path]:
    """`blob_path`, which also knows where the canary's files are."""
    ours = canary_blobs()
    return lambda sha256: ours.get(sha256) or blob_path(sha256)


def _work(golden: Golden, kind: DeviceKind, code: Blob) -> Work:
    return Work(
        id=json_digest({"canary": golden.digest(code.sha256), "kind": kind.value}),
        device_kind=kind,
        tags=(),
        blobs=golden.blobs,
        job_text=golden.job_text,
        arguments=("-m", "harness.replay", "job.json"),
        code=code,
        cost_s=_COST_S,
        deadline_s=DEADLINE_S,
        canary=True,
    )


class Judge:
    """Judges answers by what ships with the canary and by what other devices answered."""

    def __init__(self, golden: Golden, code: Blob, shelf: Shelf, *, relearn: bool = False) -> None:
        self.golden, self._code, self._shelf, self._relearn = golden, code, shelf, relearn
        self._canary = golden.digest(code.sha256)
        self._relearnt: set[tuple[DeviceKind, str]] = set()
        self._lock = threading.Lock()

    def verify(self, device: Device, files: Mapping[str, Path]) -> ErrorDescription | None:
        """What is wrong with a device's answer; None when nothing is, and the shelf then knows that it passed."""
        try:
            trace = _answer(device, files)
        except DeviceUnhealthyError as error:
            return error.describe()
        mistake = self.golden.mistake(trace)
        if mistake:
            return _wrong(device, f"the canary's answer is wrong: {mistake}")
        runtime, answer = told_words(trace.provenance.get("runtime", ""), _LONGEST), content_digest(trace)
        with self._lock:
            known = self._known(device, runtime, answer)
        if known is not None and known.answer != answer:
            return _wrong(device, disagreement(device.name, answer, known))
        if known is not None:
            self._vindicate(known)
        self._shelf.canary_passed(device.name, passed_with(runtime, self._code.sha256))
        return None

    def _known(self, device: Device, runtime: str, answer: str) -> CanaryAnswer | None:
        """What is known from now on.

        The first answer of a kind and runtime is trusted, and another device confirms it. Until then two devices that
        agree on another one outvote the first. The word of a device that is not given out is not taken: neither now,
        nor an earlier one that nobody has confirmed.
        """
        key = device.kind, runtime, self._canary
        if self._relearn and key[:2] not in self._relearnt:
            self._relearnt.add(key[:2])
            self._shelf.forget_canary_answer(*key)
            return self._shelf.set_canary_answer(*key, answer, device=device.name)
        if not self._shelf.health(device.name).given_out:
            return self._shelf.canary_record(*key)
        known = self._shelf.set_canary_answer(*key, answer, device=device.name)
        if known.answer == answer or known.confirmed_by:
            return known
        if known.device != device.name and not self._shelf.health(known.device).given_out:
            return self._replace(key, answer, (device.name,))
        rival = self._shelf.set_canary_answer(*key[:2], f"{self._canary}/{answer}", answer, device=device.name)
        if rival.confirmed_by:
            self._doubt(known.device, f"{rival.device} and {rival.confirmed_by} answer their canary otherwise")
            return self._replace(key, answer, (rival.device, rival.confirmed_by))
        return known

    def _replace(self, key: tuple[DeviceKind, str, str], answer: str, witnesses: tuple[str, ...]) -> CanaryAnswer:
        self._shelf.forget_canary_answer(*key)
        return [self._shelf.set_canary_answer(*key, answer, device=name) for name in witnesses][-1]

    def _vindicate(self, known: CanaryAnswer) -> None:
        """Those who gave the right answer before it was known are no longer held for it."""
        for name in (known.device, known.confirmed_by):
            health = self._shelf.health(name)
            if health.state is Health.QUARANTINED and _words(known.answer) in health.reason:
                self._doubt(name, "others confirmed its canary's answer", health.by)

    def _doubt(self, device: str, reason: str, quarantined_by: str = "") -> None:
        """Suspect from now on; a quarantine ends by that if it is the given one's."""
        self._shelf.set_health(
            device,
            Health.SUSPECT,
            reason=reason,
            by=BY_VOTE,
            recovered=bool(quarantined_by),
            quarantined_by=quarantined_by,
        )


def disagreement(device: str, answer: str, known: CanaryAnswer) -> str:
    """In words: what a device answered, and who said what is known."""
    others = [name for name in (known.device, known.confirmed_by) if name not in {"", device}]
    if not others:
        return f"{_words(answer)} it answered {known.answer[:_SHOWN]} itself at {known.at}"
    count = "1 other device" if len(others) == 1 else f"{len(others)} other devices"
    said = f"{count} of this kind and runtime answered {known.answer[:_SHOWN]}"
    return f"{_words(answer)} {said} ({', '.join(others)})"


def _words(answer: str) -> str:
    return f"canary answered {answer[:_SHOWN]},"


def _answer(device: Device, files: Mapping[str, Path]) -> Trace:
    """The trace that a device made, checked to be the one it says it made; nothing is taken on trust."""
    replay = _said(files.get(_RESULT))
    told = replay.get("error")
    if isinstance(told, dict):
        raise DeviceUnhealthyError(
            f"the canary cannot be replayed: {told_words(told.get('problem', ''), _LONGEST)}",
            where=device.name,
            remedy=told_words(told.get("remedy", ""), _LONGEST) or _REMEDY,
        )
    path = files.get(_TRACE)
    if path is None or path.stat().st_size > _LARGEST_BYTES or file_sha256(path) != replay.get("trace_sha256"):
        raise DeviceUnhealthyError(
            "the canary left no trace, or not the one it made", where=device.name, remedy=_REMEDY
        )
    try:
        return load_trace(path)
    except DataError as error:
        raise DeviceUnhealthyError(f"the canary's trace: {error.problem}", where=device.name, remedy=_REMEDY) from error


def _said(path: Path | None) -> Mapping[str, Any]:
    """What result.json says of the canary; nothing where it is none."""
    try:
        if path is None or path.stat().st_size > _LARGEST_BYTES:
            return {}
        replay = json.loads(path.read_bytes())["replays"][JOB]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return replay if isinstance(replay, dict) else {}


def _wrong(device: Device, problem: str) -> ErrorDescription:
    return DeviceUnhealthyError(problem, where=device.name, remedy=_REMEDY).describe()
