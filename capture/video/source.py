"""Frames from a video file, lossless and in order. Local files only: decoders never see a remote peer's bytes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from capture.errors import CaptureError, SourceEnded
from capture.frame import Flags, Frame, color_frame
from capture.source import SourceInfo
from capture.video.files import VideoError, open_to_read

NS = 1_000_000_000


class VideoSource:
    """Decodes the first video stream of `path`; frames that do not decode are counted as dropped."""

    trouble = ""

    def __init__(self, path: Path) -> None:
        try:
            self._file = open_to_read(path)
            self.container = self._file.av
            self.stream = self.container.streams.video[0]
        except (VideoError, IndexError) as error:
            if not path.exists():
                raise CaptureError(f"no such video: {path}") from error
            raise CaptureError(f"cannot read a video from {path}: it is damaged or of an unknown format") from error
        rate = self.stream.average_rate or Fraction(24)
        self.info = SourceInfo(f"video:{path.name}", self.stream.width, self.stream.height, Fraction(rate), live=False)
        seconds = (self.container.duration or 0) / av.time_base
        self.frames_hint = self.stream.frames or round(seconds * rate)
        """About how many frames there are; 0 where the file does not say."""
        self.packets = self.container.demux(self.stream)
        self.waiting: list[Any] = []
        self.next_id, self.failed, self.ended = 0, 0, False

    def skip(self, count: int) -> None:
        """Leaves out the next `count` frames; they have to be decoded all the same."""
        for _ in range(count):
            self.read(0.0)

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`; `t_capture_ns` is the frame's place in the file."""
        while not self.waiting and not self.ended:
            self._decode_packet()
        if not self.waiting:
            raise SourceEnded(f"{self.info.name} is over after {self.next_id} frames")
        picture = self.waiting.pop(0)
        rgb = np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
        rate = self.info.rate or Fraction(24)
        frame = color_frame(self.next_id, int(self.next_id * NS / rate), rgb, t_game=float(self.next_id / rate),
                            dt=float(1 / rate), dropped=self.failed,
                            flags=Flags.RESET if self.next_id == 0 else Flags.NONE)
        self.next_id, self.failed = self.next_id + 1, 0
        return frame

    def _decode_packet(self) -> None:
        packet = next(self.packets, None)
        if packet is None:
            self.ended = True
            return
        try:
            self.waiting += packet.decode()
        except av.error.FFmpegError:
            self.failed += 1

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`: nothing waits for this source's reader."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._file.close()
