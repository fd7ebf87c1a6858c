"""What a session shows, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame
from realmaster.stream.stats import Stats


@dataclass(frozen=True)
class Shown:
    """A frame for the sinks: the game's, and its photoreal version (H, W, 3) u8, or None while there is none."""

    frame: Frame
    photo: NDArray[np.uint8] | None


class Sink(Protocol):
    """Takes the stream. A live session gives each sink a thread of its own (`realmaster/stream/outlet.py`)."""

    def show(self, shown: Shown, stats: Stats) -> None:
        """One frame, in order. What it raises takes it out of a live session, and ends an offline one."""
        ...

    def close(self) -> None:
        """The stream is over; called also after `show` has raised."""
        ...


@runtime_checkable
class Told(Protocol):
    """A sink of a live session that also wants to know how things stand, a few times a second, frames or none."""

    def update(self, stats: Stats) -> None:
        """The counts up to now."""
        ...
