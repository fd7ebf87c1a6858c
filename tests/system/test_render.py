"""`realmaster render` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from capture.errors import SourceEnded
from capture.video import VideoSource
from realmaster.config import TINY
from tests.conftest import moving_frames
from tests.contract.test_sources import write_video

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


def test_side_by_side_and_mp4(clip, tmp_path):
    done = render(str(clip), "-o", str(tmp_path / "a.mp4"), "--side-by-side", "--strength", "0")
    assert done.returncode == 0, done.stderr
    both = frames_of(tmp_path / "a.mp4").astype(int)
    assert both.shape == (23, 144, 512, 3)
    assert np.abs(both[:, :, :256] - both[:, :, 256:]).mean() < 4, "at strength 0 both halves are the game's"


@pytest.mark.parametrize(("arguments", "words"), [
    (["-o", "out.avi"], "end the output in .mp4"), (["-o", "/nowhere/out.mp4"], "choose another folder"),
    (["-o", "o.mp4", "--overlap", "4"], "multiple of 4 plus 1"),
    (["-o", "o.mp4", "--model", "/nowhere"], "unknown model"),
    (["-o", "o.mp4", "--server", "tcp://10.0.0.1:1"], "--server-key")])
def test_mistakes_are_named_and_leave_nothing_behind(clip, tmp_path, arguments, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = render(str(clip), *arguments)
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mkv"]
