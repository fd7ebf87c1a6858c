"""The loop, over real sockets and rings: nothing lost unsaid, and live equals offline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge.client import BridgeClient
from bridge.contract import RenderSettings
from capture.engine import EngineSource
from capture.errors import SourceEnded
from capture.frame import Flags, Frame, packed_size
from capture.recording.layout import About
from capture.recording.recorder import Recorder
from capture.ring import RingWriter
from capture.session import SessionSource
from capture.source import Pacing, SourceInfo
from capture.video.source import VideoSource
from realmaster.config import TINY, Model
from realmaster.errors import UserError
from realmaster.models.open import open_backend
from realmaster.stream.link import LocalLink
from realmaster.stream.session import Session
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats
from tests.conftest import moving_frames
from tests.contract.test_sources import write_video
from tests.fakes import TintBackend


class Keep:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.closed = False

    def show(self, shown: Shown, stats: Stats) -> None:
        self.shown.append(shown)

    def close(self) -> None:
        self.closed = True

    def photos(self) -> dict[int, np.ndarray]:
        return {s.frame.frame_id: s.photo for s in self.shown if s.photo is not None}


class Replay:
    """Frames kept in memory, as an offline source."""

    trouble = ""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = list(frames)
        width, height = frames[0].size
        self.info = SourceInfo("replay", width, height, None, live=False)

    def read(self, timeout: float) -> Frame | None:
        if not self.frames:
            raise SourceEnded("over")
        return self.frames.pop(0)

    def keep_alive(self) -> None:
        pass

    def close(self) -> None:
        pass


def offline(frames: list[Frame], backend) -> dict[int, np.ndarray]:
    keep = Keep()
    Session(Replay(frames), LocalLink(backend), [keep], RenderSettings, pacing=Pacing.FRAMELOCKED).run(lambda: False)
    assert keep.closed
    return keep.photos()


def play(ring: str, frames: list[Frame], fps: float, attached: threading.Event, locked: bool) -> threading.Thread:
    """A game in a thread: publishes at `fps`, then closes."""
    writer = RingWriter(ring, max(packed_size(f) for f in frames), framelocked=locked)

    def run() -> None:
        writer.publish(frames[0])
        attached.wait(10)
        pause = threading.Event()
        for frame in frames[1:]:
            pause.wait(1 / fps)
            writer.publish(Frame(frame.frame_id, time.monotonic_ns(), frame.buffers, flags=frame.flags))
        writer.close()

    thread = threading.Thread(target=run, daemon=True)  # a failed test must not wait for a reader that never came
    thread.start()
    return thread


def live(ring_name: str, frames: list[Frame], link, *, fps: float = 120,
         pacing: Pacing = Pacing.GENLOCKED, tap: Callable[[Frame], None] = lambda _: None) -> tuple[Keep, Stats]:
    attached = threading.Event()
    game = play(ring_name, frames, fps, attached, pacing is Pacing.FRAMELOCKED)
    source = EngineSource(ring_name, pacing)
    keep = Keep()
    session = Session(source, link, [keep], RenderSettings, pacing=pacing, max_fps=1000, tap=tap)
    attached.set()
    deadline = time.monotonic() + 60
    stats = session.run(lambda: time.monotonic() > deadline)
    game.join(10)
    return keep, stats


def accounted(stats: Stats) -> int:
    """Frames read, minus those shown and those dropped by a counted cause; ring losses were never read."""
    return stats.read - stats.shown - sum(n for cause, n in stats.dropped.items() if cause != "source")


@pytest.mark.parametrize("count", [1, 5, 13, 14, 21, 40])
def test_offline_gives_every_frame_once_and_in_order(count):
    frames = moving_frames(count)
    photos, beside = (offline(frames, TintBackend(pipelined=pipelined)) for pipelined in (False, True))
    assert list(photos) == list(beside) == list(range(count))
    assert all(np.array_equal(photos[i], beside[i]) for i in photos), "decoding beside the next window changes nothing"


def test_cuts_and_size_changes_lose_nothing_and_mix_nothing():
    frames = [*moving_frames(17), *moving_frames(9, 96, 64, first=17), *moving_frames(20, first=26)]
    frames[30] = Frame(30, 30, frames[30].buffers, flags=Flags.RESET)
    photos = offline(frames, TintBackend())
    assert list(photos) == list(range(46))


def test_live_equals_offline_for_the_frames_it_showed(ring_name, serve):
    """The promise of the house, bit for bit: same windows, same seed, same settings."""
    client = BridgeClient(serve(TintBackend).address)
    keep, stats = live(ring_name, moving_frames(150), client, fps=60)
    shown = [s.frame for s in keep.shown if s.photo is not None]
    assert len(shown) > 60
    photos, again = keep.photos(), offline(shown, TintBackend())
    assert stats.dropped["server busy"] == 0
    assert photos.keys() == again.keys()
    assert all(np.array_equal(photos[i], again[i]) for i in photos)
    assert accounted(stats) == 0


def test_live_equals_offline_with_the_shipped_model(ring_name, serve):
    if not TINY.exists():
        pytest.skip("no shipped weights")
    client = BridgeClient(serve(lambda: open_backend(Model())).address)
    keep, _ = live(ring_name, moving_frames(30, 256, 144), client, fps=100, pacing=Pacing.FRAMELOCKED)
    shown = [s.frame for s in keep.shown if s.photo is not None]
    photos, again = keep.photos(), offline(shown, open_backend(Model()))
    assert len(photos) == 30 and photos.keys() == again.keys()
    assert all(np.array_equal(photos[i], again[i]) for i in photos)


@pytest.mark.parametrize("model", ["tint", "tiny"])
def test_a_recorded_session_renders_to_what_live_showed(ring_name, serve, tmp_path, model):
    if model == "tiny" and not TINY.exists():
        pytest.skip("no shipped weights")
    backend = TintBackend if model == "tint" else lambda: open_backend(Model())
    recorder = Recorder(About(source="test", pacing="framelocked"), lossless=True, replay_seconds=0, replay_bytes=0)
    recorder.start(tmp_path / "take")
    keep, stats = live(ring_name, moving_frames(40), BridgeClient(serve(backend).address), fps=100,
                       pacing=Pacing.FRAMELOCKED, tap=recorder.take)
    recorder.close()
    assert accounted(stats) == 0 and len(keep.photos()) == 40
    again = Keep()
    Session(SessionSource(tmp_path / "take"), LocalLink(backend()), [again], RenderSettings,
            pacing=Pacing.FRAMELOCKED).run(lambda: False)
    photos, offline_photos = keep.photos(), again.photos()
    assert photos.keys() == offline_photos.keys()
    assert all(np.array_equal(photos[i], offline_photos[i]) for i in photos)


@pytest.mark.parametrize("pacing", [Pacing.GENLOCKED, Pacing.FREERUN])
def test_a_slow_server_drops_by_the_count_and_the_rest_is_right(ring_name, serve, pacing):
    backend = TintBackend()
    original = backend.render
    pause = threading.Event()

    def slowly(*args):
        pause.wait(0.25)
        return original(*args)

    backend.render = slowly
    keep, stats = live(ring_name, moving_frames(300), BridgeClient(serve(lambda: backend).address), fps=200,
                       pacing=pacing)
    assert stats.dropped["server busy"] + stats.dropped["paced"] > 0
    if pacing is Pacing.GENLOCKED:
        assert stats.dropped["paced"] == 0, "no frame inside a window is skipped"
    assert accounted(stats) == 0
    ids = [s.frame.frame_id for s in keep.shown if s.photo is not None]
    assert ids == sorted(set(ids))


def test_a_failing_window_is_counted_and_the_stream_goes_on(ring_name, serve):
    backend = TintBackend()
    original, calls = backend.render, [0]

    def sometimes(*args):
        calls[0] += 1
        if calls[0] == 3:
            raise RuntimeError("asked to fail")
        return original(*args)

    backend.render = sometimes
    keep, stats = live(ring_name, moving_frames(120), BridgeClient(serve(lambda: backend).address), fps=60)
    assert stats.dropped["refused"] > 0
    assert accounted(stats) == 0
    assert keep.shown[-1].photo is not None


def test_without_a_server_the_game_is_still_shown(ring_name, tmp_path: Path):
    keep, stats = live(ring_name, moving_frames(40), BridgeClient(f"ipc://{tmp_path}/nobody"), fps=60)
    assert stats.shown == 0 and stats.dropped["no server"] == stats.read > 0
    assert accounted(stats) == 0
    assert all(s.photo is None for s in keep.shown) and keep.shown


def test_offline_without_a_server_says_so(tmp_path: Path):
    source = VideoSource(write_video(tmp_path / "clip.mkv", moving_frames(20)))
    session = Session(source, BridgeClient(f"ipc://{tmp_path}/nobody"), [], RenderSettings, pacing=Pacing.FRAMELOCKED)
    with pytest.raises(UserError, match="realmaster serve"):
        session.run(lambda: False)
