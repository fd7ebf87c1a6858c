"""Colour drift: a minute of one held-out shot, played to and fro, so that every frame comes again and again.

Whatever the picture does that the game does not, it does by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.contract import Backend, RenderSettings
from realmaster.evaluation.stream import stream
from realmaster.training.colour import to_lab

MINUTE = 60 * 24
Video = NDArray[np.uint8]


@dataclass(frozen=True)
class Drift:
    """Over a minute: how far the mean Lab colour moved (delta E), and the mean change of equal frames (0 to 255)."""

    delta_e: float
    change: float


def to_and_fro(clip: Video, frames: int) -> NDArray[np.int64]:
    """Indices that play `clip` forwards and backwards for `frames` frames."""
    there_and_back = np.concatenate([np.arange(len(clip)), np.arange(len(clip) - 2, 0, -1)])
    return np.resize(there_and_back, frames)


def measure_drift(backend: Backend, clip: Video, settings: RenderSettings, frames: int = MINUTE) -> Drift:
    """Compares the second turn of `clip` with the last whole one."""
    order = to_and_fro(clip, frames)
    photos = stream(backend, clip[order], settings).photos
    turn = 2 * len(clip) - 2
    last = (frames // turn - 1) * turn
    early, late = (np.stack(photos[i:i + turn]) for i in (turn, last))
    means = [np.mean([to_lab(p).mean((0, 1)) for p in part], 0) for part in (early, late)]
    return Drift(float(np.linalg.norm(means[1] - means[0])),
                 float(np.abs(early.astype(np.float32) - late.astype(np.float32)).mean()))
