"""A process that uses a shelf as hard as it can, and proves by files of its own that a slot is its alone.

ADDRESS FOLDER TURNS DEVICES SLOTS: for each lease it makes FOLDER/<device>-<slot> exclusively, with its number in it,
appends a line to FOLDER/log, and removes the file before it gives the slot back. A file that is there already belongs
to a process that was killed, or the shelf gave a slot twice. With TURNS 0 it goes on until it is killed.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from pathlib import Path

from harness.domain import DeviceKind, Lease, Priority, Want
from harness.shelf import Shelf

KIND = DeviceKind.EMULATED


def main(address: str, folder: Path, turns: int, devices: int, slots: int) -> None:
    chance = random.Random(os.getpid())
    places = [(f"worker-{device}", slot) for device, slot in itertools.product(range(devices), range(slots))]
    with Shelf(address, ageing_s=0.3) as shelf:  # a nightly run that waited so long is served
        holder = shelf.join(f"run-{os.getpid()}", suite="stress", priority=chance.choice(list(Priority)))
        say("joined")
        served = 0
        while not turns or served < turns:
            before = served
            shelf.want(holder, [Want(KIND, (), chance.randint(1, 3))])
            for device, slot in chance.sample(places, len(places)):
                lease = shelf.acquire(holder, device, slot, kind=KIND, tags=(), hard_end_s=60, least_epoch=0)
                if lease is not None:
                    use(shelf, folder, lease)
                    served += 1
            if served == before:
                time.sleep(0.02)  # as a run does that is refused
        shelf.leave(holder)


def use(shelf: Shelf, folder: Path, lease: Lease) -> None:
    """Be on the slot, and leave traces that do not depend on the database."""
    path = folder / f"{lease.device}-{lease.slot}"
    mine = f"{os.getpid()}"
    try:
        enter(path, mine)
    except FileExistsError:
        other = path.read_text("ascii")
        if is_alive(int(other)):
            sys.exit(f"{path.name} is used by {other} and was given to {mine}")
        path.unlink()
        enter(path, mine)
    with (folder / "log").open("a") as log:
        log.write(f"{lease.device}-{lease.slot} {lease.epoch} {mine}\n")
    say("using")
    shelf.assign(lease, "task")
    path.unlink()
    if not shelf.release(lease, "done"):
        sys.exit(f"lost {lease}")


def say(word: str) -> None:
    """Tell who started this process how far it is."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def enter(path: Path, mine: str) -> None:
    """Make the file with its content in one step."""
    draft = path.with_name(f".{path.name}.{mine}")
    draft.write_text(mine, "ascii")
    try:
        os.link(draft, path)
    finally:
        draft.unlink()


def is_alive(pid: int) -> bool:
    """False for one that was killed, also before its parent has looked after it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
