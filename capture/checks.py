"""Checks that the values of a frame are possible, wherever frames come in: from a ring, a plugin or a recording.

`Frame` itself checks only its buffers. A frame that fails these checks is left out and counted. Its source goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from capture.errors import BadFrame
from capture.frame import MAX_BUFFERS, Camera, Frame, check_buffer

MAX_SECONDS = 1e11
"""The largest time of a game's clock: 3000 years. A float still resolves it to 15 microseconds."""
MAX_ID, MAX_NS, MAX_DROPPED = 2**64 - 1, 2**63 - 1, 2**32 - 1
RANGES = {"frame_id": MAX_ID, "session_id": MAX_ID, "t_capture_ns": MAX_NS, "dropped": MAX_DROPPED}
MIN_VOLUME = 1e-9
"""A matrix counts as singular if the volume that its rows span, over the product of their lengths, is less."""
MAX_NUMBER = float(np.finfo(np.float32).max)
MATRICES = ("view", "projection", "previous_view", "previous_projection")


def check_frame(frame: Frame) -> None:
    """Raises `BadFrame` unless every value of `frame` is finite and in its range."""
    if not 1 <= len(frame.buffers) <= MAX_BUFFERS:
        raise BadFrame(f"a frame has 1 to {MAX_BUFFERS} buffers, not {len(frame.buffers)}")
    for kind, buffer in frame.buffers.items():
        check_buffer(kind, buffer)
    check_numbers(vars(frame))
    if frame.camera is not None:
        check_camera(frame.camera)


def check_numbers(facts: Mapping[str, Any]) -> None:
    """Raises `BadFrame` unless the numbers of a frame are in their ranges. `facts` are named as `Frame`'s fields."""
    for name, most in RANGES.items():
        if not 0 <= facts[name] <= most:
            raise BadFrame(f"{name} is {facts[name]}; it is a number from 0 to {most}")
    if not abs(facts["t_game"]) <= MAX_SECONDS:  # also true for NaN
        raise BadFrame(f"t_game is {facts['t_game']}; it is the game's time in seconds, at most {MAX_SECONDS:.0e}")
    if not 0 <= facts["dt"] <= MAX_SECONDS:
        raise BadFrame(f"dt is {facts['dt']}; it is the seconds since the frame before, 0 or more")
    if not 0 < facts["metres_per_unit"] < math.inf:
        raise BadFrame(f"metres_per_unit is {facts['metres_per_unit']}; it is more than 0")


def check_camera(camera: Camera) -> None:
    """Raises `BadFrame` unless each matrix is (4, 4), finite and can be inverted, and `near` is less than `far`.

    `far` may be infinite. A transposed matrix, or one of another space, passes; `check-plugin` finds those.
    """
    check_lens(camera.near, camera.far)
    for name in MATRICES:
        check_matrix(name, tuple(getattr(camera, name).ravel().tolist()))


def check_lens(near: float, far: float) -> None:
    """Raises `BadFrame` unless `near` is finite and less than `far`, both in metres."""
    if not math.isfinite(near) or not near < far:  # also true for NaN
        raise BadFrame(f"the camera's near is {near} m and its far {far} m; near is finite, and less")


def check_matrix(name: str, numbers: tuple[float, ...]) -> None:
    """Raises `BadFrame` unless `numbers`, row by row, are a valid matrix. `name` is one of `MATRICES`."""
    if wrong := _wrong(numbers, name.endswith("view")):
        raise BadFrame(f"the camera's {name} {wrong}")


@lru_cache(maxsize=16)  # most of a frame's matrices are those of the frame before
def _wrong(numbers: tuple[float, ...], view: bool) -> str:
    if len(numbers) != 16 or not all(abs(n) <= MAX_NUMBER for n in numbers):
        return "is not 16 finite numbers"
    rows = [numbers[i:i + 4] for i in range(0, 16, 4)]
    if view:  # the camera's position does not matter for whether it can be inverted
        rows = [(*row[:3], float(i == 3)) for i, row in enumerate(rows)]
    return "" if _volume(rows) > MIN_VOLUME else "cannot be inverted"


def _volume(rows: list[tuple[float, ...]]) -> float:
    """The volume that four vectors span, divided by the product of their lengths: 0 (singular) to 1 (orthogonal).

    The determinant is computed by Laplace expansion along two rows. For so few numbers, numpy's calls cost ten times
    the arithmetic.
    """
    lengths = [math.hypot(*row) for row in rows]
    if not all(lengths):
        return 0.0
    a, b, c, d = ([n / length for n in row] for row, length in zip(rows, lengths, strict=True))
    pairs = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    upper = [a[i] * b[j] - a[j] * b[i] for i, j in pairs]
    lower = [c[i] * d[j] - c[j] * d[i] for i, j in pairs]
    return abs(sum(sign * u * w for sign, u, w in zip((1, -1, 1, 1, -1, 1), upper, reversed(lower), strict=True)))
