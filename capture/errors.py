"""Errors of the capture layer; every message says what to do next."""

from __future__ import annotations


class CaptureError(Exception):
    """A source cannot be opened or read."""


class SourceEnded(Exception):
    """The source has no more frames: the file is over, or the game closed its ring."""


class BadFrame(CaptureError):
    """One frame says what cannot be. It is left out and counted; the next one may be good."""
