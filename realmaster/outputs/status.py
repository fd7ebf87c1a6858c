"""Sinks that show the status in the terminal and write it into a log."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from realmaster.errors import UserError
from realmaster.progress import Progress
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats


class ProgressSink:
    """A `Sink` that shows the progress of offline work. `total` and `done` are numbers of frames."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.progress = Progress("render", total, "frames", done=done)

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        self.progress.step()

    def close(self) -> None:
        """See `Sink.close`."""
        self.progress.close()


class JsonLog:
    """A `Sink` that writes the status as lines of JSON, one per second and one at the end, with the time of day."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Opens the log for appending. Raises `UserError` if it cannot be written."""
        self.path, self.clock, self.due = path, clock, 0.0
        self._stats = Stats()
        try:
            # Unbuffered, so that a failed write raises at once, and does not raise again when the file is closed.
            # O_NONBLOCK: a pipe that nobody reads must not block the start.
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
            os.set_blocking(handle, True)
            self._file = os.fdopen(handle, "ab", buffering=0)
        except OSError as error:
            raise UserError(f"cannot write the log {path}: {error.strerror}; give another --log-json") from error

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        self.update(stats)

    def update(self, stats: Stats) -> None:
        """See `Told.update`."""
        self._stats = stats
        if self.clock() >= self.due:
            self.due = self.clock() + 1.0
            self._write("status")

    def _write(self, event: str) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event,
                **self._stats.snapshot(self.clock()), "percentiles": self._stats.quantiles()}
        text = json.dumps(line).encode() + b"\n"
        try:
            if self._file.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._file.close()
            raise UserError(f"the log {self.path} ends here ({error.strerror}): make room, and start again") from error

    def close(self) -> None:
        """See `Sink.close`."""
        if not self._file.closed:
            self._write("end")
            self._file.close()


class StatusLine:
    """A `Sink` that shows the status in one line of the terminal. Without a terminal it prints a line every 10 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.due = clock, 0.0

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`."""
        self.update(stats)

    def update(self, stats: Stats) -> None:
        """See `Told.update`. Prints the status if the next line is due."""
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
