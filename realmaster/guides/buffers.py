"""A frame's buffers as arrays in the units that the product computes with, all at the size of its colour."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Encoding, Frame, Kind
from realmaster.guides.interface import scene_of

F32 = NDArray[np.float32]


def picture(frame: Frame) -> NDArray[np.uint8]:
    """What the buffers are about (H, W, 3): the scene without the interface, where the game gives it."""
    return np.asarray(cv2.cvtColor(scene_of(frame), cv2.COLOR_RGBA2RGB), np.uint8)


def at_size(data: NDArray[Any], frame: Frame) -> F32:
    """A buffer (h, w, C) at the size of the frame's colour, as f32; nothing is mixed."""
    return np.asarray(cv2.resize(data.astype(np.float32), frame.size, interpolation=cv2.INTER_NEAREST), np.float32)


def motion(frame: Frame) -> F32:
    """(H, W, 2) motion vectors in pixels of the frame's colour."""
    data = frame.buffers[Kind.MOTION].data
    scale = frame.size[0] / data.shape[1], frame.size[1] / data.shape[0]
    return at_size(data, frame) * np.array(scale, np.float32)


def inverse_depth(frame: Frame) -> F32:
    """(H, W) 1 / view depth in 1/m as the frame claims to have it."""
    buffer = frame.buffers[Kind.DEPTH]
    data = at_size(buffer.data, frame)
    return data if buffer.encoding is Encoding.INVERSE_Z else reciprocal(data)


def reciprocal(x: NDArray[Any]) -> F32:
    """1 / x; 0 stays 0."""
    return np.where(x > 1e-6, 1 / np.maximum(x, 1e-6), 0).astype(np.float32)
