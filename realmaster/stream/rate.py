"""Events a second, over a stretch of time."""

from __future__ import annotations

import math
from collections import deque

SECONDS = 3.0
SLOT = 0.1
"""Events are counted by tenths of a second."""
LEAST_SECONDS = 1.0
"""A stream that has just begun is taken to be so old."""


class Rate:
    """Events a second over the last `SECONDS`, or since the first. Times are handed in.

    What comes in one burst after a stall counts over the whole stretch, so no rate is ever shown that there was not.
    """

    def __init__(self) -> None:
        self._slots: deque[tuple[int, int]] = deque(maxlen=round(SECONDS / SLOT))
        self._first: float | None = None

    def add(self, now: float) -> None:
        """One event at `now`."""
        self._first = now if self._first is None or now < self._first else self._first
        slot = math.floor(now / SLOT)
        before = self._slots.pop()[1] if self._slots and self._slots[-1][0] == slot else 0
        self._slots.append((slot, before + 1))

    def value(self, now: float) -> float:
        """Events a second up to `now`. May be called from any thread."""
        if self._first is None:
            return 0.0
        current = math.floor(now / SLOT)
        oldest = current - round(SECONDS / SLOT) + 1
        count = sum(events for slot, events in tuple(self._slots) if oldest <= slot <= current)
        return count / min(now - oldest * SLOT, max(now - self._first, LEAST_SECONDS))
