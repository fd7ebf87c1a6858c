"""`realmaster render` as a user runs it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from capture.errors import SourceEnded
from capture.session import SessionSource
from capture.video.source import VideoSource
from realmaster.config import TINY
from tests.conftest import moving_frames
from tests.contract.test_sources import record, write_video

pytestmark = pytest.mark.skipif(not TINY.exists(), reason="no shipped weights")


def render(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "realmaster", "render", *arguments], capture_output=True, text=True,
                          timeout=120, check=False)


def frames_of(path: Path) -> np.ndarray:
    source, frames = VideoSource(path), []
    try:
        while True:
            frame = source.read(1)
            if frame is not None:
                frames.append(frame.rgb)
    except SourceEnded:
        return np.stack(frames)


@pytest.fixture
def clip(tmp_path) -> Path:
    return write_video(tmp_path / "clip.mkv", moving_frames(23, 128, 72))


def test_every_frame_comes_out_once_and_the_same_again(clip, tmp_path):
    done = render(str(clip), "-o", str(tmp_path / "a.mkv"))
    assert done.returncode == 0, done.stderr
    assert "23 frames" in done.stdout and "23/23 frames" in done.stderr and "0:00 left" in done.stderr
    first = frames_of(tmp_path / "a.mkv")
    assert first.shape == (23, 144, 256, 3)
    assert render(str(clip), "-o", str(tmp_path / "b.mkv")).returncode == 0
    assert np.array_equal(first, frames_of(tmp_path / "b.mkv"))


def test_the_result_has_the_source_s_own_size_and_at_strength_0_its_own_pixels(tmp_path):
    clip = write_video(tmp_path / "large.mkv", moving_frames(23, 640, 360))
    assert render(str(clip), "-o", str(tmp_path / "a.mkv"), "--strength", "0").returncode == 0
    assert np.array_equal(frames_of(tmp_path / "a.mkv"), frames_of(clip))


def test_side_by_side_and_mp4(clip, tmp_path):
    done = render(str(clip), "-o", str(tmp_path / "a.mp4"), "--side-by-side", "--strength", "0")
    assert done.returncode == 0, done.stderr
    both = frames_of(tmp_path / "a.mp4").astype(int)
    assert both.shape == (23, 144, 512, 3)
    assert np.abs(both[:, :, :256] - both[:, :, 256:]).mean() < 4, "at strength 0 both halves are the game's"


@pytest.mark.parametrize(("arguments", "words"), [
    (["-o", "out.avi"], "end the output in .mp4"), (["-o", "/nowhere/out.mp4"], "choose another folder"),
    (["-o", "o.mp4", "--overlap", "4"], "a multiple of 4"),
    (["-o", "o.mp4", "--model", "/nowhere"], "unknown model"),
    (["-o", "o.mp4", "--server", "tcp://10.0.0.1:1"], "--server-key")])
def test_mistakes_are_named_and_leave_nothing_behind(clip, tmp_path, arguments, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = render(str(clip), *arguments)
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mkv"]


@pytest.fixture(scope="module")
def take(tmp_path_factory) -> Path:
    return record(tmp_path_factory.mktemp("sessions") / "take", moving_frames(150, 128, 72))


def kill_when_safe(*arguments: str, part: Path) -> None:
    """Starts a render and kills it as soon as some of it is safe."""
    process = subprocess.Popen([sys.executable, "-m", "realmaster", "render", *arguments], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (part / "progress.npz").exists():
        assert process.poll() is None and time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_a_killed_render_goes_on_without_a_seam(take, tmp_path, suffix):
    whole, cut = tmp_path / "a" / f"out{suffix}", tmp_path / "b" / f"out{suffix}"
    for path in (whole, cut):
        path.parent.mkdir()
    assert render(str(take), "-o", str(whole)).returncode == 0
    kill_when_safe(str(take), "-o", str(cut), part=cut.with_name(cut.name + ".part"))
    assert not cut.exists() and not cut.with_suffix("").exists()
    other = render(str(take), "-o", str(cut), "--seed", "3")
    assert other.returncode == 1 and "other settings" in other.stderr
    done = render(str(take), "-o", str(cut))
    assert done.returncode == 0 and "going on after" in done.stdout, done.stderr
    assert sorted(p.name for p in cut.parent.iterdir()) == [whole.name if suffix == ".mp4" else "out"]
    if suffix == ".mp4":
        assert np.array_equal(frames_of(whole), frames_of(cut))
    else:
        names = sorted(p.name for p in whole.with_suffix("").iterdir())
        assert names == [*(f"out_{i:06d}.png" for i in range(150)), "times.csv"]
        assert all((whole.with_suffix("") / n).read_bytes() == (cut.with_suffix("") / n).read_bytes() for n in names)


@pytest.mark.slow
def test_two_workers_render_every_frame_in_order_and_go_on_after_a_kill(take, tmp_path):
    pytest.importorskip("ray", reason="needs pip install -e '.[workers]'")
    alone, whole, cut = (tmp_path / f"{name}.mkv" for name in ("alone", "whole", "cut"))
    assert render(str(take), "-o", str(alone)).returncode == 0
    done = render(str(take), "-o", str(whole), "--workers", "2", "--threads", "1")
    assert done.returncode == 0 and "150 frames" in done.stdout, done.stderr
    one, two = frames_of(alone).astype(int), frames_of(whole).astype(int)
    assert np.abs(one - two).mean() < 3, "windows that carry nothing on differ a little, and nothing is out of order"
    kill_when_safe(str(take), "-o", str(cut), "--workers", "2", "--threads", "1", part=tmp_path / "cut.mkv.part")
    done = render(str(take), "-o", str(cut), "--workers", "2", "--threads", "1")
    assert done.returncode == 0 and "going on after" in done.stdout, done.stderr
    assert np.array_equal(two, frames_of(cut).astype(int))


def test_a_damaged_progress_file_is_told(take, tmp_path):
    part = tmp_path / "o.mkv.part"
    part.mkdir()
    (part / "progress.npz").write_bytes(b"PK damaged")
    done = render(str(take), "-o", str(tmp_path / "o.mkv"))
    assert done.returncode == 1 and "start over" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "extra", "codec"), [
    ("o.mov", [], "prores"), ("o.mp4", ["--codec", "h265"], "hevc"), ("o.mkv", [], "ffv1"), ("o.exr", [], "exr"),
    ("o.mp4", ["--size", "128", "72"], "h264")])
def test_a_range_of_a_session_in_every_format(take, tmp_path, name, extra, codec):
    done = render(str(take), "-o", str(tmp_path / name), "--start", "1", "--stop", "1.6", *extra)
    assert done.returncode == 0, done.stderr
    file = tmp_path / name if codec != "exr" else tmp_path / "o" / "o_000000.exr"
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert (stream.width, stream.height) == ((128, 72) if "--size" in extra else (256, 144))
        assert sum(1 for _ in container.decode(video=0)) == (1 if codec == "exr" else 15)
    if codec == "exr":
        assert len(list((tmp_path / "o").glob("*.exr"))) == 15


def test_the_output_keeps_the_sessions_time(tmp_path):
    """Frames that were lost in recording leave a gap in time, not a jump in speed."""
    frames = moving_frames(40, 128, 72)
    path = record(tmp_path / "take", frames[:20] + frames[30:])
    assert render(str(path), "-o", str(tmp_path / "o.mp4")).returncode == 0
    with av.open(str(tmp_path / "o.mp4")) as container:
        times = [float(f.pts * f.time_base) for f in container.decode(video=0)]
    expected = [e / 1000 for e in SessionSource(path).index.pts]
    assert np.allclose(times, expected, atol=1e-3) and len(times) == 30
    shutil.rmtree(path)
