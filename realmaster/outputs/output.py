"""The interface of all outputs of `render`, and the layout of their pictures.

An output is written in a `.part` folder. A killed render leaves that folder behind. The next run of the same command
continues from it.
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
    """Composes the pictures of an output. Frames with another aspect ratio get black bars.

    Args:
        size: width and height of the photoreal picture; None for the size of the first frame.
        side_by_side: put the game's picture to the left of the photoreal one.
    """

    def __init__(self, size: Size | None, side_by_side: bool) -> None:
        self.size, self.side_by_side = size, side_by_side

    def compose(self, shown: Shown) -> NDArray[np.uint8]:
        """The picture for the output, (H, W, 3) u8 RGB. The frame must have a photoreal picture."""
        assert shown.photo is not None
        self.size = self.size or (shown.photo.shape[1], shown.photo.shape[0])
        photo = boxed(shown.photo, self.size, cv2.BORDER_CONSTANT)
        if not self.side_by_side:
            return photo
        return np.concatenate([boxed(shown.frame.rgb, self.size, cv2.BORDER_CONSTANT), photo], 1)


class Output(Protocol):
    """A `Sink` that writes into the `.part` folder of its `place`. `finish` makes the result from it."""

    place: Place
    layout: Layout
    notes: list[str]
    """What the user should know about the result, one sentence each."""

    def show(self, shown: Shown, stats: Stats) -> None:
        """Writes the next frame. A frame without a photoreal picture is left out."""
        ...

    def settle(self) -> None:
        """Completes the frames written so far, so that a later run can continue after them."""
        ...

    def resume(self, frames: int, settled: int, origin_ns: int) -> None:
        """Continues an earlier run.

        Args:
            frames: the number of frames that it has written.
            settled: how often it has called `settle`.
            origin_ns: the capture time of the first frame, in ns.
        """
        ...

    def finish(self) -> None:
        """Makes the result from all frames. Raises `UserError` if that fails."""
        ...

    def close(self) -> None:
        """See `Sink.close`. An unfinished output stays in `.part`."""
        ...
