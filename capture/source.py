"""Where frames come from: one interface for games, screens and files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Protocol, runtime_checkable

from capture.frame import Frame


class Pacing(Enum):
    """How a live source and its reader keep step (names as in Unreal's shared-memory media)."""

    FRAMELOCKED = "framelocked"
    """The game waits for the reader: nothing is lost, the game may slow down."""
    GENLOCKED = "genlocked"
    """Every frame in order while the reader keeps up; a gap is counted and starts a new window."""
    FREERUN = "freerun"
    """The newest frame wins; what was skipped is counted."""


@dataclass(frozen=True)
class SourceInfo:
    """What a source is: `rate` is None where frames come when they come."""

    name: str
    width: int
    height: int
    rate: Fraction | None
    live: bool


class FrameSource(Protocol):
    """Hands out frames in order, each with a rising `frame_id` and the count lost before it."""

    @property
    def info(self) -> SourceInfo:
        """Name, size and rate; the size is 0x0 until it is known."""
        ...

    @property
    def trouble(self) -> str:
        """Why no frames come just now, in one sentence; empty if all is well."""
        ...

    def read(self, timeout: float) -> Frame | None:
        """The next frame, or None if none came within `timeout` seconds.

        Raises `SourceEnded` when there will be no more, `CaptureError` when the source broke.
        """
        ...

    def keep_alive(self) -> None:
        """Tells a game that waits for its reader that there is one, which reads nothing just now."""
        ...

    def close(self) -> None:
        """Lets go of it; may be called twice."""
        ...


@runtime_checkable
class GameSource(FrameSource, Protocol):
    """A source that can be told how much of a running game is wanted."""

    whole: bool
    """Whether the next frame is wanted with every buffer that the game has."""
    period: float
    """Seconds between frames that are wanted; 0 wants all."""

    def plain(self, frame: Frame) -> Frame:
        """`frame` with the buffers that were asked for at the start alone."""
        ...


class FileSource(FrameSource, Protocol):
    """A source that is read from a file, every frame of it, as fast as wanted."""

    @property
    def frames_hint(self) -> int:
        """About how many frames there are; 0 where the file does not say."""
        ...

    def skip(self, count: int) -> None:
        """Leaves out the next `count` frames."""
        ...
