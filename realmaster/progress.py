"""One progress line with an ETA, for work that takes longer than a breath."""

from __future__ import annotations

import sys
from collections.abc import Callable


def duration(seconds: float) -> str:
    """`75` becomes `1:15`, `3675` becomes `1:01:15`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


PATIENCE = 30.0
"""Seconds of silence in a file, at most."""


class Progress:
    """Prints to stderr: in place on a terminal, else a line at every tenth of the work and every half minute."""

    def __init__(self, label: str, total: int, unit: str, clock: Callable[[], float], done: int = 0) -> None:
        self.label, self.total, self.unit, self.clock = label, max(total, 1), unit, clock
        self.started, self.before, self.done, self.note = clock(), done, done, ""
        self.printed = self.started

    def step(self, count: int = 1, note: str = "") -> None:
        """Counts `count` more done; `note` is shown at the line's end."""
        before, self.done, self.note = self.done, self.done + count, note
        tenth = self.total / 10
        if (sys.stderr.isatty() or int(before / tenth) != int(self.done / tenth)
                or self.clock() - self.printed >= PATIENCE):
            self._print()

    def close(self) -> None:
        """Ends the line."""
        if sys.stderr.isatty():
            sys.stderr.write("\n")

    def _print(self) -> None:
        self.printed = self.clock()
        spent = self.printed - self.started
        fresh = max(self.done - self.before, 1)  # `before` of them an earlier run had done
        left = spent / fresh * max(self.total - self.done, 0)
        line = f"{self.label}: {self.done}/{self.total} {self.unit}, {fresh / max(spent, 1e-9):.2f} a second, " \
               f"{duration(left)} left {self.note}"
        sys.stderr.write(f"\r{line:<100}" if sys.stderr.isatty() else line + "\n")
        sys.stderr.flush()
