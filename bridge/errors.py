"""The bridge's error for people."""

from __future__ import annotations


class BridgeError(Exception):
    """The bridge cannot be set up; the message says what to do."""
