"""What is told of each device: how it is, since when and why, who has it, and what it says of itself. As plain rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from rich.text import Text

from harness.closet.canary import plain_runtime
from harness.closet.health import Vitals, judge_vitals
from harness.closet.session import open_session
from harness.closet.work import DeviceFacts
from harness.config import Fleet
from harness.domain import Device, DeviceKind, Health
from harness.errors import ClosetError, UnreachableError
from harness.shelf import DeviceHealth, Shelf

STATE_STYLE = {
    Health.UNKNOWN: "dim",
    Health.HEALTHY: "green",
    Health.SUSPECT: "yellow",
    Health.QUARANTINED: "bold red",
    Health.DISABLED: "magenta",
}
_CONTACTS = 16
_TASK_DIGITS = 12


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A slot that a run has: which run, under which epoch, and what runs there (empty: nothing yet)."""

    slot: int
    epoch: int
    run: str
    task: str


@dataclass(frozen=True, slots=True)
class Contact:
    """What came of connecting: what it said of itself, or why it did not answer, and every limit it breaks."""

    answers: bool
    said: str
    reached: bool = True
    free_bytes: int | None = None
    hottest_c: float | None = None
    clock_offset_s: float | None = None
    load_per_cpu: float | None = None
    os_version: str = ""
    uptime_s: float | None = None
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device."""

    name: str
    kind: str
    address: str
    slots: int
    tags: tuple[str, ...]
    health: DeviceHealth
    held: tuple[HeldSlot, ...] = ()
    contact: Contact | None = None
    note: str = ""

    def plain(self) -> dict[str, object]:
        """It for programs."""
        health = self.health
        return {
            "name": self.name,
            "kind": self.kind,
            "address": self.address,
            "slots": self.slots,
            "tags": list(self.tags),
            "state": health.state.value,
            "reason": health.reason,
            "since": health.since,
            "by": health.by,
            "canary_at": None if health.canary_at is None else _iso(health.canary_at),
            "runtime": plain_runtime(health.runtime),
            "leases": [asdict(slot) for slot in self.held],
            "contact": None if self.contact is None else asdict(self.contact),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Board:
    """The whole shelf at one moment; `waiting` are runs that have no slot and want one."""

    rows: tuple[DeviceRow, ...]
    waiting: tuple[str, ...] = field(default=())


def read_board(fleet: Fleet, shelf: Shelf) -> Board:
    """What the shelf knows now of the fleet's devices, and of others that are held or not given out."""
    healths, leases, holders = shelf.healths(), shelf.leases(), shelf.holders()
    runs = {holder.holder: holder.run for holder in holders}
    held: dict[str, list[HeldSlot]] = {}
    for lease in leases:
        run = runs.get(lease.holder, f"{lease.holder} (gone)")
        held.setdefault(lease.device, []).append(HeldSlot(lease.slot, lease.epoch, run, lease.task_id))
    rows = [_known(device, healths) for device in fleet.devices]
    names = [f"emulated-{number:02d}" for number in range(1, fleet.emulated + 1)]
    rows += [_started(name, healths) for name in names]
    mine = {row.name for row in rows}
    rows += [
        DeviceRow(name, "", "", 0, (), health, note=f"not in {fleet.path or 'devices.yaml'}")
        for name, health in healths.items()
        if name not in mine and (name in held or not health.given_out)
    ]
    waiting = tuple(holder.run for holder in holders if holder.wants and not holder.leases)
    return Board(tuple(replace(row, held=tuple(held.get(row.name, ()))) for row in rows), waiting)


def with_contact(board: Board, fleet: Fleet) -> Board:
    """The same after connecting to every device of the fleet that is not disabled, several at a time."""
    devices = {device.name: device for device in fleet.devices}
    left_alone = {row.name for row in board.rows if row.health.state is Health.DISABLED}  # in somebody's hands, maybe
    asked = [devices[row.name] for row in board.rows if row.name in devices and row.name not in left_alone]
    with ThreadPoolExecutor(_CONTACTS) as pool:
        contacts = dict(
            zip((device.name for device in asked), pool.map(lambda d: _contact(d, fleet), asked), strict=True)
        )
    return replace(board, rows=tuple(replace(row, contact=contacts.get(row.name)) for row in board.rows))


