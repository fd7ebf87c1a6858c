"""Gives a frame's buffers as arrays at the size of its colour, in pixels and metres."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Encoding, Frame, Kind
from realmaster.guides.interface import scene_of

F32 = NDArray[np.float32]


def picture(frame: Frame) -> NDArray[np.uint8]:
    """The picture that the buffers describe, (H, W, 3) u8: without the interface, if the game gives such a picture."""
    return np.asarray(cv2.cvtColor(scene_of(frame), cv2.COLOR_RGBA2RGB), np.uint8)


def at_size(data: NDArray[Any], frame: Frame) -> F32:
    """Resizes a buffer (h, w, C) to the size of the frame's colour, (H, W, C) f32, by nearest neighbour."""
    return np.asarray(cv2.resize(data.astype(np.float32), frame.size, interpolation=cv2.INTER_NEAREST), np.float32)


def motion(frame: Frame) -> F32:
    """The frame's motion vectors, (H, W, 2) f32, in pixels of its colour. The frame must have them."""
    data = frame.buffers[Kind.MOTION].data
    scale = frame.size[0] / data.shape[1], frame.size[1] / data.shape[0]
    return at_size(data, frame) * np.array(scale, np.float32)


def inverse_depth(frame: Frame) -> F32:
    """The frame's 1 / view depth, (H, W) f32 in 1/m, as the game gives it. The frame must have depth."""
    buffer = frame.buffers[Kind.DEPTH]
    data = at_size(buffer.data, frame)
    return data if buffer.encoding is Encoding.INVERSE_Z else reciprocal(data)


def reciprocal(x: NDArray[Any]) -> F32:
    """1 / x as f32; 0 where x is 1e-6 or less."""
    return np.where(x > 1e-6, 1 / np.maximum(x, 1e-6), 0).astype(np.float32)
