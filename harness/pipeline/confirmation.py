"""Whose fault a FAIL is: the software's, a device's, or nobody's, by what repeating it showed. Pure.

Check by check, over the devices that could tell:

    every repeat shows it again                    the software on trial: FAIL
    one device shows it again, another one not     the device that is alone with it: ERROR, and its canary runs
    the device that showed it does not again       not reproducible: ERROR, never a pass
    no repeat could tell                           FAIL, as it was: a regression never hides behind a lab error

A trial FAILs when one of its checks does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import ErrorDescription
from harness.verdict import Blame, Confirmation, Verdict

SUSPECT_DEVICE = "SuspectDevice"
NOT_REPRODUCIBLE = "NotReproducible"
_LONGEST_CAUSE = 300  # characters


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the repeats of a trial say. `suspects` are devices to be looked at; `settled` need not be asked again."""

    verdict: Verdict
    blame: Blame
    words: str
    error: ErrorDescription | None = None
    suspects: tuple[str, ...] = ()
    settled: bool = False


def by_device(first: Sequence[str], repeats: Sequence[Confirmation]) -> tuple[Confirmation, ...]:
    """The repeats, those where it was seen `first` in that order, then others: whichever happened to end first."""
    places = {name: place for place, name in enumerate(first)}
    return tuple(sorted(repeats, key=lambda repeat: places.get(repeat.device, len(places))))


def conclude(
    blocked: Sequence[str], first: Sequence[str], repeats: Sequence[Confirmation], *, kind: str, alone: bool
) -> Conclusion:
    """The conclusion for a trial whose checks `blocked` FAILed on the devices `first`.

    `first` is empty where a stored trace was judged and nobody knows who made it. `alone` says that there is only one
    device of this `kind`.
    """
    told = [repeat for repeat in repeats if repeat.verdict is not Verdict.ERROR]
    lost = [repeat for repeat in repeats if repeat.verdict is Verdict.ERROR]
    blames = {check: _blame(check, first, told, lost) for check in blocked}
    if confirmed := [check for check, blame in blames.items() if blame is Blame.PRODUCT]:
        others = [check for check in blocked if check not in confirmed]
        words = _again(told, lost, first, kind, alone=alone)
        words += f"; {', '.join(others)} only sometimes" if others else ""
        seen_on = {*first, *(repeat.device for repeat in told)}
        # A repeat that reached no device was cut off with its run: the next one may make up for it.
        whole = all(repeat.device for repeat in lost)
        settled = whole and (len(seen_on) > 1 or (alone and not lost))
        return Conclusion(Verdict.FAIL, Blame.PRODUCT, words, settled=settled)
    if Blame.UNKNOWN in blames.values():
        without = [repeat.device for repeat in told]
        words = f"could not be confirmed: {_causes(lost) or 'nothing was repeated'}"
        words += f"; {_listed(without)} does not show it" if without else ""
        return Conclusion(Verdict.FAIL, Blame.UNKNOWN, words)
    showing = [repeat.device for repeat in told if set(repeat.blocked) & set(blocked)]
    if Blame.DEVICE in blames.values() and len(showing) == 1:
        return _lone_device(showing[0], first, told)
    return _not_reproducible(first, told, showing)


def _lone_device(device: str, first: Sequence[str], told: Sequence[Confirmation]) -> Conclusion:
    others = _listed([repeat.device for repeat in told if repeat.device != device])
    words = f"only {device} shows it: {'again ' if device in first else ''}there, not on {others}"
    remedy = "closet devices tells how its canary went; run again when it is mended, or without it"
    error = ErrorDescription(SUSPECT_DEVICE, words, remedy=remedy)
    return Conclusion(Verdict.ERROR, Blame.DEVICE, words, error, (device,))


def _not_reproducible(first: Sequence[str], told: Sequence[Confirmation], showing: Sequence[str]) -> Conclusion:
    devices = [repeat.device for repeat in told]
    if itself := [device for device in devices if device in first]:
        words = f"differs from itself on {_listed(itself)}: not reproducible"
        words += "".join(
            f", {'again' if device in showing else 'not'} on {device}" for device in devices if device not in first
        )
    else:
        make = "make" if len(devices) > 1 else "makes"
        words = f"differs from what {_listed(devices)} {make} of it now: not reproducible"
    remedy = "look for what is random in the software on trial; closet diff shows what was seen the first time"
    error = ErrorDescription(NOT_REPRODUCIBLE, words, remedy=remedy)
    return Conclusion(Verdict.ERROR, Blame.CHANCE, words, error, tuple(first))


def _blame(check: str, first: Sequence[str], told: Sequence[Confirmation], lost: Sequence[Confirmation]) -> Blame:
    showing = [repeat.device for repeat in told if check in repeat.blocked]
    missing = [repeat.device for repeat in told if check not in repeat.blocked]
    if showing and not missing:
        return Blame.PRODUCT
    # Where the sides were made on two devices, one that shows it again alone is the odd one, whichever made which.
    if set(missing) & set(first) and not set(showing) & set(first):
        return Blame.CHANCE
    if showing:
        return Blame.DEVICE
    return Blame.UNKNOWN if lost or not told else Blame.CHANCE


def _again(
    told: Sequence[Confirmation], lost: Sequence[Confirmation], first: Sequence[str], kind: str, *, alone: bool
) -> str:
    words = f"again on {_listed([repeat.device for repeat in told])}"
    if alone:
        return f"{words}, the only {kind}: no second device could tell"
    if lost and all(repeat.device in first for repeat in told):
        return f"{words}, no second device could tell: {_causes(lost)}"
    return f"{words}, not repeated on {_causes(lost)}" if lost else words


def _causes(lost: Sequence[Confirmation]) -> str:
    causes = (
        f"{repeat.device}: {repeat.error.problem if repeat.error else 'nothing compared'}".removeprefix(": ")
        for repeat in lost
    )
    return "; ".join(dict.fromkeys(cause[:_LONGEST_CAUSE] for cause in causes))


def _listed(names: Sequence[str]) -> str:
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} and {last}" if most else last
