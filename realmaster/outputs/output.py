"""What all files have in common that `render` makes.

Each grows in a `.part` folder that a killed render leaves behind, and with which the next run of the same command goes
on.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from realmaster.guides.pictures import Size, boxed
from realmaster.outputs.place import Place
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats


class Layout:
    """What of a frame goes into the file: its photoreal version, perhaps beside the game's.

    Without a `size` that of the first frame holds for all. What has another shape gets black bars.
    """

    def __init__(self, size: Size | None, side_by_side: bool) -> None:
        self.size, self.side_by_side = size, side_by_side

    def compose(self, shown: Shown) -> NDArray[np.uint8]:
        """(H, W, 3) u8 RGB."""
        assert shown.photo is not None
        self.size = self.size or (shown.photo.shape[1], shown.photo.shape[0])
        photo = boxed(shown.photo, self.size, cv2.BORDER_CONSTANT)
        if not self.side_by_side:
            return photo
        return np.concatenate([boxed(shown.frame.rgb, self.size, cv2.BORDER_CONSTANT), photo], 1)


class Output(Protocol):
    """A `Sink` into the `.part` folder of its place, which `finish` turns into the result."""

    place: Place
    layout: Layout
    notes: list[str]
    """What the user should know of the result, a sentence each."""

    def show(self, shown: Shown, stats: Stats) -> None:
        """Writes the next frame."""
        ...

    def settle(self) -> None:
        """Makes sure that all frames so far will outlive a crash: a render can go on from here."""
        ...

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """Goes on after `frames` frames, `settled` calls of `settle`; `origin_ns` is the first frame's time."""
        ...

    def finish(self) -> None:
        """All frames are there: makes the result. Raises `UserError` if that fails."""
        ...

    def close(self) -> None:
        """See `Sink.close`; what is not finished stays in `.part`."""
        ...
