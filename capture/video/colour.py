"""Converts decoded pictures to RGB, by the colour tags of the file, and by the usual guess if it has none.

Code points are those of ITU-T H.273. The small difference between the primaries of BT.601 and BT.709 is ignored, as
players ignore it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.video.hdr import BT2020, HLG, PQ, TO_BT709, peak_of, to_bt709

EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
_RGB, _UNSAID = 0, (2, 3)
_MATRICES = {1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601,
             7: Colorspace.SMPTE240M, 9: Colorspace.BT2020}
_UNREAD = {8: "YCgCo", 10: "BT.2020 with constant luminance", 11: "Y'D'zD'x", 14: "ICtCp", 15: "IPT (Dolby Vision 5)"}


def is_hdr(frame: Any) -> bool:
    """Whether the transfer curve of a picture is PQ or HLG."""
    return frame.color_trc in (PQ, HLG)


def shows_through(frame: Any) -> bool:
    """Whether a pixel of the picture is transparent."""
    return _has_alpha(frame) and bool(_converted(frame, "rgba")[..., 3].min() < 255)


def _has_alpha(frame: Any) -> bool:
    return frame.format.has_palette or any(c.is_alpha for c in frame.format.components)


def matrix_of(frame: Any) -> Colorspace:
    """The YUV matrix of a picture. Without a tag it is BT.2020 for HDR, else BT.709 for HD, else BT.601.

    Raises:
        CaptureError: FFmpeg cannot convert from the matrix.
    """
    tag = frame.colorspace
    if tag in _UNREAD:
        raise CaptureError(f"its colours are coded as {_UNREAD[tag]}, which is not read: convert it first, for example "
                           "with `ffmpeg -i IN -vf scale=out_color_matrix=bt709 OUT`")
    if tag in _MATRICES:
        return _MATRICES[tag]
    if is_hdr(frame):
        return Colorspace.BT2020
    return Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601


def _range_of(frame: Any) -> ColorRange:
    if frame.color_range in (ColorRange.MPEG, ColorRange.JPEG):
        return ColorRange(frame.color_range)
    full = frame.format.name.startswith(("yuvj", "gray"))
    return ColorRange.JPEG if full else ColorRange.MPEG


def _converted(frame: Any, pixel_format: str) -> NDArray[Any]:
    if frame.format.is_rgb or frame.format.has_palette:
        return np.asarray(frame.reformat(format=pixel_format, interpolation=EXACT).to_ndarray())
    return np.asarray(frame.reformat(
        format=pixel_format, src_colorspace=matrix_of(frame), src_color_range=_range_of(frame),
        dst_color_range=ColorRange.JPEG, interpolation=EXACT).to_ndarray())


def rgb_of(frame: Any) -> NDArray[np.uint8]:
    """Converts a decoded frame to RGB of BT.709, (H, W, 3) u8. Transparent pixels are shown on black."""
    primaries = frame.color_primaries
    if is_hdr(frame) or primaries in TO_BT709:
        if primaries in _UNSAID:
            primaries = BT2020
        wide = np.asarray(_converted(frame, "rgb48le"), np.uint16)
        return to_bt709(wide, frame.color_trc, primaries, peak_of(frame.side_data))
    if not _has_alpha(frame):
        return np.asarray(_converted(frame, "rgb24"), np.uint8)
    rgba = _converted(frame, "rgba")
    opaque = rgba[..., 3:]
    if opaque.min() == 255:
        return np.ascontiguousarray(rgba[..., :3], np.uint8)
    return ((rgba[..., :3].astype(np.uint16) * opaque + 127) // 255).astype(np.uint8)
