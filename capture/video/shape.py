"""Chooses the video stream of a file, and turns its pictures upright with square pixels, as a player does."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from capture.errors import CaptureError

_BESIDE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
ODDEST = 10
"""The largest ratio of a pixel's sides. A file that claims a larger one has a damaged header."""


def main_stream(streams: Sequence[Any], name: str) -> Any:
    """The video stream to show: the largest default one, but no cover art. Raises `CaptureError` if there is none."""
    films = [s for s in streams if s.type == "video" and not s.disposition & _BESIDE]
    readable = [s for s in films if s.codec_context is not None]
    if not films:
        kinds = " and ".join(sorted({s.type for s in streams})) or "nothing"
        raise CaptureError(f"{name} shows no film: it holds {kinds}" + (" and a still picture" if any(
            s.type == "video" for s in streams) else ""))
    if not readable:
        raise CaptureError(f"{name}: its video has a codec that is not read here; convert it with ffmpeg")
    return max(readable, key=lambda s: (s.frames != 1, bool(s.disposition & Disposition.default), s.width * s.height,
                                        -s.index))


@dataclass(frozen=True)
class Shape:
    """How pictures are turned upright: `wide` is a pixel's width over its height; `matrix` is (a b c d) of MP4."""

    wide: Fraction
    matrix: tuple[int, int, int, int]

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stretches a picture, (H, W, 3) u8, to square pixels, and then turns and mirrors it."""
        height, width = picture.shape[:2]
        if self.wide != 1:
            size = (round(width * self.wide), height) if self.wide > 1 else (width, round(height / self.wide))
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        a, b, c, d = self.matrix
        if abs(b) + abs(c) > abs(a) + abs(d):
            picture, a, d = picture.transpose(1, 0, 2), c, b
        if a < 0:
            picture = picture[:, ::-1]
        if d < 0:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def shape_of(stream: Any, frame: Any) -> Shape:
    """The shape of the pictures of a stream, from its first decoded frame."""
    wide = Fraction(stream.sample_aspect_ratio or 1)
    if not Fraction(1, ODDEST) <= wide <= ODDEST:
        wide = Fraction(1)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Shape(wide, (1, 0, 0, 1))
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    return Shape(wide, (a, b, c, d))
