"""Measures how many events happen per second, over the last seconds."""

from __future__ import annotations

import math
from collections import deque

SECONDS = 3.0
SLOT = 0.1
"""Events are counted by tenths of a second."""
LEAST_SECONDS = 1.0
"""A stream that began more recently than this counts as having run for this long."""


class Rate:
    """Events per second over the last `SECONDS`, or since the first event. The caller passes times in, in seconds.

    A burst after a stall is averaged over the whole time, so the rate shown is never higher than the real one.
    """

    def __init__(self) -> None:
        self._slots: deque[tuple[int, int]] = deque(maxlen=round(SECONDS / SLOT))
        self._first: float | None = None

    def add(self, now: float) -> None:
        """Counts one event at the time `now`, in seconds."""
        self._first = now if self._first is None or now < self._first else self._first
        slot = math.floor(now / SLOT)
        before = self._slots.pop()[1] if self._slots and self._slots[-1][0] == slot else 0
        self._slots.append((slot, before + 1))

    def value(self, now: float) -> float:
        """Events per second up to the time `now`, in seconds. May be called from any thread."""
        if self._first is None:
            return 0.0
        current = math.floor(now / SLOT)
        oldest = current - round(SECONDS / SLOT) + 1
        count = sum(events for slot, events in tuple(self._slots) if oldest <= slot <= current)
        return count / min(now - oldest * SLOT, max(now - self._first, LEAST_SECONDS))
