"""How close a clip is to the truth, how much of the game's structure it keeps, and how steady it is.

All take clips (T, H, W, 3) u8 sRGB. SSIM is scikit-image's (colour, its default 7x7 window).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realmaster.guides.warp import warp

Video = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def square_error(video: Video, truth: Video, where: Mask | None = None) -> float:
    """Mean squared error of 8-bit values, over the pixels `where` (T, H, W)."""
    error = np.square(video.astype(np.float32) - truth.astype(np.float32))
    return float((error if where is None else error[where]).mean())


def ssim(video: Video, truth: Video) -> float:
    """Mean structural similarity (Wang et al., 2004)."""
    from skimage.metrics import structural_similarity

    return float(np.mean([structural_similarity(t, v, channel_axis=2) for v, t in zip(video, truth, strict=True)]))


MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363)
"""Wang, Simoncelli and Bovik, "Multi-scale structural similarity", 2003: their weights of the first four of five
scales, used as a weighted mean (pictures of 144 rows have no fifth)."""


def ms_ssim(video: Video, truth: Video) -> float:
    """Multi-scale SSIM on luma, four scales, contrast and structure at all, luminance at the coarsest."""
    return float(np.mean([_ms_ssim(_luma(v), _luma(t)) for v, t in zip(video, truth, strict=True)]))


def _ms_ssim(a: NDArray[Any], b: NDArray[Any]) -> float:
    weights = np.array(MS_WEIGHTS) / sum(MS_WEIGHTS)
    value = 1.0
    for scale, weight in enumerate(weights):
        mean_a, mean_b = (cv2.GaussianBlur(v, (11, 11), 1.5) for v in (a, b))
        var_a, var_b = (cv2.GaussianBlur(v * v, (11, 11), 1.5) - m * m for v, m in ((a, mean_a), (b, mean_b)))
        both = cv2.GaussianBlur(a * b, (11, 11), 1.5) - mean_a * mean_b
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        part = (2 * both + c2) / (var_a + var_b + c2)
        if scale == len(weights) - 1:
            part = part * (2 * mean_a * mean_b + c1) / (mean_a ** 2 + mean_b ** 2 + c1)
        value *= max(float(part.mean()), 0.0) ** float(weight)
        a, b = (cv2.resize(v, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for v in (a, b))
    return value


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def edge_f1(video: Video, reference: Video, slack: int = 1) -> float:
    """F1 of Canny edges against the reference's, found again within `slack` pixels."""
    return float(np.mean([_edge_f1(v, r, slack) for v, r in zip(video, reference, strict=True)]))


def _edge_f1(picture: Video, reference: Video, slack: int) -> float:
    kernel = np.ones((2 * slack + 1,) * 2, np.uint8)
    ours, theirs = (cv2.Canny(cv2.cvtColor(v, cv2.COLOR_RGB2GRAY), 60, 140) > 0 for v in (picture, reference))
    wide_ours, wide_theirs = (cv2.dilate(v.astype(np.uint8), kernel) > 0 for v in (ours, theirs))
    precision = (ours & wide_theirs).sum() / max(ours.sum(), 1)
    recall = (theirs & wide_ours).sum() / max(theirs.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def blur_ssim(video: Video, reference: Video) -> float:
    """SSIM of blurred luma against the reference: whether large shapes stay where they are."""
    from skimage.metrics import structural_similarity

    pairs = [[cv2.GaussianBlur(_luma(p), (0, 0), 3.0) for p in pair] for pair in zip(video, reference, strict=True)]
    return float(np.mean([structural_similarity(r, v, data_range=255.0) for v, r in pairs]))


class Motion:
    """The engine's exact motion: which pixels of a frame show a point that the frame before shows too, and where."""

    def __init__(self, vectors: NDArray[np.float16], inverse_depth: NDArray[np.float16],
                 object_id: NDArray[np.uint32]) -> None:
        """`vectors` (T, H, W, 2) px, `inverse_depth` and `object_id` (T, H, W)."""
        self.vectors = vectors
        self.seen: list[Mask] = []
        height, width = object_id.shape[1:]
        y, x = np.mgrid[0:height, 0:width]
        for i in range(1, len(vectors)):
            from_x, from_y = (np.rint(base + vectors[i, ..., k].astype(np.float32)).astype(int)
                              for k, base in ((0, x), (1, y)))
            inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
            there = from_y.clip(0, height - 1), from_x.clip(0, width - 1)
            now, before = inverse_depth[i].astype(np.float32), inverse_depth[i - 1].astype(np.float32)[there]
            # Another object there, or another depth: the point has just come out from behind something.
            same = (object_id[i] == object_id[i - 1][there]) & (np.abs(before - now) <= 0.1 * np.maximum(now, 1e-3))
            self.seen.append(inside & same)

    def warp_error(self, video: Video) -> float:
        """Mean absolute change (0 to 255) of a visible point's colour from one frame to the next."""
        return self._change(video, self.seen)

    def flicker(self, video: Video) -> float:
        """The same, where the point does not move in the picture either (less than half a pixel)."""
        still = [seen & (np.abs(v.astype(np.float32)).max(-1) < 0.5)
                 for seen, v in zip(self.seen, self.vectors[1:], strict=True)]
        return self._change(video, still)

    def _change(self, video: Video, where: Sequence[Mask]) -> float:
        total, count = 0.0, 0
        for i, mask in enumerate(where, 1):
            moved, _ = warp(video[i - 1], self.vectors[i])
            change = np.abs(video[i].astype(np.float32) - moved.astype(np.float32)).mean(-1)
            total, count = total + float(change[mask].sum()), count + int(mask.sum())
        return total / count if count else float("nan")


def colour_stability(video: Video, object_id: NDArray[np.uint32]) -> float:
    """How much the mean Lab colour of an object wanders over a clip: mean deviation over the objects, in delta E."""
    lab = np.stack([cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in video])
    spread: list[float] = []
    for value in np.unique(object_id[object_id > 0]):
        means = [lab[t][mask].mean(0) for t in range(len(video)) if (mask := object_id[t] == value).sum() > 60]
        if len(means) > 3:
            spread.append(float(np.linalg.norm(np.std(means, 0))))
    return float(np.mean(spread)) if spread else float("nan")
