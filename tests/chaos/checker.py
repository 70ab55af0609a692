"""What must hold after a scenario, whatever went wrong in it. Every violation is a sentence."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from harness.closet.agent.selfcheck import scratch_prefix
from harness.closet.contact import contact
from harness.domain import Lease
from harness.errors import ClosetError, ExitCode
from harness.files import file_sha256
from harness.shelf import Shelf, parse_address
from harness.shelf.address import Address
from harness.shelf.database import Database
from harness.shelf.holders import JOINED
from harness.shelf.leases import active_leases
from harness.shelf.schema import holders
from harness.verdict import NOT_RUN, JobResult, RunRecord, Verdict, gate
from tests.chaos.faults import HARMLESS, Fault, Kind
from tests.chaos.processes import command_line
from tests.chaos.workers import SCRATCH, Worker, eventually

_GONE = {"UnreachableError": "", "LeaseLostError": ""}
_MUTE = {**_GONE, "DeviceTimeoutError": ""}
_CLOCK = {"DeviceUnhealthyError": "clock"}
# A run that begins just then, or asks a question of its own: what the pool asks is asked again for three minutes.
_SHELF = {"DataError": "the shelf's database does not answer"}
# Which errors a fault explains, each with a word its text must contain.
_CAUSES: Mapping[Kind, Mapping[str, str]] = {
    Kind.CUT: _GONE,
    Kind.CORRUPTED: _MUTE,
    Kind.SILENT: _MUTE,
    Kind.CABLE: _MUTE,
    Kind.FROZEN: _MUTE,
    Kind.AGENT_FROZEN: _MUTE,
    Kind.POWER_CUT: _GONE,
    Kind.AGENT_KILLED: _GONE,
    Kind.HUNG_JOB: {"DeviceTimeoutError": "deadline"},
    Kind.JOB_KILLED: {"DeviceUnhealthyError": "canary: killed by SIGKILL"},
    Kind.DISK_FULL: {"StagingFailedError": "disk full", "DeviceUnhealthyError": "", "DeviceError": ""},
    Kind.CLOCK_AGENT: _CLOCK,
    Kind.SERVER_FROZEN: _SHELF,
    Kind.SERVER_KILLED: _SHELF,
    Kind.CLOCK_ORCHESTRATOR: _CLOCK,
}
# What no other device can help with: an orchestrator whose own clock is wrong finds every device's wrong, and says so;
# a job that hangs has used up the deadline that its tries share.
_FINAL = frozenset({Kind.CLOCK_ORCHESTRATOR, Kind.HUNG_JOB, Kind.SERVER_FROZEN, Kind.SERVER_KILLED})
# The agent's own silence limit is 30 s; then it kills, with grace, and removes.
TIDY_S = 45.0


def check_verdicts(record: RunRecord, expected: Mapping[str, Verdict], faults: Sequence[Fault]) -> list[str]:
    """Exactly one verdict for every planned job, and the right one; an ERROR only where a fault explains it."""
    wrong: list[str] = []
    found: dict[str, JobResult] = {}
    for result in record.results:
        if result.segment in found:
            wrong.append(f"{result.segment} has two verdicts")
        found[result.segment] = result
    wrong += [f"lost job: {segment} is not in the record" for segment in expected if segment not in found]
    wrong += [f"{segment} was never asked for" for segment in found if segment not in expected]
    if record.harness_error:
        wrong.append(f"harness error: {record.harness_error.strip().splitlines()[-1]}")
    if record.interrupted:
        wrong.append("the run says it was interrupted")
    harmful = [fault for fault in faults if fault.kind not in HARMLESS]
    causes = [cause for fault in harmful for cause in _CAUSES.get(fault.kind, {}).items()]
    retried = len(harmful) < 2 and not any(fault.kind in _FINAL for fault in harmful)
    for segment, result in found.items():
        if segment in expected:
            wrong += [f"{segment}: {what}" for what in _one(result, expected[segment], causes, retried=retried)]
    return wrong


def _one(result: JobResult, expected: Verdict, causes: Sequence[tuple[str, str]], *, retried: bool) -> list[str]:
    if result.verdict is expected:
        return []
    if result.verdict is not Verdict.ERROR:
        return [f"wrong verdict: {result.verdict} instead of {expected}{_why(result)}"]
    if result.error is None or result.error == NOT_RUN:
        return [f"lost job: it was not run{_why(result)}"]
    if not any(result.error.kind == kind and word in result.error.problem for kind, word in causes):
        return [f"wrong cause: {result.error.kind}: {result.error.problem}{_why(result)}"]
    if retried:
        return [f"ERROR although another device was there: {result.error.kind}: {result.error.problem}{_why(result)}"]
    return []


def _why(result: JobResult) -> str:
    told = [
        f"{entry.device}-{entry.epoch} {entry.error.problem if entry.error else 'well'}" for entry in result.attempts
    ]
    findings = [found.words for found in result.blocking[:2]]
    return f" ({'; '.join([*told, *findings])})"


def check_exit(record: RunRecord, code: int) -> list[str]:
    """The exit code is the gate's, and no bug of ours."""
    expected = gate(record).exit_code
    if code != expected or code in {ExitCode.HARNESS_BUG, ExitCode.USAGE}:
        return [f"exit {code}, the record says {int(expected)}"]
    return []


