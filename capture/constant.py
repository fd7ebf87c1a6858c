"""Reads a file at a constant frame rate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from capture.errors import SourceEnded
from capture.frame import Flags, Frame
from capture.source import FileSource, SourceInfo

NS = 1_000_000_000


class ConstantRateSource:
    """Gives `rate` frames per second of `source`: each is the nearest in time, so frames are left out or repeated."""

    trouble = ""

    def __init__(self, source: FileSource, rate: Fraction) -> None:
        self.source, self._rate = source, rate
        self.info: SourceInfo = replace(source.info, rate=rate)
        self._length = source.info.rate or rate  # frames per second, for the length of the last frame
        self._held: Frame | None = None
        self._next: Frame | None = None
        self._start_ns, self._count, self._lost, self._ended = 0, 0, 0, False

    @property
    def frames_hint(self) -> int:
        """See `FileSource.frames_hint`."""
        return round(self.source.frames_hint * self._rate / self._length)

    def skip(self, count: int) -> None:
        """See `FileSource.skip`."""
        for _ in range(count):
            self.read(0.0)

    def read(self, timeout: float) -> Frame | None:
        """See `FrameSource.read`. A repeated frame is no cut, and does not count the lost frames before it again."""
        if self._held is None and not self._ended:
            self._held, self._next = self._read(), self._read()
            self._start_ns = self._held.t_capture_ns if self._held else 0
        due_ns = self._start_ns + round(self._count * NS / self._rate)
        while self._held and self._next and self._next.t_capture_ns < due_ns + NS / (2 * self._rate):
            # the flags and the count of a frame that is left out pass to the next one
            flags, dropped = self._held.flags | self._next.flags, self._held.dropped + self._next.dropped
            self._held, self._next = replace(self._next, flags=flags, dropped=dropped), self._read()
        held = self._held
        if held is None or (self._next is None and due_ns >= held.t_capture_ns + NS / self._length - 1000):
            raise SourceEnded(f"{self.info.name} is over", self._lost)
        frame = replace(held, frame_id=self._count, t_capture_ns=due_ns, dt=float(1 / self._rate),
                        t_game=held.t_game + (due_ns - held.t_capture_ns) / NS)
        self._count += 1
        self._held = replace(held, flags=Flags.NONE, dropped=0)
        return frame

    def _read(self) -> Frame | None:
        if self._ended:
            return None
        try:
            return self.source.read(0.0)
        except SourceEnded as end:
            self._ended, self._lost = True, end.lost
            return None

    def keep_alive(self) -> None:
        """See `FrameSource.keep_alive`. Does nothing, because no game waits."""

    def close(self) -> None:
        """See `FrameSource.close`."""
        self.source.close()


def exact_rate(fps: float) -> Fraction:
    """The exact rate that `fps` stands for: 29.97 is 30000/1001, and 23.976 and 59.94 likewise."""
    thousandth = Fraction(round(fps * 1.001) * 1000, 1001)
    return thousandth if fps != round(fps) and abs(thousandth - fps) < 0.005 else Fraction(fps).limit_denominator(1000)
