"""Gives the status as metrics in Prometheus' text format.

A value that is not known is left out and never 0, because an alert on a full disk must not fire while nothing is
recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from realmaster.stream.stats import Stats


class StatsCollector(Collector):
    """The metrics of `stats` at the time `now`, in seconds of the clock that `stats` was filled by."""

    def __init__(self, stats: Stats, now: float) -> None:
        self.stats, self.now = stats, now

    def collect(self) -> Iterator[Metric]:
        """Gives one metric family for each value."""
        yield CounterMetricFamily("realmaster_frames_read", "Frames read from the source.", self.stats.read)
        yield CounterMetricFamily("realmaster_frames_shown", "Frames shown.", self.stats.shown)
        dropped = CounterMetricFamily("realmaster_frames_dropped", "Frames dropped, by cause.", labels=["cause"])
        for cause, count in sorted(dict(self.stats.dropped).items()):
            dropped.add_metric([cause], count)
        yield dropped
        for name, (text, value) in self._gauges().items():
            yield GaugeMetricFamily(f"realmaster_{name}", text, value)
        for name, row in self.stats.quantiles().items():
            metric = f"realmaster_{re.sub(r'[^A-Za-z0-9_]', '_', name)}_seconds"
            family = Metric(metric, f"Quantiles of {re.sub(r'[^A-Za-z0-9_ ]', ' ', name)}.", "summary")
            for quantile, milliseconds in row.items():
                family.add_sample(metric, {"quantile": quantile.replace("p", "0.")}, milliseconds / 1e3)
            yield family

    def _gauges(self) -> dict[str, tuple[str, float]]:
        """The description and the value of each known metric, by name."""
        stats = self.stats
        found: dict[str, tuple[str, float]] = {
            "fps_in": ("Frames read a second.", stats.rate_in.value(self.now)),
            "fps_out": ("Frames shown a second.", stats.rate_out.value(self.now)),
            "server_up": ("1 if the server answers.", not stats.server),
            "guides_ok": ("1 if the game's buffers explain its picture.", not stats.guides),
            "source_up": ("1 if the source gives frames.", not stats.source),
            "troubles": ("Threads that have failed.", len(stats.troubles)),
        }
        if stats.captured:
            found["behind_now_seconds"] = ("How far the picture is behind the game.", stats.behind)
            found["last_capture_seconds"] = ("When the newest frame was captured.", stats.captured)
        if (recording := stats.recording) is not None:
            found["recording"] = ("1 while a recording runs.", bool(recording.path))
            found["replay_bytes"] = ("Memory that the last seconds take.", recording.replay_bytes)
            if recording.path:
                found["recording_bytes"] = ("Size of the recording so far.", recording.bytes)
                found["recording_lost_frames"] = ("Frames that the recording lacks.", recording.lost)
            if recording.path and recording.free_bytes:  # it is looked at a moment after the beginning
                found["disk_free_bytes"] = ("Room on the recording's disk.", recording.free_bytes)
        return {name: (text, float(value)) for name, (text, value) in found.items()}


def metrics_text(stats: Stats, now: float) -> bytes:
    """`stats` in Prometheus' text format. Times are in seconds."""
    registry = CollectorRegistry()
    registry.register(StatsCollector(stats, now))
    return generate_latest(registry)