def check_store(home: Path, *, killed: bool) -> list[str]:
    """Every blob is what its name says, and no half of a file is there unless its writer was killed."""
    wrong = []
    for path in (home / "store").rglob("*"):
        if not path.is_file() or path.name == "baselines.jsonl":
            continue
        if path.name.endswith(".part") or path.parent.name.startswith(".link."):
            if not killed:
                wrong.append(f"half a file in the store: {path.name}")
        elif len(path.name) != 64 or file_sha256(path) != path.name:
            wrong.append(f"the store does not verify: {path.name}")
    return wrong


def check_shelf(address: Path | str, *, orderly: bool) -> list[str]:
    """No lease is active, and nobody holds on to anything.

    `orderly`: no run was killed or cut off from the shelf, so that each has given back what it had by itself. After
    another end that is left to whoever looks next: leases of the dead expire.
    """
    if isinstance(address, Path) and not address.exists():
        return []
    place = parse_address(str(address))
    if orderly and (left := _left_on(place)):
        return left
    with Shelf(place) as shelf:
        shelf.reconcile()
        leases, living = shelf.leases(), shelf.holders()
    return _complaints(leases, [holder.holder for holder in living])


def _left_on(place: Address) -> list[str]:
    """What stands in the tables, whether or not those that left it are alive."""
    database = Database(place)
    joined = sa.select(holders.c.id).where(holders.c.state == JOINED)
    try:
        leases = database.read(active_leases)
        return _complaints(leases, database.read(lambda t: t.execute(joined).scalars().all()))
    finally:
        database.close()


def _complaints(leases: Iterable[Lease], names: Iterable[str]) -> list[str]:
    left = [f"lease left: {lease.device} slot {lease.slot} epoch {lease.epoch}" for lease in leases]
    return left + [f"holder left: {name}" for name in names]


def leftovers(worker: Worker) -> list[str]:
    """What is on a worker and should not be, once its agents have ended."""
    found = [f"{worker.name}: process {pid} {command_line(pid)}" for pid in worker.guests()]
    known = {entry.split()[2] for entry in found}
    found += [f"{worker.name}: job's process {pid}" for pid in worker.jobs() if str(pid) not in known]
    root = worker.view
    found += [f"{worker.name}: job folder {name}" for name in worker.started()]
    prefix = scratch_prefix(worker.work_folder)
    scratch = [path for place in SCRATCH for path in place.glob(f"{prefix}*")]
    found += [f"{worker.name}: temporary file {path}" for path in scratch]
    for path in _files(root):
        if ".part" in path.name or (path.parent.name == "code" and path.name.startswith(".")):
            found.append(f"{worker.name}: half a file {path.relative_to(root)}")
        if path.parent.name == "slots" and path.suffix == ".lock" and _held(path):
            found.append(f"{worker.name}: slot {path.stem} is held")
    return found


def check_worker(worker: Worker, *, hit: bool, slots: int) -> tuple[list[str], bool]:
    """What is left there after the time its agents need, and whether it took the next visit to tidy up.

    `hit`: its agent was killed or its power was cut, so that only whoever comes next can tidy up.
    """
    if worker.running and eventually(lambda: not leftovers(worker), 2.0 if hit else TIDY_S):
        return [], False
    if not hit:
        return leftovers(worker), False
    if not worker.running:
        worker.start()
    worker.link.reset()  # a cut that did not come yet is for the run, not for this visit
    with suppress(ClosetError):
        contact(worker.device(slots))
    eventually(lambda: not leftovers(worker), TIDY_S)
    return leftovers(worker), True


def _files(root: Path) -> Iterable[Path]:
    with suppress(OSError):
        for name in ("blobs", "code", "slots", "cache", "."):
            yield from (root / name).glob("*")


def _held(path: Path) -> bool:
    try:
        with path.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
