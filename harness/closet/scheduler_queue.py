"""What waits, and which of it goes where: longest first, near its files, on the least worn device. Pure.

Works that the same devices can do are kept together, so that a closet of fifty devices and thousands of works does not
look at each pair for every event.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.closet.scheduler_benches import Bench
from harness.closet.scheduler_errors import can_run, is_crash
from harness.closet.work import Work
from harness.domain import DeviceKind, Want
from harness.verdict import Attempt

_BAND = 0.75  # works at least this share of the longest count as equally long
_BAND_WORKS = 32
_LEAST_LEFT_S = 1.0

_Class: TypeAlias = tuple[DeviceKind, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(slots=True, eq=False)
class Item:
    """A work on its way. `spent_s` is how long its command ran so far, all tries together.

    `turned_away` is how often a device belonged to its driver: that was no try.
    """

    work: Work
    able: tuple[Bench, ...]
    attempts: list[Attempt] = field(default_factory=list)
    spent_s: float = 0.0
    turned_away: int = 0
    waiting: bool = False
    earmarked: bool = False

    @property
    def left_s(self) -> float:
        """What is left of its deadline."""
        return self.work.deadline_s - self.spent_s

    @property
    def tried(self) -> set[str]:
        """Where it was already."""
        return {attempt.device for attempt in self.attempts}

    @property
    def untried_left(self) -> bool:
        """Whether a device could still come that it was not tried on."""
        tried = self.tried
        return any(not bench.hopeless and bench.name not in tried for bench in self.able)

    def another_try(self, most: int) -> bool:
        """Whether it is tried again: on a device that was not tried, else once more; never past its deadline."""
        tries, crashes = len(self.attempts), sum(is_crash(attempt) for attempt in self.attempts)
        if tries >= most or crashes > 1 or self.left_s < _LEAST_LEFT_S:
            return False
        return tries == 1 or crashes == 1 or self.untried_left

    def may_run(self, bench: Bench) -> bool:
        """Able, and not tried yet while there is another living device that was not."""
        if bench not in self.able:
            return False
        return not self.attempts or bench.name not in self.tried or not self.untried_left

    def share_held(self, bench: Bench) -> float:
        """Share of its bytes that the device holds; 1 when it needs none."""
        total = sum(blob.size_bytes for blob in self.work.blobs)
        held = sum(blob.size_bytes for blob in self.work.blobs if blob.sha256 in bench.blobs)
        return held / total if total else 1.0


class Waiting:
    """The works that no slot has yet, over the devices of the closet."""

    def __init__(self, benches: Sequence[Bench]) -> None:
        self._benches = benches
        self._able: dict[_Class, tuple[Bench, ...]] = {}
        self._lists: dict[_Class, list[Item]] = {}
        self._kinds: dict[DeviceKind, int] = {}
        self._ids: set[str] = set()

    def item(self, work: Work) -> Item:
        """A new item for a work."""
        key = _class_of(work)
        if key not in self._able:
            self._able[key] = tuple(bench for bench in self._benches if can_run(work, bench.device))
        return Item(work, self._able[key])

    def add(self, item: Item) -> None:
        """It waits from now on."""
        item.waiting, item.earmarked = True, False
        insort(self._lists.setdefault(_class_of(item.work), []), item, key=_rank)
        self._ids.add(item.work.id)
        self._kinds[item.work.device_kind] = self._kinds.get(item.work.device_kind, 0) + 1

    def remove(self, item: Item) -> None:
        """It waits no more."""
        item.waiting = item.earmarked = False
        self._lists[_class_of(item.work)].remove(item)
        self._ids.remove(item.work.id)
        self._kinds[item.work.device_kind] -= 1

    def items(self, benches: Iterable[Bench]) -> Iterator[Item]:
        """What waits for any of these devices, longest first."""
        wanted = list(benches)
        lists = [
            items for key, items in self._lists.items() if items and any(bench in self._able[key] for bench in wanted)
        ]
        return heapq.merge(*lists, key=_rank) if len(lists) > 1 else iter(lists[0] if lists else ())

    def waits(self, work_id: str) -> bool:
        """Whether this work waits."""
        return work_id in self._ids

    def count(self, kind: DeviceKind) -> int:
        """How many wait for devices of a kind."""
        return self._kinds.get(kind, 0)

    def hopeless(self) -> list[Item]:
        """Those for which no device is left that could ever come."""
        return [
            item
            for key, items in self._lists.items()
            if all(bench.hopeless for bench in self._able[key])
            for item in items
        ]

    def everything(self) -> list[Item]:
        """All that waits."""
        return [item for items in self._lists.values() for item in items]

    def wants(self) -> tuple[Want, ...]:
        """How many slots of which devices could be used right now: never more than there are."""
        counts: dict[tuple[DeviceKind, tuple[str, ...]], int] = {}
        slots: dict[tuple[DeviceKind, tuple[str, ...]], int] = {}
        for key, items in self._lists.items():
            if items:
                kind, tags = key[0], key[1]
                counts[kind, tags] = counts.get((kind, tags), 0) + len(items)
                places = sum(bench.device.slots for bench in self._able[key] if not bench.hopeless)
                slots[kind, tags] = max(slots.get((kind, tags), 0), places)
        wanted = {key: min(count, slots[key]) for key, count in counts.items()}
        return tuple(Want(*key, count) for key, count in sorted(wanted.items()) if count)


def best_pair(waiting: Waiting, free: Mapping[str, Bench]) -> tuple[Item, Bench] | None:
    """The longest work that nothing is asked for yet; in its band, the pair with most of its bytes already in place.

    Among equals the device that was used least, so that wear spreads.
    """
    best: tuple[tuple[float, int], Item, Bench] | None = None
    longest_s, looked_at = 0.0, 0
    for item in waiting.items(free.values()):
        if item.earmarked:
            continue
        if best is not None and (item.work.cost_s < longest_s * _BAND or looked_at >= _BAND_WORKS):
            break
        for bench in item.able:
            if bench.name not in free or not item.may_run(bench):
                continue
            score = (item.share_held(bench), -bench.uses)
            if best is None:
                longest_s = item.work.cost_s
            if best is None or score > best[0]:
                best = (score, item, bench)
        looked_at += best is not None
    return None if best is None else (best[1], best[2])


def next_for(waiting: Waiting, bench: Bench, earmark: str) -> Item | None:
    """What to run on a device whose slot was granted: the best that is not meant for another slot."""
    best: tuple[float, Item] | None = None
    longest_s, looked_at = 0.0, 0
    for item in waiting.items((bench,)):
        if best is not None and (item.work.cost_s < longest_s * _BAND or looked_at >= _BAND_WORKS):
            break
        if (item.earmarked and item.work.id != earmark) or not item.may_run(bench):
            continue
        share = item.share_held(bench)
        if best is None or share > best[0]:
            longest_s = longest_s or item.work.cost_s
            best = (share, item)
        looked_at += 1
    return None if best is None else best[1]


def ahead_for(waiting: Waiting, bench: Bench, taken: frozenset[str]) -> Item | None:
    """The longest waiting work that a busy device lacks files for and that none of the others prepares for."""
    for looked_at, item in enumerate(waiting.items((bench,))):
        if looked_at >= _BAND_WORKS:
            return None
        if not item.earmarked and item.work.id not in taken and item.may_run(bench) and item.share_held(bench) < 1.0:
            return item
    return None


def _class_of(work: Work) -> _Class:
    return work.device_kind, work.tags, work.only_devices, work.not_devices


def _rank(item: Item) -> float:
    return -item.work.cost_s
