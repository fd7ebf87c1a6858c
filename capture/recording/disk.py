"""Watches the room on a disk, so that whatever is written there ends whole before it is full."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

RESERVE = 256 << 20
"""Bytes that a recording leaves free."""
CHECK_SECONDS = 1.0


class DiskWatch:
    """Looks once a second at the room on the disk of `folder`; `reserve` bytes are kept free."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self.folder, self.reserve = folder, reserve
        self.free, self._checked = 0, -CHECK_SECONDS
        self.trouble = ""
        """Why nothing more may be written there; empty while it may."""

    def enough(self) -> bool:
        """Whether there is still more room than shall be kept free. Raises `OSError` if nobody can tell."""
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS:
            self._checked, self.free = now, shutil.disk_usage(self.folder).free
            if self.free < self.reserve:
                self.trouble = (f"recording stopped: {self.free >> 20} MiB are left on the disk of {self.folder}, and "
                                f"{self.reserve >> 20} are kept free. What was recorded is whole")
        return not self.trouble
