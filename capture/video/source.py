"""Reads the frames of a local video file, in order, with the file's own times."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from capture.errors import CaptureError, SourceEnded
from capture.frame import Flags, Frame, color_frame
from capture.source import SourceInfo
from capture.video.colour import is_hdr, rgb_of, shows_through
from capture.video.fields import Weaver
from capture.video.files import VideoError, open_to_read
from capture.video.shape import main_stream, shape_of
from capture.video.sound import Sound
from capture.video.times import SPLICED, Timeline

NS = 1_000_000_000
SHORT_OF_END = {"matroska,webm": Fraction(0), "avi": Fraction(0), "flv": Fraction(1, 10)}
"""Formats whose header gives their length, and the largest error of that length in seconds."""


class VideoSource:
    """Reads the video in a file. Its pictures are upright and have square pixels.

    Frames that cannot be decoded, or that are missing because the file was truncated, count as dropped.

    Args:
        path: the file.
        start: where to begin, in seconds from the first picture.
        stop: where to end, in seconds from the first picture; 0 for the end of the file.

    Raises:
        CaptureError: the file cannot be read, or shows no video.
    """

    trouble = ""

    def __init__(self, path: Path, start: float = 0.0, stop: float = 0.0) -> None:
        self.path = path
        try:
            self._file = open_to_read(path)
        except VideoError as error:
            raise CaptureError(_why_not(path, error)) from error
        self._container = self._file.av
        self._stream: Any = main_stream(self._container.streams, path.name)
        rate = self._stream.average_rate or self._stream.guessed_rate or 0
        self._rate = Fraction(rate) if 0 < rate <= 1000 else Fraction(24)
        self._format: str = self._container.format.name
        self._times = Timeline(self._format, 1 / self._rate)
        self._packets = self._container.demux()
        self._waiting: deque[tuple[Fraction, Any]] = deque()
        self._reached, self._others_reached, self._failed, self._ended = Fraction(0), Fraction(0), 0, False
        self._first, self._weaver = True, None
        self.next_id, self._last = 0, Fraction(0)
        self._open_first(start, stop)

    def _open_first(self, start: float, stop: float) -> None:
        """Decodes the first picture, which tells the size, and goes to `start`."""
        self._fill()
        if not self._waiting:
            raise CaptureError(f"not one picture of {self.path} can be decoded: it is damaged")
        self.origin, first = self._waiting[0]
        """The file's own time, in seconds, of what is 0 here: its first picture's."""
        self._shape = shape_of(self._stream, first)
        height, width = self._shape.apply(rgb_of(first)).shape[:2]
        self.info = SourceInfo(f"video:{self.path.name}", width, height, self._rate, live=False)
        self.notes = self._remarks(first)
        """What the user should know about how the file is read, one sentence each."""
        self._stop = self.origin + _exact(stop) if stop else None
        self.frames_hint = self._count(_exact(start), _exact(stop))
        """About how many frames there are; 0 where the file does not say."""
        if start:
            self._go_to(self.origin + _exact(start))

    def _remarks(self, first: Any) -> list[str]:
        name, notes = self.path.name, list[str]()
        if is_hdr(first):
            notes.append(f"{name} is HDR: its bright parts are rolled off to SDR (BT.2390)")
        if shows_through(first):
            notes.append(f"{name} is transparent in places: what is behind it is black")
        if self._stream.metadata.get("alpha_mode") == "1":
            notes.append(f"{name}'s transparency is not read: it comes out opaque")
        films = [s for s in self._container.streams if s.type == "video"]
        if len(films) > 1:
            notes.append(f"{name} has {len(films)} video streams: number {self._stream.index} is read")
        return notes

    def _seconds(self) -> Fraction:
        """The length of the file in seconds, by its header; 0 if it gives none."""
        if self._format == "avi":  # whose duration FFmpeg corrects by the file's size
            return self._stream.frames * self._stream.time_base
        if self._stream.duration is not None:
            return self._stream.duration * self._stream.time_base
        return Fraction(self._container.duration or 0, av.time_base)

    def _count(self, start: Fraction, stop: Fraction) -> int:
        whole = 0 if self._format in SPLICED else self._stream.frames or round(self._seconds() * self._rate)
        if not start and not stop:
            return whole
        end = min(stop, self._seconds()) if stop else self._seconds()
        return max(0, round((end - start) * self._rate))

    def _go_to(self, seconds: Fraction) -> None:
        if self._format not in SPLICED:  # whose stamps may come again
            try:
                self._container.seek(int(seconds / self._stream.time_base), stream=self._stream)
                self._packets = self._container.demux()
                self._times.seek()
                self._waiting.clear()
            except av.error.FFmpegError:
                pass  # it cannot be sought in: what comes before is decoded and left out
        while self._fill() and self._waiting[0][0] < seconds:
            self._waiting.popleft()
        if not self._waiting:
            raise CaptureError(f"{self.path.name} has no frames after {float(seconds - self.origin):g} s")

    @property
    def sound(self) -> Sound | None:
        """The sound from the next frame on; None if the file has no sound."""
        return Sound(self.path, self._waiting[0][0], self._stop) if self._container.streams.audio else None

    def skip(self, count: int) -> None:
        """Skips the next `count` frames. They are decoded, but not returned."""
        for _ in range(count):
            self.read(0.0)

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`. `t_capture_ns` is the frame's time in the file."""
        if not self._fill() or (self._stop is not None and self._waiting[0][0] >= self._stop):
            lost = self._failed + (0 if self._waiting else self._missing())
            raise SourceEnded(f"{self.info.name} is over after {self.next_id} frames", lost)
        place, picture = self._waiting.popleft()
        seconds = place - self.origin
        dt, self._last = (seconds - self._last if self.next_id else 1 / self._rate), seconds
        frame = color_frame(self.next_id, int(seconds * NS), self._picture(picture), t_game=float(seconds),
                            dt=float(dt), dropped=self._failed,
                            flags=Flags.RESET if self.next_id == 0 else Flags.NONE)
        self.next_id, self._failed = self.next_id + 1, 0
        return frame

    def _picture(self, picture: Any) -> NDArray[np.uint8]:
        return self._shape.apply(rgb_of(picture))

    def _fill(self) -> bool:
        """Decodes until a picture waits. Returns false if there are no more."""
        while not self._waiting and not self._ended:
            self._decode_packet()
        return bool(self._waiting)

    def _decode_packet(self) -> None:
        try:
            packet = next(self._packets, None)
        except (av.error.FFmpegError, OSError):
            packet = None  # cut off in the middle: `_missing` counts
        if packet is None:
            self._ended = True
            return
        stamp = packet.pts if packet.pts is not None else packet.dts
        end = Fraction(0) if stamp is None else (stamp + (packet.duration or 0)) * packet.time_base
        if packet.stream.index != self._stream.index:
            self._others_reached = max(self._others_reached, end)
            return
        if packet.is_corrupt and self._format.startswith("mov,"):
            return  # its end is missing
        self._reached = max(self._reached, end)
        try:
            pictures = packet.decode()
            if pictures and self._first:
                self._first = False
                self._weaver = Weaver(self._stream) if pictures[0].interlaced_frame else None
            if self._weaver is not None:
                pictures = self._weaver.pictures(pictures, over=not packet.size)
        except av.error.FFmpegError:
            self._failed += 1
            return
        for picture in pictures:
            stamp = picture.pts if picture.pts is not None else picture.dts
            self._waiting.append((self._times.place(stamp, picture.time_base), picture))

    def _missing(self) -> int:
        """How many frames the file tells of that are not there, for formats that tell."""
        if self._format.startswith("mov,"):
            size = self._container.size
            missing = sum(entry.pos + entry.size > size for entry in self._stream.index_entries)
        else:  # sound may go on after the pictures, but not if the file was cut off
            reached = self._reached if self._stream.duration else max(self._reached, self._others_reached)
            slack = SHORT_OF_END.get(self._format)
            whole = slack is None or self._seconds() - reached < slack + Fraction(3, 2) / self._rate
            missing = 0 if whole else max(1, round((self._seconds() - self._reached) * self._rate))
        if self._stop is not None:
            missing = min(missing, max(0, round((self._stop - self._reached) * self._rate)))
        return missing

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`. Does nothing, because no game waits."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._file.close()


def _exact(seconds: float) -> Fraction:
    """0.4 is two fifths, and not a little more, as its float is."""
    return Fraction(seconds).limit_denominator(1_000_000)


def _why_not(path: Path, error: VideoError) -> str:
    if not path.exists():
        return f"no such video: {path}"
    if path.is_dir():
        return f"{path} is a folder, and no recorded session"
    if path.is_file() and not path.stat().st_size:
        return f"{path} is empty"
    if isinstance(error.__cause__, PermissionError):
        return f"{path} may not be read: {error}"
    return (f"cannot read a video from {path} ({error}): it is damaged, cut off before its index, or of an unknown "
            "format; `ffprobe` may tell more")
