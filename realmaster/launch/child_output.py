"""Keeps the output of child processes in log files of bounded size, and quotes it in messages."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 4 << 20
"""The most bytes in one file. When it is longer, its end is moved to an earlier file and it begins anew."""
TAIL_BYTES = 64 << 10
KEPT = 3
"""The number of earlier files kept. They hold the output of earlier starts, or earlier output of this one."""
QUOTED_LINES, QUOTED_LENGTH = 6, 200
NO_DISPLAY = re.compile(r"(open|connect)\w*.{0,40}\bdisplay|\bdisplay\b.{0,40}(open|connect)|no available video device",
                        re.IGNORECASE)


class Words:
    """The log files of a child: `FOLDER/NAME.log` is the newest; NAME.1.log, NAME.2.log and so on are earlier ones."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.path = folder / f"{name}.log"

    def open(self) -> BinaryIO:
        """Opens a new file for a new start of the child. The file of the last start is kept."""
        if self.path.exists():
            self._shift()
            self.path.rename(self._earlier(1))
        return self.path.open("ab")

    def bound(self) -> None:
        """Empties the file when it is too long; its end is kept. Call it regularly. The child keeps writing into it."""
        try:
            if self.path.stat().st_size <= MOST_BYTES:
                return
            self._shift()
            self._earlier(1).write_bytes(self._tail())
            os.truncate(self.path, 0)
        except OSError:
            return  # the disk is full, so the child cannot write either

    def quote(self) -> list[str]:
        """The last lines, shortened to fit a message, and without control sequences for terminals."""
        text = self._tail().decode(errors="replace")
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        lines = ["".join(c if c.isprintable() else " " for c in line).strip() for line in re.split(r"[\r\n]+", plain)]
        return [line[:QUOTED_LENGTH] for line in lines if line][-QUOTED_LINES:]

    def meanwhile(self, quiet: bool) -> str:
        """": " and the last line if `quiet`, else empty. It ends a sentence about a child that gives nothing yet."""
        return "".join(f": {line}" for line in self.quote()[-1:]) if quiet else ""

    def _tail(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES)

    def _earlier(self, number: int) -> Path:
        return self.folder / f"{self.name}.{number}.log"

    def _shift(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            if self._earlier(number).exists():
                self._earlier(number).replace(self._earlier(number + 1))


def ending(status: int) -> str:
    """Says how a process ended, as the end of a sentence.

    Args:
        status: the exit status. It is negative after a signal, or 128 plus the signal if a shell reports it.
    """
    number = -status if status < 0 else status - 128
    names = {one.value: one.name for one in signal.Signals}
    if status and number in names:
        return f"was ended by {names[number]}"
    return f"stopped with status {status}" if status else "has ended"


def last_words(lines: list[str]) -> str:
    """The end of a sentence about a child that failed: its last `lines`, and what to do if that is known."""
    if any(NO_DISPLAY.search(line) for line in lines):
        lines = [*lines, "There is no display that it can open: set DISPLAY, or put `xvfb-run` before the game."]
    if len(lines) > 1:
        return ":" + "".join(f"\n  {line}" for line in lines)
    return f": {lines[0]}" if lines else ": it said nothing"
