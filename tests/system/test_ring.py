"""The ring between real processes: crashes on either side, stale files, torn writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.errors import CaptureError, SourceEnded
from capture.frame import packed_size
from capture.ring import RingReader, RingWriter, ring_path
from capture.source import Pacing
from tests.conftest import moving_frames

GAME = """
import sys, time
import numpy as np
from capture.frame import color_frame, packed_size
from capture.ring import RingWriter
name, framelocked = sys.argv[1], sys.argv[2] == "locked"
image = np.zeros((360, 640, 3), np.uint8)
writer = RingWriter(name, packed_size(color_frame(0, 0, image)), framelocked=framelocked)
print("ready", flush=True)
i = 0
while True:
    image[:] = i % 256
    writer.publish(color_frame(i, time.monotonic_ns(), image))
    i += 1
"""


def start_game(ring: str, mode: str = "free") -> subprocess.Popen:
    game = subprocess.Popen([sys.executable, "-c", GAME, ring, mode], stdout=subprocess.PIPE, text=True)
    assert game.stdout is not None and game.stdout.readline() == "ready\n"
    return game


def kill(game: subprocess.Popen) -> None:
    game.send_signal(signal.SIGKILL)
    game.wait()
    assert game.stdout is not None
    game.stdout.close()


def test_no_frame_is_ever_torn_while_a_game_writes_at_full_speed(ring_name):
    game = start_game(ring_name)
    try:
        source = EngineSource(ring_name, Pacing.FREERUN)
        last, read = -1, 0
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            frame = source.read(1)
            if frame is None:
                continue
            assert (frame.rgb == frame.frame_id % 256).all(), "half of one frame, half of another"
            assert frame.frame_id > last
            if last >= 0:
                assert frame.frame_id - last - 1 == frame.dropped
            last, read = frame.frame_id, read + 1
        assert read > 20
        source.close()
    finally:
        kill(game)


def test_a_frame_locked_game_loses_nothing(ring_name):
    game = start_game(ring_name, "locked")
    try:
        source = EngineSource(ring_name, Pacing.FRAMELOCKED)
        frames = []
        while len(frames) < 100:
            if (frame := source.read(1)) is not None:
                frames.append(frame)
        first = frames[0].frame_id
        assert [f.frame_id for f in frames] == list(range(first, first + 100))
        source.close()
    finally:
        kill(game)


def test_a_killed_game_is_noticed_and_its_successor_found(ring_name):
    game = start_game(ring_name)
    source = EngineSource(ring_name)
    assert source.read(1) is not None
    kill(game)
    with pytest.raises(SourceEnded, match="crashed"):
        for _ in range(60):
            source.read(0.1)
    successor = start_game(ring_name)  # over the stale file that the crash left
    try:
        assert source.reader.replaced()
        again = EngineSource(ring_name)
        assert again.read(1) is not None
        again.close()
    finally:
        source.close()
        kill(successor)


def test_a_killed_reader_does_not_hold_a_frame_locked_game(ring_name):
    frames = moving_frames(3)
    writer = RingWriter(ring_name, packed_size(frames[0]), framelocked=True)
    writer.publish(frames[0])
    reader = RingReader(ring_name)  # attaches, and then never takes a frame
    assert writer.reader_alive()
    started = time.monotonic()
    writer.publish(frames[1])
    assert time.monotonic() - started < 10
    reader.close()
    writer.close()


def test_what_is_no_ring_is_refused(ring_name):
    with pytest.raises(CaptureError, match="start the game first"):
        RingReader(ring_name)
    path = ring_path(ring_name)
    for content in (b"", b"short", os.urandom(8192)):
        path.write_bytes(content)
        with pytest.raises(CaptureError, match="not a"):
            RingReader(ring_name)
    path.unlink()
    with pytest.raises(CaptureError, match="letters"):
        RingReader("../etc/passwd")


def test_a_frame_too_large_for_its_slot_is_refused_and_the_ring_lives_on(ring_name):
    small, large = moving_frames(1, 32, 24)[0], moving_frames(1, 320, 240)[0]
    writer = RingWriter(ring_name, packed_size(small))
    with pytest.raises(CaptureError, match="does not fit"):
        writer.publish(large)
    writer.publish(small)
    source = EngineSource(ring_name)
    frame = source.read(1)
    assert frame is not None and np.array_equal(frame.rgb, small.rgb)
    source.close()
    writer.close()
    assert not ring_path(ring_name).exists()
