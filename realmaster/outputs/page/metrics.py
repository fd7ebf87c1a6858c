"""The status as text that Prometheus and its kin read (exposition format 0.0.4).

What there is nothing to say about is absent, never 0: an alert on a full disk must not fire when nothing is recorded.
"""

from __future__ import annotations

import math
import re

from realmaster.stream.stats import Stats


def metrics_text(stats: Stats, now: float) -> str:
    """One sample a line; counters end in _total, times are seconds."""
    lines: list[str] = []

    def family(name: str, kind: str, samples: dict[str, float], label: str = "") -> None:
        lines.append(f"# TYPE realmaster_{name} {kind}")
        for key, value in samples.items():
            labels = f'{{{label}="{_escaped(key)}"}}' if label else ""
            lines.append(f"realmaster_{name}{labels} {_number(value)}")

    def single(name: str, kind: str, value: float) -> None:
        family(name, kind, {"": value})

    single("frames_read_total", "counter", stats.read)
    single("frames_shown_total", "counter", stats.shown)
    family("frames_dropped_total", "counter", {k: float(v) for k, v in sorted(dict(stats.dropped).items())}, "cause")
    single("fps_in", "gauge", stats.rate_in.value(now))
    single("fps_out", "gauge", stats.rate_out.value(now))
    if stats.captured:
        single("behind_now_seconds", "gauge", stats.behind)
        single("last_capture_seconds", "gauge", stats.captured)
    single("server_up", "gauge", float(not stats.server))
    single("guides_ok", "gauge", float(not stats.guides))
    single("source_up", "gauge", float(not stats.source))
    single("troubles", "gauge", len(stats.troubles))
    for name, row in stats.quantiles().items():
        family(f"{_word(name)}_seconds", "summary", {q.replace("p", "0."): ms / 1e3 for q, ms in row.items()},
               "quantile")
    if (r := stats.recording) is not None:
        single("recording", "gauge", float(bool(r.path)))
        single("replay_bytes", "gauge", r.replay_bytes)
        if r.path:
            single("recording_bytes", "gauge", r.bytes)
            single("recording_lost_frames", "gauge", r.lost)
        if r.path and r.free_bytes:  # it is looked at a moment after the beginning
            single("disk_free_bytes", "gauge", r.free_bytes)
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """A label's value as the format wants it."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _word(text: str) -> str:
    """Any text as a part of a metric's name."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def _number(value: float) -> str:
    """The format's own words for what is no finite number."""
    if math.isfinite(value):
        return f"{value:.10g}"
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
