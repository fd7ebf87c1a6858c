"""Errors of the capture layer; every message says what to do next."""

from __future__ import annotations


class CaptureError(Exception):
    """A source cannot be opened or read."""


class SourceEnded(Exception):
    """The source has no more frames: the file is over, or the game closed its ring. `lost`: how many are missing."""

    def __init__(self, message: str, lost: int = 0) -> None:
        super().__init__(message)
        self.lost = lost


class BadFrame(CaptureError):
    """One frame says what cannot be. It is left out and counted; the next one may be good."""
