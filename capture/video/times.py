"""Turns the timestamps of a stream into times in seconds that always rise."""

from __future__ import annotations

import math
from fractions import Fraction

JUMP_SECONDS = 10
"""In a transport stream, a longer step is a splice and no pause (as FFmpeg's own `dts_delta_threshold` has it)."""
SPLICED = ("mpeg", "mpegts")
TICK = Fraction(1, 1_000_000)


class Timeline:
    """Gives each picture, or packet of sound, its time; where a file says none, it follows the one before."""

    def __init__(self, container_format: str, period: Fraction) -> None:
        self._spliced, self._period = container_format in SPLICED, period
        self._shift = Fraction(0)
        self._first: Fraction | None = None
        self._last: Fraction | None = None

    def place(self, stamp: int | None, base: Fraction) -> Fraction:
        """Seconds of `stamp`, in ticks of `base`. Later than the last: what goes back or jumps is put behind it."""
        last = self._last
        if stamp is None:
            seconds = Fraction(0) if last is None else last + self._period
        else:
            seconds = stamp * base + self._shift
            if last is not None and not 0 < seconds - last < (JUMP_SECONDS if self._spliced else math.inf):
                seconds = self._after(last, seconds)
            seconds = self._unrounded(seconds, base)
        self._last = seconds
        return seconds

    def _unrounded(self, seconds: Fraction, base: Fraction) -> Fraction:
        """Undoes the rounding of stamps: 33, 67 and 100 ms at 30 frames a second are thirtieths."""
        if self._first is None:
            self._first = seconds
        exact = self._first + round((seconds - self._first) / self._period) * self._period
        return exact if abs(exact - seconds) <= base and (self._last is None or exact > self._last) else seconds

    def _after(self, last: Fraction, seconds: Fraction) -> Fraction:
        if last - seconds < 1 and not self._spliced:
            return last + TICK  # a stamp given twice: one picture is late, and the next is on time
        self._shift += last + self._period - seconds
        return last + self._period

    def seek(self) -> None:
        """Forgets the last time, so that the next timestamp may have any value."""
        self._last = None
