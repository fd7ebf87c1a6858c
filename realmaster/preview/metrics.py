"""The status as text that Prometheus and its kin read (exposition format 0.0.4)."""

from __future__ import annotations

from realmaster.stats import Stats


def metrics_text(stats: Stats, now: float) -> str:
    """One sample a line; counters end in _total, times are seconds."""
    lines: list[str] = []

    def family(name: str, kind: str, samples: dict[str, float], label: str = "") -> None:
        lines.append(f"# TYPE realmaster_{name} {kind}")
        for key, value in samples.items():
            labels = f'{{{label}="{key}"}}' if label else ""
            lines.append(f"realmaster_{name}{labels} {value:.10g}")

    def single(name: str, kind: str, value: float) -> None:
        family(name, kind, {"": value})

    single("frames_read_total", "counter", stats.read)
    single("frames_shown_total", "counter", stats.shown)
    family("frames_dropped_total", "counter", {k: float(v) for k, v in sorted(stats.dropped.items())}, "cause")
    single("fps_in", "gauge", stats.rate_in.value(now))
    single("fps_out", "gauge", stats.rate_out.value(now))
    single("behind_now_seconds", "gauge", stats.behind)
    single("last_capture_seconds", "gauge", stats.captured)
    single("server_up", "gauge", float(not stats.server))
    single("guides_ok", "gauge", float(not stats.guides))
    single("source_up", "gauge", float(not stats.source))
    for name, row in stats.quantiles().items():
        family(f"{name}_seconds", "summary", {q.replace("p", "0."): ms / 1e3 for q, ms in row.items()}, "quantile")
    if (r := stats.recording) is not None:
        single("recording", "gauge", float(bool(r.path)))
        single("recording_bytes", "gauge", r.bytes)
        single("recording_lost_frames", "gauge", r.lost)
        single("replay_bytes", "gauge", r.replay_bytes)
        single("disk_free_bytes", "gauge", r.free_bytes)
    return "\n".join(lines) + "\n"
