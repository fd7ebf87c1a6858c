"""Videos as other programs make and read them: Debian's ffmpeg, which is not the FFmpeg inside PyAV."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.errors import SourceEnded
from capture.frame import Frame
from capture.video.source import VideoSource

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg (apt-get install ffmpeg)")
SMALL = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=30:duration=1")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=48000")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: str | Path) -> Path:
    """Runs it; the last argument is the file that it makes."""
    command = ["ffmpeg", "-y", "-v", "error", *map(str, arguments[:-1]), f"file:{arguments[-1]}"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return Path(arguments[-1])


def probe(path: Path, entries: str, *more: str) -> dict[str, Any]:
    """What ffprobe says of a file."""
    done = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_entries", entries, *more, f"file:{path}"],
                          check=True, capture_output=True, timeout=60)
    return json.loads(done.stdout)


def streams(path: Path, kind: str = "v") -> list[dict[str, Any]]:
    """What ffprobe says of each stream of a kind."""
    return probe(path, "stream", "-select_streams", kind)["streams"]


def packet_times(path: Path, kind: str = "v") -> list[float]:
    """Start of each packet of a kind of stream, in seconds, by ffprobe."""
    packets = probe(path, "packet=pts_time", "-select_streams", kind)["packets"]
    return sorted(float(p["pts_time"]) for p in packets)


def decoded(path: Path, width: int, height: int, number: int = 0) -> NDArray[np.uint8]:
    """One picture (H, W, 3) as ffmpeg decodes it, by the file's tags."""
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-vf", f"select=eq(n\\,{number})", "-frames:v", "1",
               "-sws_flags", "accurate_rnd+full_chroma_int", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def read_all(source: VideoSource) -> tuple[list[Frame], int]:
    """All frames, and how many are lost."""
    frames: list[Frame] = []
    try:
        while True:
            frame = source.read(1)
            assert frame is not None
            frames.append(frame)
    except SourceEnded as end:
        source.close()
        return frames, sum(f.dropped for f in frames) + end.lost
