"""One scenario from its seed to its violations: workers on, faults armed, a run, a look at everything afterwards."""

from __future__ import annotations

import compileall
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.closet.agent.cache import unpack_files
from harness.closet.agent.removal import MARKER
from harness.closet.code_bundle import code_bundle
from harness.domain import Device
from harness.files import write_text
from harness.pipeline.shelf import SHELF_FILE
from harness.shelf import Shelf
from tests.chaos.checker import check_exit, check_shelf, check_store, check_verdicts, check_worker
from tests.chaos.clock import fake_clock
from tests.chaos.corpus import DEADLINES_S, Corpus
from tests.chaos.faults import SERVER, Kind, Scenario, Setting
from tests.chaos.injectors import Injector, impossible
from tests.chaos.link import Loop
from tests.chaos.nursery import Nursery
from tests.chaos.orchestrator import Orchestrator
from tests.chaos.server import DatabaseServer
from tests.chaos.workers import BoxedWorker, EmulatedWorker, Worker, boxes_possible

_STALLED_S = 150.0
_STEP_S = 0.03
_HIT = frozenset({Kind.AGENT_KILLED, Kind.POWER_CUT, Kind.AGENT_FROZEN, Kind.FROZEN})
_FROM_THE_SHELF = SERVER | {Kind.DATABASE_LOCKED}


@dataclass(slots=True)
class Result:
    """What came of a scenario."""

    scenario: Scenario
    violations: list[str] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)
    jobs: int = 0
    runs: int = 0
    swept_later: int = 0
    seconds: float = 0.0
    said: str = ""


class Floor:
    """Workers that outlive scenarios, so that not every one has to start its own. A context manager."""

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._folder, self._corpus = folder, corpus
        self._stack = ExitStack()
        self._workers: dict[tuple[Setting, int], Worker] = {}
        self._used = folder / "used"
        self._database: DatabaseServer | None = None
        self._proof = corpus.folder / f"proof-{code_bundle()[0].sha256[:16]}"
        self.no_boxes = boxes_possible()

    def __enter__(self) -> Floor:
        self._loop = self._stack.enter_context(Loop())
        self._nursery = self._stack.enter_context(Nursery())
        write_used(self._used, self._corpus)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def play(self, scenario: Scenario) -> Result:
        """Carry a scenario out and look at what is left."""
        result = Result(scenario)
        playable = self._playable(scenario, result)
        folder = Path(tempfile.mkdtemp(prefix=f"scenario-{scenario.seed}-", dir=self._folder))
        began = time.monotonic()
        workers = [self._worker(playable.setting, number) for number in range(playable.workers)]
        server = self._server() if playable.with_server else None
        address: Path | str = folder / "home" / SHELF_FILE if server is None else server.new_shelf()
        injector = Injector(playable, workers, folder, server)
        orchestrators: list[Orchestrator] = []
        try:
            self._switch_on(playable, workers, injector)
            orchestrators = self._orchestrators(playable, workers, injector, folder, address)
            injector.arm(orchestrators)
            for each in orchestrators:
                if not each.running:
                    each.run()
            result.violations += _watch(orchestrators, injector)
            injector.end()
            refused = [each for each in orchestrators if each.refused]
            for each in refused:  # as whoever was told so does once the database is back
                each.resume()
            result.violations += _watch(refused, injector)
            self._check(playable, workers, injector, orchestrators, folder, address, result)
        finally:
            injector.end()
            for each in orchestrators:
                if each.running:
                    each.kill()
            if result.violations:
                result.said = "\n".join(each.said.read_text(errors="replace")[-6000:] for each in orchestrators)
            for worker in workers:
                if result.violations or worker.special or not worker.running:
                    worker.end()
            shutil.rmtree(folder, ignore_errors=True)
        result.seconds = time.monotonic() - began
        return result

    def _playable(self, scenario: Scenario, result: Result) -> Scenario:
        """The scenario without what this machine cannot do, which is said."""
        reasons = impossible(scenario)
        if scenario.setting is Setting.OPENSSH and self.no_boxes:
            kinds = (Kind.CABLE, Kind.DISK_FULL, Kind.FEW_SESSIONS)
            reasons |= {fault.kind: self.no_boxes for fault in scenario.of(*kinds)}
            scenario = replace(scenario, setting=Setting.EMULATED)
        result.skipped = {str(kind): why for kind, why in reasons.items()}
        return replace(scenario, faults=tuple(fault for fault in scenario.faults if fault.kind not in reasons))

    def _worker(self, setting: Setting, number: int) -> Worker:
        key = (setting, number)
        if key not in self._workers:
            name = f"{'boxed' if setting is Setting.OPENSSH else 'emulated'}-{number + 1:02d}"
            folder = self._folder / name
            if setting is Setting.OPENSSH:
                self._workers[key] = BoxedWorker(name, folder, self._loop, number)
            else:
                self._workers[key] = EmulatedWorker(name, folder, self._loop)
            self._stack.callback(self._workers[key].close)
        return self._workers[key]

    def _server(self) -> DatabaseServer:
        """The floor's database server, which is on."""
        if self._database is None:
            self._database = DatabaseServer(self._folder / "database", self._loop)
            self._stack.callback(self._database.close)
        self._database.start()
        return self._database

    def _switch_on(self, scenario: Scenario, workers: Sequence[Worker], injector: Injector) -> None:
        special = scenario.of(Kind.DISK_FULL, Kind.FEW_SESSIONS)
        for number, worker in enumerate(workers):
            worker.wipe()
            if any(fault.worker == number for fault in special) and worker.running:
                worker.end()
        injector.prepare()
        for worker in workers:
            if not worker.running:
                worker.start()
            if scenario.warm:
                shutil.copytree(self._used, worker.view, dirs_exist_ok=True)

    def _orchestrators(
        self, scenario: Scenario, workers: Sequence[Worker], injector: Injector, folder: Path, address: Path | str
    ) -> list[Orchestrator]:
        shelf = folder / "devices.yaml"
        shelf.write_text(devices_yaml([worker.device(scenario.slots) for worker in workers]))
        segments = [self._corpus.segments[number] for number in scenario.segments]
        suite = self._corpus.suite(DEADLINES_S[0] if scenario.count(Kind.HUNG_JOB) else DEADLINES_S[1])
        if scenario.proved:
            self._prove(address, [worker.name for worker in workers])
        clock = injector.clock_environment
        environment = {} if isinstance(address, Path) else {"CLOSET_SHELF": address}
        shares = [segments[::2], segments[1::2]] if scenario.count(Kind.RIVAL) else [segments]
        return [
            Orchestrator(
                folder / "home",
                folder / "runs" / f"run-{number}",
                suite,
                shelf,
                share,
                self._nursery,
                environment | (fake_clock(clock) if clock is not None else {}),
            )
            for number, share in enumerate(shares, 1)
        ]

    def _prove(self, address: Path | str, workers: Sequence[str]) -> None:
        """What the shelf knows when these workers passed their canaries a moment ago, if any worker ever did."""
        if self._proof.exists():
            with Shelf(address) as shelf:
                for name in workers:
                    shelf.canary_passed(name, self._proof.read_text())

    def _keep_proof(self, address: Path | str) -> None:
        """With what a canary was passed, for scenarios to come."""
        if self._proof.exists() or (isinstance(address, Path) and not address.exists()):
            return
        with Shelf(address) as shelf:
            passed = [health.runtime for health in shelf.healths().values() if health.canary_at is not None]
        if passed:
            write_text(self._proof, passed[0])

    def _check(
        self,
        scenario: Scenario,
        workers: Sequence[Worker],
        injector: Injector,
        orchestrators: Sequence[Orchestrator],
        folder: Path,
        address: Path | str,
        result: Result,
    ) -> None:
        fired = injector.happened()
        result.fired = [str(fault.kind) for fault in fired]
        wrong = result.violations
        for each in orchestrators:
            result.runs += 1 + each.kills
            expected = {segment: self._corpus.expected[segment] for segment in each.only}
            if not each.recorded:
                wrong.append(f"no record, exit {each.exit_codes[-1:]}: {each.said.read_text(errors='replace')[-2000:]}")
                continue
            record = each.record()
            result.jobs += len(expected)
            for entry in record.results:
                result.verdicts[entry.verdict] = result.verdicts.get(entry.verdict, 0) + 1
            wrong += check_verdicts(record, expected, fired)
            wrong += check_exit(record, each.exit_codes[-1] if each.exit_codes else -1)
        wrong += check_store(folder / "home", killed=any(each.kills for each in orchestrators))
        cut_off = any(fault.kind in _FROM_THE_SHELF for fault in fired)
        wrong += check_shelf(address, orderly=not cut_off and not any(each.kills for each in orchestrators))
        wrong += ["nothing was said of a database that did not answer"] if injector.unheard else []
        self._keep_proof(address)
        for number, worker in enumerate(workers):
            hit = any(fault.worker == number and fault.kind in _HIT for fault in fired)
            left, later = check_worker(worker, hit=hit, slots=scenario.slots)
            wrong += left
            result.swept_later += later


