"""One progress line with an ETA, for work that takes longer than a breath."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from tqdm import tqdm

tqdm.monitor_interval = 0  # else it starts a thread of its own
PATIENCE = 30.0
"""Seconds of silence at most where the line goes into a file."""


class Lines:
    """A file in which each new state of a progress line is a line of its own: it is not a terminal to draw over."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Writes `text` without what steers a terminal."""
        words = text.strip("\r\n ")
        if words:
            self._file.write(f"{words}\n")

    def flush(self) -> None:
        """Flushes the file."""
        self._file.flush()


class Progress:
    """A progress line on stderr: drawn in place on a terminal, else a line every `PATIENCE` seconds and at the end."""

    def __init__(self, label: str, total: int, unit: str, done: int = 0) -> None:
        """`done` of the `total` an earlier run has done; they do not count for the rate."""
        terminal = sys.stderr.isatty()
        words = None if terminal else "{desc}: {n_fmt}/{total_fmt}{unit}, {rate_fmt}, {remaining} left{postfix}"
        self._bar: Any = tqdm(total=total, desc=label, unit=f" {unit}", initial=done, dynamic_ncols=terminal,
                              file=sys.stderr if terminal else Lines(sys.stderr), bar_format=words,
                              mininterval=0.1 if terminal else PATIENCE, miniters=1)

    def step(self, count: int = 1, note: str = "") -> None:
        """Counts `count` more done; `note` is shown at the line's end."""
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(count)

    def close(self) -> None:
        """Shows the last state and ends the line."""
        self._bar.close()
