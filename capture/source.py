"""Sources of frames: the interfaces that games, screens and files share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Protocol, runtime_checkable

from capture.frame import Frame


class Pacing(Enum):
    """Whether a game waits for its reader, and which frames are read (names as in Unreal's shared-memory media)."""

    FRAMELOCKED = "framelocked"
    """The game waits for the reader. No frame is lost, but the game may slow down."""
    GENLOCKED = "genlocked"
    """Every frame is read in order while the reader keeps up. A gap is counted and starts a new window."""
    FREERUN = "freerun"
    """The newest frame is read. Skipped frames are counted."""


@dataclass(frozen=True)
class SourceInfo:
    """Facts about a source. `rate` is in frames per second, or None if frames come at no fixed rate."""

    name: str
    width: int
    height: int
    rate: Fraction | None
    live: bool


class FrameSource(Protocol):
    """Gives frames in order. `frame_id` rises, and `dropped` counts the frames lost before each."""

    @property
    def info(self) -> SourceInfo:
        """The name, size and rate of the source. The size is 0x0 until it is known."""
        ...

    @property
    def trouble(self) -> str:
        """One sentence on why no frames come now; empty if they come."""
        ...

    def read(self, timeout: float) -> Frame | None:
        """Reads the next frame.

        Args:
            timeout: the longest time to wait, in seconds.

        Returns:
            The frame; None if none came in time.

        Raises:
            SourceEnded: there are no more frames.
            CaptureError: a frame could not be read, or the source has failed.
        """
        ...

    def keep_alive(self) -> None:
        """Tells a game that waits for its reader that the reader is alive, although it reads nothing now."""
        ...

    def close(self) -> None:
        """Closes the source. May be called twice."""
        ...


@runtime_checkable
class GameSource(FrameSource, Protocol):
    """A source of a running game, which can be asked for fewer frames or for more buffers."""

    whole: bool
    """Whether the next frame is read with every buffer that the game has."""
    period: float
    """The seconds between frames that are needed; 0 if all are needed."""

    def plain(self, frame: Frame) -> Frame:
        """A frame with only those buffers that were asked for when the source was opened."""
        ...


class FileSource(FrameSource, Protocol):
    """A source that reads every frame of a file, as fast as the caller reads."""

    @property
    def frames_hint(self) -> int:
        """About how many frames there are; 0 if the file does not say."""
        ...

    def skip(self, count: int) -> None:
        """Skips the next `count` frames."""
        ...