def render_board(board: Board, now_s: float) -> Text:
    """The board as lines for people; nothing is cut off."""
    titles = ("device", "kind", "state", "since", "by", "has", "canary", "hottest", "free")
    cells = [titles, *(_cells(row, now_s) for row in board.rows)]
    shown = [column for column in range(len(titles)) if any(row[column] for row in cells[1:])]
    widths = {column: max(len(row[column]) for row in cells) for column in shown}
    text = Text()
    for number, row in enumerate(cells):
        for column in shown:
            style = "bold" if number == 0 else ""
            if number and titles[column] == "state":
                style = STATE_STYLE[board.rows[number - 1].health.state]
            text.append(row[column], style)
            text.append(" " * (widths[column] - len(row[column]) + 2))
        text.rstrip()
        text.append("\n")
        if number:
            text.append("".join(f"    {line}\n" for line in _words(board.rows[number - 1])), "dim")
    if board.waiting:
        text.append(f"waiting for a slot: {', '.join(board.waiting)}\n")
    text.rstrip()
    return text


def _known(device: Device, healths: Mapping[str, DeviceHealth]) -> DeviceRow:
    address = f"{device.user}@{device.address}:{device.port}"
    health = healths.get(device.name, DeviceHealth(device.name))
    return DeviceRow(device.name, device.kind.value, address, device.slots, device.tags, health)


def _started(name: str, healths: Mapping[str, DeviceHealth]) -> DeviceRow:
    health = healths.get(name, DeviceHealth(name))
    return DeviceRow(name, DeviceKind.EMULATED.value, "", 1, (), health, note="started by each run")


def _contact(device: Device, fleet: Fleet) -> Contact:
    """Connect, take what the agent and its self-check say, and leave."""
    try:
        session = open_session(device, on_lost=lambda _error: None)
        try:
            facts, vitals = session.facts, session.check()
        finally:
            session.close()
    except ClosetError as error:
        return Contact(False, str(error), reached=not isinstance(error, UnreachableError))
    return _answered(facts, vitals, tuple(str(broken) for broken in judge_vitals(vitals, fleet.limits_of(device))))


def _answered(facts: DeviceFacts, vitals: Vitals, limits: tuple[str, ...]) -> Contact:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(facts.packages.items()))
    said = f"ready: Python {facts.python}, {facts.machine}, {facts.cpus} cores, {packages}"
    return Contact(
        answers=True,
        said=said,
        free_bytes=vitals.free_bytes,
        hottest_c=vitals.hottest[1] if vitals.hottest else None,
        clock_offset_s=round(vitals.clock_offset_s, 3),
        load_per_cpu=round(vitals.load / vitals.cpus, 2),
        os_version=vitals.os_version,
        uptime_s=vitals.uptime_s,
        limits=limits,
    )


def _cells(row: DeviceRow, now_s: float) -> Sequence[str]:
    health, contact = row.health, row.contact
    held = ", ".join(dict.fromkeys(slot.run for slot in row.held))
    heat = "" if contact is None or contact.hottest_c is None else f"{contact.hottest_c:.0f} °C"
    free = "" if contact is None or contact.free_bytes is None else f"{contact.free_bytes / 1e9:.1f} GB"
    canary = "" if health.canary_at is None else _ago(now_s - health.canary_at)
    state = health.state.value if contact is None or contact.reached else f"{health.state.value}, unreachable"
    return row.name, row.kind, state, health.since, health.by, held, canary, heat, free


def _words(row: DeviceRow) -> list[str]:
    health, contact = row.health, row.contact
    lines = [health.reason] if health.reason and health.state is not Health.HEALTHY else []
    lines += [
        f"slot {slot.slot} epoch {slot.epoch}: {slot.run}{f', task {slot.task[:_TASK_DIGITS]}' if slot.task else ''}"
        for slot in row.held
    ]
    if row.address:
        lines.append(" ".join((row.address, *row.tags)))
    if contact is not None:
        lines += [contact.said, *contact.limits]
    elif health.runtime:
        lines.append(plain_runtime(health.runtime))
    return [*lines, row.note] if row.note else lines


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
