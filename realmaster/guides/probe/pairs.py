"""The pairs of frames that the probe compares, and the findings that it reports."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Frame
from realmaster.guides.buffers import picture
from realmaster.guides.probe.spread import follows
from realmaster.guides.warp import psnr, warp

PAIRS = 10
"""The most pairs of frames to compare. They are spread over all pairs that show motion."""
STILL_DB = 42.0
"""If two frames are more alike than this, in dB, nothing moves and warping cannot gain anything."""


@dataclass(frozen=True)
class Finding:
    """A fault (`wrong`) or a note about one buffer or value. `text` says what it is and what to do."""

    wrong: bool
    about: str
    text: str


@dataclass
class Examination:
    """The result of the probe: figures, whose names give their units, and findings."""

    figures: dict[str, float] = field(default_factory=dict[str, float])
    findings: list[Finding] = field(default_factory=list[Finding])

    def wrong(self, about: str, text: str) -> None:
        """Adds a fault."""
        self.findings.append(Finding(True, about, text))

    def note(self, about: str, text: str) -> None:
        """Adds a note: no fault, but something that limits what can be done."""
        self.findings.append(Finding(False, about, text))


@dataclass(frozen=True)
class Pair:
    """Two consecutive frames, and their PSNR in dB."""

    before: Frame
    now: Frame
    still_db: float

    def gain(self, motion: NDArray[Any]) -> float:
        """The dB by which warping by `motion` (H, W, 2), in pixels, brings the frame before closer to `now`."""
        before, now = picture(self.before), picture(self.now)
        moved, inside = warp(before, motion)
        if inside.mean() < 0.2:
            return -self.still_db
        return psnr(moved, now, inside) - psnr(before, now, inside)


def moving_pairs(frames: Sequence[Frame]) -> list[Pair]:
    """Up to `PAIRS` pairs of consecutive frames between which the picture moves and no cut or lost frame lies."""
    found = [Pair(a, b, psnr(picture(a), picture(b))) for a, b in itertools.pairwise(frames) if follows(a, b)]
    moving = [pair for pair in found if pair.still_db < STILL_DB]
    return moving[::max(1, len(moving) // PAIRS)][:PAIRS]


def mean_gain(pairs: Sequence[Pair], motion_of: Callable[[Pair], NDArray[Any]]) -> float:
    """The mean of `Pair.gain` over all pairs, in dB, with the motion that `motion_of` gives for each."""
    return float(np.mean([pair.gain(motion_of(pair)) for pair in pairs]))


def edges(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a picture (H, W, 3) u8 has edges, (H, W)."""
    return cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 60, 160) > 0


def edge_match(colour: Frame, inverse: NDArray[np.float32]) -> float:
    """The share, 0 to 1, of the edges of an inverse depth (H, W) at which the colour has an edge, too."""
    scaled = np.clip(inverse / max(float(np.percentile(inverse, 99)), 1e-6), 0, 1) ** 0.5
    steps = cv2.Canny((scaled * 255).astype(np.uint8), 40, 120) > 0
    return float(edges(picture(colour))[steps].mean()) if steps.any() else 0.0
