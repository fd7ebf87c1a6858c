"""Sinks besides the page: a video file, and the status in the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from realmaster.errors import UserError
from realmaster.progress import Progress
from realmaster.session import Shown
from realmaster.stats import Stats
from realmaster.windows import fit

CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    ".mp4": ("libx264", "yuv420p", {"crf": "16", "preset": "veryfast"}),
    ".mkv": ("ffv1", "bgr0", {"level": "3", "slicecrc": "1"}),
}
"""Codec, pixel format and options by file suffix: .mp4 plays anywhere, .mkv is lossless."""


class VideoFile:
    """Writes the photoreal frames to `path`; the file gets its name only when it is whole."""

    def __init__(self, path: Path, rate: Fraction, side_by_side: bool = False, comment: str = "") -> None:
        if path.suffix not in CODECS:
            raise UserError(f"{path.name}: end the output in .mp4 (plays anywhere) or .mkv (lossless)")
        self.path, self.rate, self.side_by_side = path, rate, side_by_side
        self.part = path.with_name(path.name + ".part")
        codec, self.pixel_format, options = CODECS[path.suffix]
        try:
            self.part.touch()  # FFmpeg would only find out when it writes the first packet
            self.container = av.open(str(self.part), "w", format={".mp4": "mp4", ".mkv": "matroska"}[path.suffix])
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; choose another folder with -o") from error
        self.container.metadata["comment"] = comment
        self.stream: Any = self.container.add_stream(codec, rate=rate, options=options)
        self.frames = 0
        self.whole = False

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        if shown.photo is None:
            return
        image = shown.photo
        height, width = image.shape[:2]
        if self.side_by_side:
            image = np.concatenate([fit(shown.frame.rgb, width, height), image], 1)
        if self.frames == 0:
            self.stream.width, self.stream.height = image.shape[1], image.shape[0]
            self.stream.pix_fmt = self.pixel_format
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture.pts, picture.time_base = self.frames, 1 / self.rate
        self._mux(self.stream.encode(picture))
        self.frames += 1

    def _mux(self, packets: Any) -> None:
        try:
            self.container.mux(packets)
        except (av.error.FFmpegError, OSError) as error:
            raise UserError(f"writing {self.path} failed after {self.frames} frames: {error}; "
                            "is the disk full?") from error

    def finish(self) -> None:
        """All frames are there: completes the file. Raises `UserError` if that fails."""
        if self.frames == 0:
            raise UserError(f"no frames to write to {self.path}: is the input empty?")
        self._mux(self.stream.encode(None))
        self.whole = True

    def close(self) -> None:
        """See `Sink.close`: names the file if it is whole, else removes it."""
        self.container.close()
        if self.whole:
            self.part.replace(self.path)
        else:
            self.part.unlink(missing_ok=True)


class ProgressSink:
    """A progress line for offline work."""

    def __init__(self, total: int) -> None:
        self.progress = Progress("render", total, "frames", clock=time.monotonic)

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        self.progress.step()

    def close(self) -> None:
        """See `Sink.close`."""
        self.progress.close()


class JsonLog:
    """The status as lines of JSON, one every second and one at the end, with the wall clock's time."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.due = clock, 0.0
        self._stats = Stats()
        try:
            self._file = path.open("a", buffering=1)
        except OSError as error:
            raise UserError(f"cannot write the log {path}: {error.strerror}") from error

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        self._stats = stats
        if self.clock() >= self.due:
            self.due = self.clock() + 1.0
            self._write("status")

    def _write(self, event: str) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event,
                **self._stats.snapshot(self.clock()), "percentiles": self._stats.quantiles()}
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """See `Sink.close`."""
        self._write("end")
        self._file.close()


class StatusLine:
    """One status line in the terminal, in place; a line every ten seconds where there is no terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.due = clock, 0.0

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        self.tell(stats)

    def tell(self, stats: Stats) -> None:
        """Prints the status if it is time to."""
        now = self.clock()
        if now >= self.due:
            tty = sys.stdout.isatty()
            self.due = now + (0.5 if tty else 10.0)
            sys.stdout.write(f"\r\x1b[K{stats.line(now)}" if tty else stats.line(now) + "\n")
            sys.stdout.flush()

    def close(self) -> None:
        """See `Sink.close`."""
        if sys.stdout.isatty():
            sys.stdout.write("\n")
