"""Watches the free space of a disk, so that a recording is completed before the disk is full."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

RESERVE = 256 << 20
"""The number of bytes that a recording leaves free."""
CHECK_SECONDS = 1.0


class DiskWatch:
    """Checks the free space on the disk of `folder` once a second. `reserve` bytes must stay free."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self.folder, self.reserve = folder, reserve
        self.free, self._checked = 0, -CHECK_SECONDS
        self.trouble = ""
        """One sentence on why nothing more may be written; empty if it may."""

    def enough(self) -> bool:
        """Whether more space is free than the reserve. Raises `OSError` if the disk cannot be asked."""
        now = time.monotonic()
        if now - self._checked > CHECK_SECONDS:
            self._checked, self.free = now, shutil.disk_usage(self.folder).free
            if self.free < self.reserve:
                self.trouble = (f"recording stopped: {self.free >> 20} MiB are left on the disk of {self.folder}, and "
                                f"{self.reserve >> 20} are kept free. What was recorded is whole")
        return not self.trouble
