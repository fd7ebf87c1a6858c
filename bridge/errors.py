"""The error that the bridge raises, with a message for the user."""

from __future__ import annotations


class BridgeError(Exception):
    """The bridge cannot be set up. The message says what to do."""
