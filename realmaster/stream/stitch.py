"""Blends overlapping chunks into one gap-free stream; pure but for the tail it holds.

Frame `i` of an overlap of `n` is `(1 - w) * old + w * new` with w = (i + 1) / (n + 1): a linear
cross-fade, the "overlap-linear" fuse of context windows. The weights of a frame sum to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Video = NDArray[np.uint8]


def overlap_weights(count: int) -> NDArray[np.float32]:
    """Weight of the newer chunk for each of `count` overlapping frames, strictly between 0 and 1."""
    return (np.arange(1, count + 1) / (count + 1)).astype(np.float32)


def cross_fade(old: Sequence[Video], new: Sequence[Video]) -> list[Video]:
    """Blends two versions of the same N frames, (H, W, 3) u8 each."""
    return [np.asarray(cv2.addWeighted(a, 1 - float(w), b, float(w), 0), np.uint8)
            for a, b, w in zip(old, new, overlap_weights(len(old)), strict=True)]


@dataclass(frozen=True)
class Piece:
    """Finished frames of a segment, from place `start` on: each (H, W, 3) u8, views of the chunks where possible."""

    segment: int
    start: int
    frames: list[Video]


class Stitcher:
    """Takes chunks in order; every frame of every chunk comes out once, blended where two have it."""

    def __init__(self, overlap: int) -> None:
        self.overlap = overlap
        self.seam: float | None = None
        """Mean absolute difference (0 to 255) of the two versions of the last overlap, sampled every 8 pixels."""
        self._tail: Piece | None = None

    @property
    def tail(self) -> Piece | None:
        """What is held back: the frames that the next chunk will share."""
        return self._tail

    def resume(self, tail: Piece | None) -> None:
        """Stands as if the chunk that ended in `tail` had just been pushed."""
        self._tail = tail

    @property
    def places(self) -> list[tuple[int, int]]:
        """Segment and number of each frame that is held back."""
        tail = self._tail
        return [] if tail is None else [(tail.segment, tail.start + i) for i in range(len(tail.frames))]

    def push(self, segment: int, start: int, frames: Sequence[Video]) -> list[Piece]:
        """A chunk's valid frames, (H, W, 3) each. A chunk that does not continue the last one first ends that one."""
        done: list[Piece] = []
        tail, frames = self._tail, list(frames)
        if tail is not None and (tail.segment, tail.start) == (segment, start):
            frames[:len(tail.frames)] = self._blend(tail.frames, frames)
        else:
            done += self.flush()
        ready = max(0, len(frames) - self.overlap)
        if ready:
            done.append(Piece(segment, start, frames[:ready]))
        self._tail = Piece(segment, start + ready, frames[ready:]) if self.overlap else None
        return done

    def _blend(self, old: list[Video], new: list[Video]) -> list[Video]:
        """The shared frames, cross-faded, with their seam measured."""
        old = old[:len(new)]
        self.seam = float(np.mean([np.abs(a[::8, ::8].astype(np.int16) - b[::8, ::8])
                                   for a, b in zip(old, new, strict=False)]))
        return cross_fade(old, new[:len(old)])

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
