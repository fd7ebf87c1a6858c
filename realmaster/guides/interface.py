"""A game's interface (HUD) stays as it is: only the scene behind it is made photoreal, and it is put back on top.

That takes a game that hands over its picture twice, with the interface (COLOR) and without (SCENE_COLOR). The
interface is where the two differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame, Kind
from realmaster.guides.pictures import fit


def scene_of(frame: Frame) -> NDArray[Any]:
    """The picture (H, W, 4) u8 to be made photoreal: without the interface, where the game has that at full size."""
    color = frame.buffers[Kind.COLOR].data
    scene = frame.buffers.get(Kind.SCENE_COLOR)
    return color if scene is None or scene.data.shape != color.shape else scene.data


def with_interface(frame: Frame, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photoreal picture of `frame` with its interface on top, bit for bit, at the game's own size (H, W, 3).

    `photo` comes back as it is if the game has no picture without interface.
    """
    color, scene = frame.buffers[Kind.COLOR].data, scene_of(frame)
    if scene is color:
        return photo
    drawn = (color[..., :3] != scene[..., :3]).any(-1, keepdims=True)
    return np.where(drawn, color[..., :3], fit(photo, color.shape[1], color.shape[0]))
