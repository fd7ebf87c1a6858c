"""How well a path-traced clip lines up with the game's: what each renderer hits, how far, and how it moves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from realmaster.errors import UserError
from realmaster.guides.warp import psnr, warp

F32 = NDArray[np.float32]
MAX_HIT_MISMATCH = 0.03
MAX_DEPTH_ERROR = 0.01
MIN_CHANGE_DB = 42.0
"""Where two frames are more alike than this, nothing moves, and warping has nothing to gain."""


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one clip.

    `hit_mismatch`: largest share of a frame's pixels where one renderer sees sky and the other does not.
    `depth_error`: median relative error of view depth. `warp_gain_db`: by how many dB the photograph's last
    frame, warped by the game's motion vectors, is closer to the next than unwarped; `still_db` is the latter.
    """

    hit_mismatch: float
    depth_error: float
    warp_gain_db: float
    still_db: float

    def check(self) -> None:
        """Raises `UserError` saying what does not line up."""
        if self.hit_mismatch > MAX_HIT_MISMATCH:
            raise UserError(f"{self.hit_mismatch:.1%} of the pixels hit different things in the two renderers")
        if self.depth_error > MAX_DEPTH_ERROR:
            raise UserError(f"view depths differ by {self.depth_error:.1%} (median)")
        if self.still_db < MIN_CHANGE_DB and self.warp_gain_db <= 0:
            raise UserError(f"the motion vectors do not explain the photograph ({self.warp_gain_db:.1f} dB)")


def measure(photo: Sequence[NDArray[np.uint8]], motion: Sequence[NDArray[np.float16]],
            hits: Sequence[tuple[NDArray[np.float16], F32]]) -> Alignment:
    """Alignment of a clip. `hits`: for each frame the game's inverse view depth and the photograph's view depth."""
    mismatch = [float(((theirs > 0) != (ours > 0)).mean()) for ours, theirs in hits]
    errors: list[float] = []
    for ours, theirs in hits:
        both = (theirs > 0) & (ours > 0)
        if both.any():
            errors.append(float(np.median(np.abs(theirs[both] * ours[both].astype(np.float32) - 1))))
    gain, still = explained(photo, motion)
    return Alignment(hit_mismatch=round(max(mismatch), 5), depth_error=round(max(errors, default=0.0), 5),
                     warp_gain_db=gain, still_db=still)


def explained(photo: Sequence[NDArray[np.uint8]], motion: Sequence[NDArray[np.float16]]) -> tuple[float, float]:
    """`warp_gain_db` and `still_db` of a clip's frames (H, W, 3) and motion vectors (H, W, 2) in pixels."""
    still: list[float] = []
    warped: list[float] = []
    for before, now, vectors in zip(photo, photo[1:], motion[1:], strict=False):
        moved, inside = warp(before, vectors)
        still.append(psnr(before, now, inside))
        warped.append(psnr(moved, now, inside))
    if not still:
        return 0.0, 100.0
    return round(float(np.mean(warped) - np.mean(still)), 2), round(float(np.mean(still)), 2)
