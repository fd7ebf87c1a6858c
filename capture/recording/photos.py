"""Reads the photoreal pictures of a recorded session, as they were shown."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.recording.folder import own_file, tracks
from capture.recording.layout import PHOTO, track_file
from capture.video.tracks import TrackReader

log = logging.getLogger(__name__)
HOLD_MS = 1000
"""A picture is shown until the next one, but no longer than this, because nothing was rendered in a longer gap."""


def has_photos(path: Path) -> bool:
    """Whether the session `path` has photoreal pictures."""
    return PHOTO in tracks(path)


class PhotoTracks:
    """The photoreal pictures of the session `path`. Raises `CaptureError` if they cannot be read."""

    def __init__(self, path: Path) -> None:
        files = [own_file(path, track_file(PHOTO, number)) for number in tracks(path).get(PHOTO, [])]
        self._readers = [TrackReader(file) for file in files]  # one reader for each size of pictures
        self._held: tuple[int, NDArray[Any]] | None = None

    def at(self, pts: int) -> NDArray[np.uint8] | None:
        """The picture shown at `pts` ms, (H, W, 3) u8. `pts` must not fall between calls, except after `seek`."""
        for reader in self._readers:
            try:
                self._held = reader.until(pts) or self._held
            except CaptureError as error:
                log.warning("%s; the one before it is shown", error)
        if self._held is None or pts - self._held[0] > HOLD_MS:
            return None
        return self._held[1]

    def seek(self, pts: int) -> None:
        """Prepares for reading pictures at or after `pts`, in milliseconds."""
        self._held = None
        for reader in self._readers:
            reader.seek(pts)

    def close(self) -> None:
        """Closes the files."""
        for reader in self._readers:
            reader.close()
