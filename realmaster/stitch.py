"""Blends overlapping chunks into one gap-free stream; pure but for the tail it holds.

Frame `i` of an overlap of `n` is `(1 - w) * old + w * new` with w = (i + 1) / (n + 1): a linear
cross-fade, the "overlap-linear" fuse of context windows. The weights of a frame sum to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Video = NDArray[np.uint8]


def overlap_weights(count: int) -> NDArray[np.float32]:
    """Weight of the newer chunk for each of `count` overlapping frames, strictly between 0 and 1."""
    return (np.arange(1, count + 1) / (count + 1)).astype(np.float32)


def cross_fade(old: Video, new: Video) -> Video:
    """Blends two versions of the same frames, (N, H, W, 3) u8 each."""
    if old.shape != new.shape:
        raise ValueError(f"cannot blend {old.shape} with {new.shape}")
    w = overlap_weights(len(old))[:, None, None, None]
    return np.rint(old * (1 - w) + new * w).astype(np.uint8)


@dataclass(frozen=True)
class Piece:
    """Finished frames of a segment: `pixels` (N, H, W, 3) u8 from place `start` on."""

    segment: int
    start: int
    pixels: Video


class Stitcher:
    """Takes chunks in order; every frame of every chunk comes out once, blended where two have it."""

    def __init__(self, overlap: int) -> None:
        self.overlap = overlap
        self.seam: float | None = None
        """Mean absolute difference (0 to 255) of the two versions of the last blended overlap."""
        self._tail: Piece | None = None

    @property
    def places(self) -> list[tuple[int, int]]:
        """Segment and number of each frame that is held back."""
        tail = self._tail
        return [] if tail is None else [(tail.segment, tail.start + i) for i in range(len(tail.pixels))]

    def push(self, segment: int, start: int, pixels: Video) -> list[Piece]:
        """A chunk's valid frames. A chunk that does not continue the last one first ends that one."""
        done: list[Piece] = []
        tail = self._tail
        if tail is not None and (tail.segment, tail.start) == (segment, start):
            shared = min(len(tail.pixels), len(pixels))
            old, new = tail.pixels[:shared], pixels[:shared]
            self.seam = float(np.abs(old.astype(np.int16) - new).mean()) if shared else None
            pixels = np.concatenate([cross_fade(old, new), pixels[shared:]])
        else:
            done += self.flush()
        keep = min(self.overlap, len(pixels))
        ready = len(pixels) - keep
        if ready:
            done.append(Piece(segment, start, pixels[:ready]))
        self._tail = Piece(segment, start + ready, pixels[ready:]) if keep else None
        return done

    def flush(self) -> list[Piece]:
        """What is still held back for a successor that will not come."""
        tail, self._tail = self._tail, None
        return [tail] if tail is not None else []


def border_ratio(video: Video, borders: list[int]) -> float:
    """Mean frame-to-frame change at `borders` over that elsewhere; 1.0 means that no seam shows.

    `borders` are indices of frames that start a new chunk.
    """
    change = np.abs(np.diff(video.astype(np.int16), axis=0)).mean((1, 2, 3))
    at = np.zeros(len(change), bool)
    at[[b - 1 for b in borders if 0 < b <= len(change)]] = True
    if not at.any() or at.all():
        return 1.0
    return float(change[at].mean() / max(change[~at].mean(), 1e-6))
