"""What the status says as metrics: nothing where there is nothing to say, and no name that breaks the format."""

from __future__ import annotations

import math
import re

from bridge.contract import Chunk
from capture.recording.recorder import RecorderStatus
from realmaster.outputs.page.metrics import metrics_text
from realmaster.stream.stats import MAX_STAGES, Stats

SAMPLE = re.compile(r'realmaster_[a-z0-9_]+(\{[a-z]+="([^"\\\n]|\\["\\n])*"\})? (NaN|[+-]Inf|-?[0-9.e+-]+)')


def chunk(**stages: float) -> Chunk:
    return Chunk(sequence=0, segment=0, start=0, valid=1, width=1, height=1, stage_ms=stages, period_ms=1.0)


def test_what_is_not_recorded_has_no_figures():
    stats = Stats(recording=RecorderStatus())
    text = metrics_text(stats, 1.0).decode()
    for name in ("disk_free_bytes", "recording_bytes", "behind_now_seconds", "last_capture_seconds"):
        assert name not in text
    assert "realmaster_recording 0.0\n" in text
    stats.recording = RecorderStatus(path="take", bytes=5)
    text = metrics_text(stats, 1.0).decode()
    assert "realmaster_recording_bytes 5.0\n" in text and "disk_free" not in text, "not looked at yet"
    stats.recording = RecorderStatus(path="take", free_bytes=7)
    assert "realmaster_disk_free_bytes 7.0\n" in metrics_text(stats, 1.0).decode()
    stats.captured, stats.behind = 3.0, 0.5
    assert "realmaster_behind_now_seconds 0.5\n" in metrics_text(stats, 1.0).decode()


def test_no_name_breaks_out_of_its_line():
    stats = Stats()
    for bad in ('x"} 1\nrealmaster_server_up 0', "back\\slash", 'a game "called" so', "\u2028"):
        stats.dropped[bad] = 1
        stats.remember(bad, 1.0)
    stats.behind, stats.captured = math.inf, math.nan
    lines = metrics_text(stats, 1.0).decode().removesuffix("\n").split("\n")
    assert all(line.startswith(("# TYPE ", "# HELP ")) or SAMPLE.fullmatch(line) for line in lines), lines
    assert sum(line.startswith("realmaster_server_up") for line in lines) == 1


def test_stages_that_a_server_makes_up_without_end_are_not_kept():
    stats = Stats()
    for i in range(1000):
        stats.arrived(chunk(**{f"s{i}": 1.0}))
    assert len(stats.stage_ms) == len(stats.history) == MAX_STAGES


def test_troubles_are_in_the_status_and_its_line():
    stats = Stats(server="", troubles=("the recorder has failed and works no more: no luck",))
    assert "the recorder has failed" in stats.line(1.0)
    assert stats.snapshot(1.0)["troubles"] == list(stats.troubles)
    assert "realmaster_troubles 1.0\n" in metrics_text(stats, 1.0).decode()
    stats.source = "waiting for a game"
    assert "the recorder has failed" in stats.line(1.0)
