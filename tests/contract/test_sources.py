"""One contract for all sources; a new source is tested by adding it to `SOURCES`."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from capture.constant import ConstantRateSource
from capture.engine import EngineSource
from capture.errors import CaptureError, SourceEnded
from capture.frame import Flags, Frame, Kind, packed_size
from capture.paced import RealTimeSource
from capture.recording.layout import About
from capture.recording.recorder import Recorder
from capture.ring import RingWriter
from capture.screen import RegionGrab, ScreenSource, parse_region, window_grab
from capture.session import SessionSource
from capture.source import FrameSource, Pacing
from capture.video.source import VideoSource
from tests.conftest import moving_frames

COUNT = 20
WIDTH, HEIGHT = 96, 64


def write_video(path: Path, frames: list[Frame]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.rgb), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def record(path: Path, frames: list[Frame]) -> Path:
    """A session of these frames."""
    recorder = Recorder(About(source="test", pacing="framelocked"), lossless=True, replay_seconds=0, replay_bytes=0)
    recorder.start(path)
    for frame in frames:
        recorder.take(frame)
    recorder.close()
    assert not recorder.status.error
    return path


@contextmanager
def engine(tmp_path: Path, ring: str) -> Iterator[FrameSource]:
    """A frame-locked game in a thread of its own."""
    frames = moving_frames(COUNT, WIDTH, HEIGHT)
    writer = RingWriter(ring, packed_size(frames[0]), framelocked=True)
    attached = threading.Event()

    def play() -> None:
        writer.publish(frames[0])
        attached.wait(10)
        for frame in frames[1:]:
            writer.publish(frame)
        writer.close()

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    source = EngineSource(ring, Pacing.FRAMELOCKED)
    attached.set()
    yield source
    source.close()
    thread.join(10)


@contextmanager
def video(tmp_path: Path, ring: str) -> Iterator[FrameSource]:
    source = VideoSource(write_video(tmp_path / "clip.mkv", moving_frames(COUNT, WIDTH, HEIGHT)))
    yield source
    source.close()


@contextmanager
def played_video(tmp_path: Path, ring: str) -> Iterator[FrameSource]:
    with video(tmp_path, ring) as source:
        yield RealTimeSource(source)


PAINTER = f"""
import tkinter
root = tkinter.Tk()
root.title("painted by a test")
root.geometry("{WIDTH}x{HEIGHT}+40+30")
canvas = tkinter.Canvas(root, width={WIDTH}, height={HEIGHT}, highlightthickness=0)
canvas.pack()
step = 0
def paint():
    global step
    step += 1
    canvas.configure(bg="#%02x%02x60" % (step * 7 % 256, step * 3 % 256))
    root.after(20, paint)
