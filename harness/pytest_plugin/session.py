"""One pytest session with `--closet`: what is collected, when the runs begin and end, what is said at the end."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from harness.cli.options import shown_path
from harness.domain import DeviceKind
from harness.errors import ClosetError, NothingToRunError
from harness.pytest_plugin.board import Board
from harness.pytest_plugin.choosing import TRIAL, TrialOfSuite, select, suite_id, suite_of
from harness.pytest_plugin.endings import exit_code, summary_lines
from harness.pytest_plugin.explaining import explain
from harness.pytest_plugin.items import CheckItem, ClosetItem
from harness.pytest_plugin.nodes import suite_file
from harness.pytest_plugin.running import Planned, Results, Runs, plan_run
from harness.pytest_plugin.selection import CLAIMS, Selection, narrowed, own_id, select_by_ids
from harness.pytest_plugin.suites import LoadedSuite, Suites, looks_like_suite
from harness.pytest_plugin.xdist_scheduling import trial_scheduling
from harness.trace import Trace
from harness.verdict import RunRecord

SESSION = pytest.StashKey["ClosetSession"]()
_BOARD = "closet_board"


class ClosetSession:
    """Hooks of a session. Of several processes (pytest-xdist) the one that hands out the tests runs the pool."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.suites = Suites(config)
        self.results: Results | None = None
        self._runs: Runs | None = None
        self.traces: list[Trace] = []
        self._said: list[str] = []
        self._failures = 0
        self._selections: dict[Path, Selection] = {}
        self._before: dict[int, Any] = {}
        worker = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        self._posts = tempfile.TemporaryDirectory(prefix="closet-") if worker is None else None
        if worker is not None:
            self.results = Board(Path(worker[_BOARD]))
        config.stash[SESSION] = self
        for name in ("closet(segment, replayer, check, kind)", CLAIMS, *(kind.value for kind in DeviceKind)):
            config.addinivalue_line("markers", f"{name}: of the closet's suites")

    # What nodes ask of their session.

    def say(self, words: str) -> None:
        """Tell a person at the end of the session."""
        self._said.append(words)

    def folder_of(self, suite: Path) -> str:
        """Where the run of a suite is kept, as a person would type it; empty where none was begun."""
        if isinstance(self.results, Board):
            folder = self.results.folder(suite)
        else:
            planned = self._runs.planned if self._runs else ()
            folder = next((entry.folder for entry in planned if entry.suite == suite), None)
        return shown_path(folder) if folder else ""

    def unselected_trials(self, suite: Path) -> tuple[int, int]:
        """How many trials of a suite are not selected, and how many it has."""
        total = len(self.suites.load(suite).prepared.plan.trials)
        selection = self._selections.get(suite)
        return total - (len(selection.trials) if selection else 0), total

    # Collection.

    def pytest_report_header(self) -> str:
        """Which shelf."""
        return f"closet: {self._config.option.closet}"

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """A suite that was named, or in a folder that was any YAML file that says it is one."""
        named = parent.session.isinitpath(file_path) and file_path.suffix in {".yaml", ".yml"}
        return suite_file(parent, file_path, self) if named or looks_like_suite(file_path) else None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A person's own test of traces runs for every trial of the suites named beside it."""
        if TRIAL not in metafunc.fixturenames:
            return
        named = self.suites.named()
        if not named:
            raise pytest.UsageError(
                f"{metafunc.definition.nodeid} wants traces, and no suite is named: "
                "pytest suites/pr.yaml test_mine.py --closet devices.yaml"
            )
        found = [TrialOfSuite(suite, trial) for suite in map(self._load, named) for trial in suite.prepared.plan.trials]
        ids = [own_id(each.suite.prepared.plan.suite, each.trial) for each in found]
        metafunc.parametrize(TRIAL, found, ids=ids, indirect=True)

    def _load(self, path: Path) -> LoadedSuite:
        try:
            return self.suites.load(path)
        except ClosetError as error:
            raise pytest.UsageError(str(error)) from error

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Which items have their replay's time, and what is selected of each suite."""
        led: set[tuple[Path, str]] = set()
        for item in session.items:
            if isinstance(item, CheckItem):
                key = item.suite.path, item.trial.name
                item.leads = key not in led
                led.add(key)
        for suite in {suite.path: suite for suite in map(suite_of, session.items) if suite is not None}.values():
            self._selections[suite.path] = select(session.items, suite)

    # The runs.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Start with what is selected, unless another process does or nothing is to be run."""
        dealt_out = self._config.pluginmanager.hasplugin("dsession")
        broken = session.testsfailed and not self._config.option.continue_on_collection_errors
        if not (self._is_worker or dealt_out or broken or self._config.option.collectonly):
            self._start()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process of pytest-xdist where results are posted."""
        node.workerinput[_BOARD] = self._posts.name if self._posts else ""

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """The first of the processes knows what is selected, and they all know the same: start."""
        if self._runs is not None or self._config.option.collectonly:
            return
        for path in {(self._config.rootpath / node_id.partition("::")[0]) for node_id in ids} | set(
            self.suites.named()
        ):
            if path.suffix not in {".yaml", ".yml"} or not path.is_file():
                continue
            try:
                suite = self.suites.load(path)
            except NothingToRunError as error:
                self.say(f"nothing to run: {error}")
                continue
            except ClosetError:  # the processes that collect tell of it
                continue
            selection = select_by_ids(suite.prepared, suite_id(ids, suite.path, self._config), ids)
            if selection.trials:
                self._selections[suite.path] = selection
        self._start()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Unless somebody chose otherwise, the checks of one trial go to one process."""
        return trial_scheduling(config, log) if config.getoption("dist", "no") == "load" else None

    def _start(self) -> None:
        planned = [
            plan_run(suite.request, narrowed(suite.prepared, selection), self.suites.home)
            for path, selection in sorted(self._selections.items())
            for suite in [self.suites.load(path)]
            if selection.trials
        ]
        board = None
        if self._posts is not None and self._config.pluginmanager.hasplugin("dsession"):
            board = Board(Path(self._posts.name))
            for entry in planned:
                board.begin(entry.suite, entry.folder)
        self._runs = Runs(planned, self.suites.home, listener=board)
        self.results = self._runs
        self._hear_terminations()
        self._runs.start()

    def _hear_terminations(self) -> None:
        """A build server that cancels sends SIGTERM: end as Ctrl-C does, with leases given back."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is signal.SIG_DFL:
                    self._before[number] = signal.signal(number, _interrupt)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """With -x and --maxfail the remote jobs end too."""
        self._failures += report.failed
        most = self._config.option.maxfail or 0
        if self._runs is not None and 0 < most <= self._failures:
            self._runs.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """An item's setup lasted as long as devices were busy with its trial, not as long as it waited for its turn.

        pytest asks an item to put a failure into words only when its test was called.
        """
        report = yield
        if isinstance(item, ClosetItem) and call.when == "setup" and call.excinfo is not None and report.failed:
            report.longrepr = item.repr_failure(call.excinfo)
        if isinstance(item, CheckItem) and call.when == "setup":
            report.duration = item.replay_s if item.leads else 0.0
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """End the runs, and see to it that a run that judged nothing is no success."""
        if self._runs is None:
            return
        cut_off = exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        if cut_off or session.shouldstop or session.shouldfail:
            self._runs.stop()
        try:
            self._runs.wait()
        except KeyboardInterrupt:
            self._runs.stop()
            self._runs.wait()
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = exit_code([record for _, record in self._ended()])

    def _ended(self) -> Iterable[tuple[Planned, RunRecord | None]]:
        return [(planned, self._runs.record(planned.suite)) for planned in self._runs.planned] if self._runs else []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The gate of each run, and how to look at it."""
        ended = self._ended()
        if not ended and not self._said:
            return
        terminalreporter.section("closet")
        for words in self._said:
            terminalreporter.write_line(words)
        for planned, record in ended:
            folder = shown_path(planned.folder)
            if record is None:
                terminalreporter.write_line(f"{shown_path(planned.suite)}: came to no record, in {folder}")
                continue
            for line in summary_lines(record, folder):
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind but the runs."""
        for number, handler in self._before.items():
            with suppress(ValueError):
                signal.signal(number, handler)
        self.suites.store.close()
        if self._posts is not None:
            self._posts.cleanup()

    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        """Two traces, or channels of them, that should be equal: where one leaves and comes back."""
        return explain(left, right, self.traces) if op == "==" else None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
