"""Joins overlapping chunks into one stream without gaps.

Frame `i` of an overlap of `n` frames is `(1 - w) * old + w * new` with w = (i + 1) / (n + 1). This is a linear
cross-fade, the "overlap-linear" fuse of context windows. The two weights of a frame sum to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Video = NDArray[np.uint8]


def overlap_weights(count: int) -> NDArray[np.float32]:
    """The weight of the newer chunk in each of `count` shared frames, (count,) f32, between 0 and 1 exclusive."""
    return (np.arange(1, count + 1) / (count + 1)).astype(np.float32)


def cross_fade(old: Sequence[Video], new: Sequence[Video]) -> list[Video]:
    """Blends two versions of the same N frames. Each frame is (H, W, 3) u8, before and after."""
    return [np.asarray(cv2.addWeighted(a, 1 - float(w), b, float(w), 0), np.uint8)
            for a, b, w in zip(old, new, overlap_weights(len(old)), strict=True)]


@dataclass(frozen=True)
class Piece:
    """Finished frames of a segment from number `start` on, (H, W, 3) u8 each. They are views of chunks if possible."""

    segment: int
    start: int
    frames: list[Video]


class Stitcher:
    """Takes chunks in order and gives each frame out once. A frame that two chunks have is blended.

    Args:
        overlap: the number of frames that two successive chunks share.
    """

    def __init__(self, overlap: int) -> None:
        self.overlap = overlap
        self.seam: float | None = None
        """Mean absolute difference (0 to 255) of the two versions of the last overlap, sampled every 8 pixels."""
        self._tail: Piece | None = None

    @property
    def tail(self) -> Piece | None:
        """The frames held back because the next chunk shares them; None if there are none."""
        return self._tail

    def resume(self, tail: Piece | None) -> None:
        """Restores the state of an earlier run, whose property `tail` was `tail`."""
        self._tail = tail

    @property
    def places(self) -> list[tuple[int, int]]:
        """Segment and number of each frame that is held back."""
        tail = self._tail
        return [] if tail is None else [(tail.segment, tail.start + i) for i in range(len(tail.frames))]

    def push(self, segment: int, start: int, frames: Sequence[Video]) -> list[Piece]:
        """Adds the next chunk. If it does not continue the last one, the frames held back are given out first.

        Args:
            segment: the segment of the chunk.
            start: the number of its first frame in that segment.
            frames: its valid frames, (H, W, 3) u8 each.

        Returns:
            The frames that are finished now.
        """
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
        """Cross-fades the shared frames, and measures `seam`."""
        old = old[:len(new)]
        self.seam = float(np.mean([np.abs(a[::8, ::8].astype(np.int16) - b[::8, ::8])
                                   for a, b in zip(old, new, strict=False)]))
        return cross_fade(old, new[:len(old)])

    def flush(self) -> list[Piece]:
        """Ends the stream of chunks: gives out the frames that are held back."""
        tail, self._tail = self._tail, None
        return [tail] if tail is not None else []


def border_ratio(video: Video, borders: list[int]) -> float:
    """The mean change between frames at borders of chunks, divided by that elsewhere; 1.0 means that no seam shows.

    Args:
        video: (N, H, W, 3) u8.
        borders: the indices of frames that start a new chunk.
    """
    change = np.abs(np.diff(video.astype(np.int16), axis=0)).mean((1, 2, 3))
    at = np.zeros(len(change), bool)
    at[[b - 1 for b in borders if 0 < b <= len(change)]] = True
    if not at.any() or at.all():
        return 1.0
    return float(change[at].mean() / max(change[~at].mean(), 1e-6))