paint()
root.mainloop()
"""


@contextmanager
def screen(tmp_path: Path, ring: str) -> Iterator[FrameSource]:
    pytest.importorskip("tkinter")
    process = subprocess.Popen([sys.executable, "-c", PAINTER])
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                grab = window_grab("painted by a test")
                break
            except CaptureError:
                if time.monotonic() > deadline:
                    raise
        source = ScreenSource(grab, rate=60)
        yield source
        source.close()
    finally:
        process.kill()
        process.wait()


@contextmanager
def session(tmp_path: Path, ring: str) -> Iterator[FrameSource]:
    source = SessionSource(record(tmp_path / "take", moving_frames(COUNT, WIDTH, HEIGHT)))
    yield source
    source.close()


@contextmanager
def played_session(tmp_path: Path, ring: str) -> Iterator[FrameSource]:
    with session(tmp_path, ring) as source:
        yield RealTimeSource(source)


@contextmanager
def constant(tmp_path: Path, ring: str) -> Iterator[FrameSource]:
    with video(tmp_path, ring) as source:
        assert isinstance(source, VideoSource)
        yield ConstantRateSource(source, Fraction(25))


SOURCES = {"engine": engine, "video": video, "constant rate": constant, "played video": played_video,
           "screen": screen, "session": session, "played session": played_session}


@pytest.fixture(params=SOURCES)
def opened(request, tmp_path, ring_name, monkeypatch) -> Iterator[tuple[str, FrameSource]]:
    if request.param == "screen":
        monkeypatch.setenv("DISPLAY", request.getfixturevalue("xvfb"))
    with SOURCES[request.param](tmp_path, ring_name) as source:
        yield request.param, source


def take(source: FrameSource, count: int) -> list[Frame]:
    frames: list[Frame] = []
    deadline = time.monotonic() + 30
    while len(frames) < count and time.monotonic() < deadline:
        frame = source.read(0.5)
        if frame is not None:
            frames.append(frame)
    return frames


def test_the_contract(opened):
    name, source = opened
    assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
    assert source.info.rate is None or isinstance(source.info.rate, Fraction)
    frames = take(source, COUNT if name != "screen" else 6)
    assert len(frames) == (COUNT if name != "screen" else 6)
    ids = [f.frame_id for f in frames]
    assert ids == sorted(set(ids)), "ids rise and never repeat"
    assert [bool(f.flags & Flags.RESET) for f in frames] == [True] + [False] * (len(frames) - 1)
    times = [f.t_capture_ns for f in frames]
    assert times == sorted(times)
    for frame in frames:
        assert frame.size == (WIDTH, HEIGHT)
        assert frame.buffers[Kind.COLOR].data.dtype == np.uint8
    assert len({f.rgb.tobytes() for f in frames}) == len(frames), "no duplicates"
    if name != "screen":
        assert sum(f.dropped for f in frames) == 0
        with pytest.raises(SourceEnded):
            take(source, 1)
        for frame, sent in zip(frames, moving_frames(COUNT, WIDTH, HEIGHT), strict=True):
            assert np.array_equal(frame.rgb, sent.rgb), "lossless"
    assert source.trouble == ""
    source.keep_alive()
    source.close()
    source.close()


def test_a_still_screen_gives_no_frames(xvfb, monkeypatch):
    monkeypatch.setenv("DISPLAY", xvfb)
    source = ScreenSource(RegionGrab(parse_region("64x48+700+500")), rate=60)
    assert source.read(1.0) is not None
    assert source.read(0.3) is None
    source.close()


def test_screen_errors_say_what_to_do(xvfb, monkeypatch):
    monkeypatch.setenv("DISPLAY", xvfb)
    with pytest.raises(CaptureError, match="there are:"):
        window_grab("no such window")
    with pytest.raises(CaptureError, match="WIDTHxHEIGHT"):
        parse_region("big")
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(CaptureError, match="set DISPLAY"):
        ScreenSource(RegionGrab())
    monkeypatch.setenv("XDG_SESSION_TYPE", "wayland")
    with pytest.raises(CaptureError, match="Wayland"):
        ScreenSource(RegionGrab())


def test_video_errors_say_what_to_do(tmp_path):
    with pytest.raises(CaptureError, match="no such video"):
        VideoSource(tmp_path / "none.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"not a video at all")
    with pytest.raises(CaptureError, match="damaged"):
        VideoSource(tmp_path / "bad.mp4")


@pytest.mark.parametrize("damage", [0.3, 0.6, 0.9])
def test_a_damaged_video_gives_what_it_can_and_ends(tmp_path, damage):
    path = write_video(tmp_path / "clip.mkv", moving_frames(COUNT, WIDTH, HEIGHT))
    data = bytearray(path.read_bytes())
    at = int(len(data) * damage)
    data[at:at + 40] = bytes(40)
    path.write_bytes(data)
    source, read = VideoSource(path), 0
    with pytest.raises(SourceEnded):
        for _ in range(2 * COUNT):
            read += source.read(1) is not None
    assert 0 < read <= COUNT


def freerun_game(ring: str) -> tuple[RingWriter, Callable[[int, int], None]]:
    frames = moving_frames(60, WIDTH, HEIGHT)
    writer = RingWriter(ring, packed_size(frames[0]))

    def publish(first: int, last: int) -> None:
        for frame in frames[first:last]:
            writer.publish(frame)

    return writer, publish


def test_freerun_takes_the_newest_and_counts_the_rest(ring_name):
    writer, publish = freerun_game(ring_name)
    publish(0, 1)
    source = EngineSource(ring_name, Pacing.FREERUN)
    assert take(source, 1)[0].frame_id == 0
    publish(1, 31)
    (frame,) = take(source, 1)
    assert frame.frame_id == 30 and frame.dropped == 29 and not frame.flags & Flags.RESET
    writer.close()


def test_genlocked_keeps_every_frame_until_it_is_overtaken_and_then_starts_anew(ring_name):
    writer, publish = freerun_game(ring_name)
    publish(0, 1)
    source = EngineSource(ring_name, Pacing.GENLOCKED)
    take(source, 1)
    publish(1, 6)
    assert [f.frame_id for f in take(source, 5)] == [1, 2, 3, 4, 5]
    publish(6, 40)
    frames = take(source, writer.slots - 1)
    assert frames[0].dropped > 0 and frames[0].flags & Flags.RESET
    assert frames[0].frame_id == 6 + frames[0].dropped
    assert [f.dropped for f in frames[1:]] == [0] * (len(frames) - 1)
    writer.close()
