"""Whether a frame's facts can be true, asked wherever frames come in: from a ring, a plugin, a recorded session.

`Frame` itself looks at its buffers alone. A frame that fails here is left out and counted; what hands it out goes on.
"""

from __future__ import annotations

import math

import numpy as np

from capture.errors import BadFrame
from capture.frame import MAX_BUFFERS, Camera, Frame, check_buffer

MAX_SECONDS = 1e11
"""No clock of a game shows more: three thousand years, which a float still tells to 15 microseconds."""
MAX_ID, MAX_NS, MAX_DROPPED = 2**64 - 1, 2**63 - 1, 2**32 - 1
RANGES = {"frame_id": MAX_ID, "session_id": MAX_ID, "t_capture_ns": MAX_NS, "dropped": MAX_DROPPED}
MIN_VOLUME = 1e-9
"""A matrix is singular if the volume that its rows span is less than this part of the product of their lengths."""
MATRICES = ("view", "projection", "previous_view", "previous_projection")


def check_frame(frame: Frame) -> None:
    """Raises `BadFrame` with a sentence unless every fact of `frame` is finite and in its range."""
    if not 1 <= len(frame.buffers) <= MAX_BUFFERS:
        raise BadFrame(f"a frame has 1 to {MAX_BUFFERS} buffers, not {len(frame.buffers)}")
    for kind, buffer in frame.buffers.items():
        check_buffer(kind, buffer)
    for name, most in RANGES.items():
        if not 0 <= getattr(frame, name) <= most:
            raise BadFrame(f"{name} is {getattr(frame, name)}; it is a number from 0 to {most}")
    if not abs(frame.t_game) <= MAX_SECONDS:  # a NaN is not, either
        raise BadFrame(f"t_game is {frame.t_game}; it is the game's time in seconds, at most {MAX_SECONDS:.0e}")
    if not 0 <= frame.dt <= MAX_SECONDS:
        raise BadFrame(f"dt is {frame.dt}; it is the seconds since the frame before, 0 or more")
    if not 0 < frame.metres_per_unit < math.inf:
        raise BadFrame(f"metres_per_unit is {frame.metres_per_unit}; it is more than 0")
    if frame.camera is not None:
        check_camera(frame.camera)


def check_camera(camera: Camera) -> None:
    """Raises `BadFrame` unless each matrix is (4, 4), finite and can be inverted, and `near` is less than `far`.

    The last row of a view is (0, 0, 0, 1). `far` may be infinite.
    """
    if not math.isfinite(camera.near) or not camera.near < camera.far:  # a NaN is not less, either
        raise BadFrame(f"the camera's near is {camera.near} m and its far {camera.far} m; near is finite and less")
    if any(getattr(camera, name).shape != (4, 4) for name in MATRICES):
        raise BadFrame("a matrix of the camera is not 4x4")
    stacked = np.array([getattr(camera, name) for name in MATRICES], np.float64)
    if not np.isfinite(stacked).all():
        raise BadFrame("a matrix of the camera holds a NaN or an infinity")
    views = stacked[::2]
    if np.abs(views[:, 3] - (0, 0, 0, 1)).max() > 1e-3:
        raise BadFrame("the last row of the camera's view is not 0 0 0 1: it may be transposed")
    views[:, :3, 3] = 0  # how far away the world lies says nothing about the matrix
    lengths = np.sqrt(np.square(stacked).sum(-1, keepdims=True))
    if not lengths.all() or np.abs(np.linalg.det(stacked / lengths)).min() < MIN_VOLUME:
        raise BadFrame("a matrix of the camera cannot be inverted")
