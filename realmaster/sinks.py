"""Sinks besides the page and the files: the status in the terminal and in a log."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from realmaster.errors import UserError
from realmaster.progress import Progress
from realmaster.session import Shown
from realmaster.stats import Stats


class ProgressSink:
    """A progress line for offline work."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.progress = Progress("render", total, "frames", clock=time.monotonic, done=done)

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