def _watch(orchestrators: Sequence[Orchestrator], injector: Injector) -> list[str]:
    """Let things go wrong until all have ended; a run that does not end is told with what its threads were doing."""
    until = time.monotonic() + _STALLED_S
    while any(each.running for each in orchestrators) and time.monotonic() < until:
        injector.step()
        time.sleep(_STEP_S)
    stalled = [f"stalled: {each.stacks()}" for each in orchestrators if each.running]
    for each in orchestrators:
        each.wait()
    return stalled


def devices_yaml(devices: Sequence[Device]) -> str:
    """The devices as a person would write them down."""
    entries = {
        device.name: {
            "kind": device.kind.value,
            "address": device.address,
            "port": device.port,
            "user": device.user,
            "key": device.key_path,
            "host_key": device.host_key,
            "work_folder": device.work_folder,
            "python": device.python,
            "slots": device.slots,
        }
        for device in devices
    }
    return json.dumps({"devices": entries}, indent=1) + "\n"  # JSON is YAML


def write_used(folder: Path, corpus: Corpus) -> None:
    """What a worker holds that has been here before: the recordings, the rule sets and the program, which has run."""
    blob, program = code_bundle()
    (folder / "blobs").mkdir(parents=True)
    (folder / MARKER).touch()
    for content in (*(path.read_bytes() for path in corpus.blobs()), program):
        (folder / "blobs" / hashlib.sha256(content).hexdigest()).write_bytes(content)
    with tarfile.open(fileobj=io.BytesIO(program)) as archive:
        (folder / "code").mkdir()
        unpack_files(archive, folder / "code" / blob.sha256)
    compileall.compile_dir(folder / "code", quiet=1)
