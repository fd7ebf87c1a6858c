"""The errors of the capture layer. Every message says what to do."""

from __future__ import annotations


class CaptureError(Exception):
    """A source cannot be opened or read."""


class SourceEnded(Exception):
    """The source has no more frames, because the file or the game has ended. `lost` frames at its end are missing."""

    def __init__(self, message: str, lost: int = 0) -> None:
        super().__init__(message)
        self.lost = lost


class BadFrame(CaptureError):
    """A frame has impossible values. It is left out and counted. The next frame may be valid."""
