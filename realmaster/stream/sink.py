"""Sinks, which take the frames of a session, and the frames that they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame
from realmaster.stream.stats import Stats


@dataclass(frozen=True)
class Shown:
    """A frame for the sinks: the game's frame and its photoreal picture, (H, W, 3) u8, or None if it has none."""

    frame: Frame
    photo: NDArray[np.uint8] | None


class Sink(Protocol):
    """Takes finished frames. A live session gives each sink a thread of its own (`realmaster/stream/outlet.py`)."""

    def show(self, shown: Shown, stats: Stats) -> None:
        """Takes the next frame, with the session's counts so far.

        If it raises, a live session goes on without this sink, and an offline session ends.
        """
        ...

    def close(self) -> None:
        """Ends the sink, once no more frames come. It is also called after `show` has raised."""
        ...


@runtime_checkable
class Told(Protocol):
    """A sink of a live session that also gets the counts a few times a second, even while no frame comes."""

    def update(self, stats: Stats) -> None:
        """Takes the session's counts up to now."""
        ...
