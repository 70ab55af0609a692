"""What Prometheus is told: the closet as it is when asked, and how fast pages are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from harness.domain import Health
from harness.serve.closet import Closet

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Figures:
    """The registry of one dashboard: nothing of other programs' figures in this process is in it."""

    def __init__(self, closet: Closet, viewers: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Present(closet, viewers))
        self.answers = Histogram(
            "closet_http_answer_seconds",
            "How long pages took to answer.",
            ("page", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _Present(Collector):
    def __init__(self, closet: Closet, viewers: Callable[[], int]) -> None:
        self._closet, self._viewers = closet, viewers

    def collect(self) -> Iterator[Metric]:
        """The closet as it is."""
        present = self._closet.present()
        devices = GaugeMetricFamily("closet_devices", "Devices by state.", labels=["state"])
        states = [device.health.state for device in present.devices]
        for state in Health:
            devices.add_metric([state.value], states.count(state))
        yield devices
        yield GaugeMetricFamily(
            "closet_leases", "Device slots that runs have.", value=sum(len(device.held) for device in present.devices)
        )
        yield GaugeMetricFamily("closet_holders", "Runs that use the shelf.", value=len(present.holders))
        yield GaugeMetricFamily(
            "closet_slots_wanted",
            "Slots that runs could use and do not have.",
            value=sum(want.count for holder in present.holders for want in holder.wants),
        )
        yield GaugeMetricFamily(
            "closet_runs_running", "Runs that go on.", value=sum(view.alive for view in present.running)
        )
        gate = GaugeMetricFamily("closet_last_run_exit_code", "Exit code of a suite's last run.", labels=["suite"])
        began = GaugeMetricFamily("closet_last_run_start_seconds", "When it began, Unix time.", labels=["suite"])
        took = GaugeMetricFamily("closet_last_run_duration_seconds", "How long it took.", labels=["suite"])
        jobs = GaugeMetricFamily("closet_last_run_jobs", "Its jobs by verdict.", labels=["suite", "verdict"])
        for run in present.latest:
            gate.add_metric([run.suite], run.exit_code)
            began.add_metric([run.suite], run.started_s)
            took.add_metric([run.suite], run.duration_s)
            for verdict in ("passed", "failed", "errors", "quarantined"):
                jobs.add_metric([run.suite, verdict], getattr(run.counts, verdict))
        yield from (gate, began, took, jobs)
        yield GaugeMetricFamily("closet_dashboard_viewers", "Browsers that watch live.", value=self._viewers())
