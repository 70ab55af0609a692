"""Figures of the corpus index: how fast logs get into it, and how fast minutes are found in it."""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.bench.clock import best_cpu_s
from harness.bench.drive_log import FIRST_T_NS, drive_log
from harness.bench.drives import segment_id
from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.errors import ClosetError
from harness.recording.corpus import CORPUS_FILE, Corpus, DisablingRow
from harness.recording.corpus_columns import Value
from harness.recording.corpus_query import parse_query
from harness.recording.log_writer import encode_event, write_log

_LOG_MB = 10.0
_WORKERS = 2
_QUERIES = (
    'soft_disables > 0 and brand = "toyota"',
    'event = "commIssue" and not night',
    'max_lateral_mps2 > 2.9 or car like "%CIVIC%" and engaged_s > 55',
)
_SOFT = {"steerTempUnavailable": 8.0, "commIssue": 21.0, "excessiveActuation": 43.0}


def indexed_logs(bench: Workbench) -> float:
    """Logs of 10 MB that two processes index in a minute, by the processor time of all that takes part."""
    logs = 16 if bench.scale.segments > 2 else 4
    folder = bench.made(f"corpus-of-{logs}", lambda folder: _write_logs(folder, logs, bench.scale.log_messages))
    packed_mb = sum(path.stat().st_size for path in folder.rglob("rlog.zst")) / logs / 1e6

    def index() -> float:
        begin_s = all_cpu_s()
        with Corpus(bench.fresh("corpus") / CORPUS_FILE) as corpus:
            report = corpus.index([folder], workers=_WORKERS)
            found = corpus.find(parse_query("soft_disables = 3"), ["segment"])
        if report.read != logs or report.broken or len(found) != logs:
            raise ClosetError("the bench's logs were not indexed as they are", where=str(folder))
        return all_cpu_s() - begin_s

    wall_s = time.monotonic()
    goes = max(1, bench.scale.repeats // 2)
    taken_s = min(index() for _ in range(goes))
    wall_s = (time.monotonic() - wall_s) / goes
    bench.tell(f"{logs} logs of {packed_mb:.1f} MB: {taken_s:.2f} s of processor time, {wall_s:.2f} s by the clock")
    return _WORKERS * 60 * logs / taken_s * packed_mb / _LOG_MB


def all_cpu_s() -> float:
    """Processor seconds of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def find_time(bench: Workbench) -> float:
    """Milliseconds of the slowest of three expressions over all segments, all their rows fetched."""
    rows = bench.scale.corpus_rows
    with Corpus(bench.fresh("corpus") / CORPUS_FILE) as corpus:
        begin_s = time.perf_counter()
        corpus.add(_made_rows(rows))
        bench.tell(f"made {rows} rows in {time.perf_counter() - begin_s:.1f} s")
        slowest_s = 0.0
        for text in _QUERIES:
            query = parse_query(text)
            columns = ("segment", "car")
            taken_s = best_cpu_s(functools.partial(corpus.find, query, columns), bench.scale.repeats)
            found = len(corpus.find(query, columns))
            bench.tell(f"{text}: {found} segments in {taken_s * 1e3:.1f} ms")
            slowest_s = max(slowest_s, taken_s)
    return slowest_s * 1e3


def _write_logs(folder: Path, count: int, messages: int) -> None:
    """One log, a number of times: each as large, packed, as a device's."""
    content = drive_log(60.0 * messages / 100_000, messages, seed=1)
    events = []
    for name, at_s in _SOFT.items():
        for later_s, listed in ((0.0, [{"name": name, "softDisable": True, "noEntry": True}]), (1.0, [])):
            t_ns = FIRST_T_NS + round((at_s * messages / 100_000 + later_s * messages / 100_000) * 1e9)
            events.append(encode_event("onroadEvents", t_ns, listed))
    first = folder / segment_id(0).folder_name / "rlog.zst"
    first.parent.mkdir()
    write_log(first, [content, *events])
    lacking = round(_LOG_MB * 1e6 * messages / 100_000) - first.stat().st_size
    write_log(first, [content, *events, *_noise(lacking)])
    for number in range(1, count):
        path = folder / segment_id(number).folder_name / "rlog.zst"
        path.parent.mkdir()
        path.write_bytes(first.read_bytes())


def _noise(size_bytes: int) -> list[bytes]:
    """Messages that cannot be compressed: what brings a log to the size of a device's."""
    rng = np.random.default_rng(2)
    each = 20_000
    return [encode_event("ubloxRaw", FIRST_T_NS + number, rng.bytes(each)) for number in range(size_bytes // each)]


def _made_rows(count: int) -> Iterator[tuple[dict[str, Value], list[DisablingRow]]]:
    rng = np.random.default_rng(3)
    cars = [("toyota", "TOYOTA_RAV4"), ("toyota", "TOYOTA_PRIUS"), ("honda", "HONDA_CIVIC"), ("hyundai", "KIA_EV6")]
    events = list(_SOFT)
    for number in range(count):
        brand, car = cars[int(rng.integers(len(cars)))]
        soft = int(rng.integers(40) == 0)
        name = events[int(rng.integers(len(events)))]
        route = f"be0c4be0c4be0c4b/{number // 20:08x}--be0c4be0c4"
        values: dict[str, Value] = {
            "segment": f"{route}/{number % 20}", "route": route, "dongle": "be0c4be0c4be0c4b", "number": number % 20,
            "soft_disables": soft, "immediate_disables": 0, "user_disables": int(rng.integers(3)), "brand": brand,
            "car": car, "device": "mici", "version": "0.11.2", "length_s": 60.0, "engaged_s": float(rng.uniform(0, 60)),
            "engaged_m": 900.0, "distance_m": 1200.0, "max_speed_mps": float(rng.uniform(5, 35)),
            "mean_speed_mps": 20.0,
            "min_curvature": -0.001, "max_curvature": 0.002, "max_lateral_mps2": float(rng.uniform(0, 3)),
            "standstill_s": 0.0, "left_blinker_s": 0.0, "right_blinker_s": 0.0, "night": int(rng.integers(2)),
            "night_by": "sun", "sun_deg": 11.0, "wall_time": "2026-01-02T03:04:05Z", "log": "rlog",
            "soft_disable_events": f" {name} " if soft else "", "immediate_disable_events": "",
            "user_disable_events": "", "soft_disables_any": soft, "files": " rlog qlog fcamera ecamera ",
            "commit_id": "4be007" * 6, "branch": "release", "damage": "", "error": "",
            "place": f"/data/drives/be0c4be0c4be0c4b_{number // 20:08x}--be0c4be0c4--{number % 20}",
        }  # fmt: skip
        yield values, [("softDisable", name, 20.0, 21.0, True, "recovered")] * soft


FIGURES = (
    Figure("corpus index", "rlogs of 10 MB a minute", 50.0, Better.HIGHER, indexed_logs),
    Figure("corpus find", "ms in 100 000 segments", 100.0, Better.LOWER, find_time),
)
