"""What to ask the shelf for, and what to bring ahead of its turn. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.closet.events import Ask, StageAhead
from harness.closet.scheduler_benches import Bench
from harness.closet.scheduler_queue import Item, Waiting, ahead_for, best_pair


def asks(benches: Mapping[str, Bench], waiting: Waiting, now_s: float, for_s: float) -> list[Ask]:
    """As many slots as there are works to fill them, those of devices that must prove themselves last.

    What is asked for is marked so on the slots and on the works.
    """
    free = {
        name: bench
        for name, bench in benches.items()
        if bench.usable and now_s >= bench.ask_after_s and bench.idle_slot() is not None
    }
    doubtful = [free.pop(name) for name in [name for name, bench in free.items() if bench.must_prove]]
    done: list[Ask] = []
    while free and (pair := best_pair(waiting, free)) is not None:
        item, bench = pair
        done.append(_ask(bench, bench.idle_slot() or 0, item, for_s))
        if bench.idle_slot() is None:
            del free[bench.name]
    for bench in doubtful:
        if bench.quiet and _worth_proving(bench, benches, waiting):
            done.append(_ask(bench, 0, None, for_s))  # noqa: PERF401 each one counts for the next
    return done


def stagings(benches: Mapping[str, Bench], waiting: Waiting, look: set[str]) -> list[StageAhead]:
    """For each busy device in `look` the longest waiting work that it lacks blobs for, one at a time a device."""
    done: list[StageAhead] = []
    taken = frozenset(bench.ahead for bench in benches.values() if waiting.waits(bench.ahead))
    for name, bench in benches.items():
        busy = bench.usable and bench.idle_slot() is None and any(slot.work is not None for slot in bench.slots)
        if name not in look or not busy or bench.ahead in taken or bench.must_prove:
            continue
        if (item := ahead_for(waiting, bench, taken)) is not None:
            bench.ahead = item.work.id
            taken |= {bench.ahead}
            bench.blobs |= {blob.sha256 for blob in item.work.blobs}
            done.append(StageAhead(item.work, bench.name))
    return done


def _ask(bench: Bench, number: int, item: Item | None, for_s: float) -> Ask:
    """Ask for a slot with a work in mind, or for the device's canary."""
    slot = bench.slots[number]
    slot.asked, slot.earmark = True, ""
    if item is not None:
        item.earmarked, slot.earmark = True, item.work.id
    device = bench.device
    return Ask(device.name, number, device.kind, device.tags, for_s, slot.epoch, item is None and bench.recovered)


def _worth_proving(bench: Bench, benches: Mapping[str, Bench], waiting: Waiting) -> bool:
    """Whether work waits for it beyond what the canaries that run already will free devices for."""
    if not any(not item.earmarked and item.may_run(bench) for item in waiting.items((bench,))):
        return False
    kind = bench.device.kind
    proving = sum(other.proving for other in benches.values() if other.device.kind is kind)
    return proving < waiting.count(kind)
