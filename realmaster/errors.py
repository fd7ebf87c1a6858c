"""The one error a user is meant to read."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: the message is one sentence and says what to do."""
