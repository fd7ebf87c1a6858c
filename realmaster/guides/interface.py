"""Keeps a game's interface (HUD) as it is: only the scene is made photoreal, and the interface is put back on top.

This needs a game that gives its picture twice, with the interface (COLOR) and without it (SCENE_COLOR). The interface
consists of the pixels in which the two differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame, Kind
from realmaster.guides.pictures import fit


def scene_of(frame: Frame) -> NDArray[Any]:
    """The picture to be made photoreal, (H, W, 4) u8: SCENE_COLOR if the frame has it at full size, else COLOR."""
    color = frame.buffers[Kind.COLOR].data
    scene = frame.buffers.get(Kind.SCENE_COLOR)
    return color if scene is None or scene.data.shape != color.shape else scene.data


def with_interface(frame: Frame, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Puts the interface of `frame` on top of its photoreal picture.

    Args:
        frame: the game's frame, of size (H, W).
        photo: its photoreal picture, (h, w, 3) u8.

    Returns:
        The picture at the game's size, (H, W, 3) u8. The interface's pixels are exactly the game's. If the frame has no
        picture without interface, it is `photo` itself.
    """
    color, scene = frame.buffers[Kind.COLOR].data, scene_of(frame)
    if scene is color:
        return photo
    drawn = (color[..., :3] != scene[..., :3]).any(-1, keepdims=True)
    return np.where(drawn, color[..., :3], fit(photo, color.shape[1], color.shape[0]))
