"""Encodes pictures: which codecs there are, what sizes and colours they store, and the files that they go into.

YUV is BT.709 in limited range, and says so; RGB says that it is sRGB (code points of ITU-T H.273).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from capture.video.files import VideoError, open_to_write, told

TICK = Fraction(1, 90_000)
LEAST = 16
"""The smallest side that every encoder of 4:2:0 takes."""
_FINE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND


@dataclass(frozen=True)
class Codec:
    """An encoder, the pixel format that it gets, its options, and the format of its pieces."""

    encoder: str
    pixel_format: str
    options: dict[str, str]
    piece: str = "nut"


CODECS = {
    "h264": Codec("libx264", "yuv420p", {"crf": "16", "preset": "veryfast", "bf": "0"}),
    "h265": Codec("libx265", "yuv420p", {"crf": "18", "preset": "fast", "x265-params": "bframes=0:log-level=none"}),
    "prores": Codec("prores_ks", "yuv422p10le", {"profile": "3"}, "mov"),
    "ffv1": Codec("ffv1", "bgr0", {"level": "3", "slicecrc": "1"}),
}


def stored_size(width: int, height: int, pixel_format: str) -> tuple[int, int]:
    """The size that pictures are stored in: sides of 4:2:0 are even, so there it may be larger by one."""
    if pixel_format != "yuv420p":
        return width, height
    return max(width + width % 2, LEAST), max(height + height % 2, LEAST)


def padded(picture: NDArray[np.uint8], pixel_format: str) -> NDArray[np.uint8]:
    """(H, W, 3) in its `stored_size`: the last lines are repeated."""
    height, width = picture.shape[:2]
    wide, high = stored_size(width, height, pixel_format)
    if (wide, high) == (width, height):
        return picture
    return np.asarray(cv2.copyMakeBorder(picture, 0, high - height, 0, wide - width, cv2.BORDER_REPLICATE), np.uint8)


def tag(context: Any, pixel_format: str) -> None:
    """Says of a stream, or of its encoder, what colours it holds."""
    rgb = pixel_format in ("bgr0", "rgb24")
    context.color_primaries, context.color_trc = 1, 13 if rgb else 1
    context.colorspace, context.color_range = (0, ColorRange.JPEG) if rgb else (1, ColorRange.MPEG)


def frame_of(picture: NDArray[np.uint8], pixel_format: str) -> Any:
    """(H, W, 3) u8 RGB, `padded` for the format, as a frame of it. Raises FFmpeg's errors."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    if pixel_format in ("bgr0", "rgb24"):
        return frame.reformat(format=pixel_format)
    frame = frame.reformat(format=pixel_format, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG,
                           interpolation=_FINE)
    frame.color_primaries = frame.color_trc = 1
    return frame


class Encoder:
    """A new video file `path` of pictures of one size. All of it raises `VideoError`."""

    def __init__(self, path: Path, container_format: str, codec: Codec, rate: Fraction) -> None:
        self._codec = codec
        self._file = open_to_write(path, container_format)
        with told():
            self._stream: Any = self._file.av.add_stream(codec.encoder, rate=rate, options=codec.options)
        self._stream.pix_fmt = codec.pixel_format
        self._stream.codec_context.time_base = TICK
        tag(self._stream, codec.pixel_format)
        self._begun = False

    def add(self, picture: NDArray[np.uint8], seconds: float | Fraction) -> None:
        """The next picture, (H, W, 3) u8 RGB, at its time; the first one sets the size."""
        picture = padded(picture, self._codec.pixel_format)
        if not self._begun:
            self._stream.height, self._stream.width = picture.shape[:2]
            self._begun = True
        with told():
            frame = frame_of(picture, self._codec.pixel_format)
            frame.pts, frame.time_base = round(seconds / TICK), TICK
            self._file.av.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Makes the file whole, or lets go of it."""
        try:
            with told():
                self._file.av.mux(self._stream.encode(None))
            self._file.close()
        except VideoError:
            self._file.abandon()
            raise

    def close(self) -> None:
        """Lets go of a file that will not be finished."""
        self._file.abandon()


def write_clip(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float, options: dict[str, str],
               scale: int = 1) -> None:
    """An H.264 video in MP4 of pictures (H, W, 3) u8 RGB of one size, shown `scale` times as large.

    Raises `VideoError`.
    """
    rate = Fraction(fps).limit_denominator(1000)
    encoder = Encoder(path, "mp4", Codec("libx264", "yuv420p", options), rate)
    for number, picture in enumerate(pictures):
        large = picture if scale == 1 else np.asarray(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        encoder.add(large, number / rate)
    encoder.finish()


class ExrEncoder:
    """Pictures (H, W, 3) f32 of one size to OpenEXR files in half floats, zipped."""

    def __init__(self, width: int, height: int) -> None:
        self._context: Any = av.CodecContext.create("exr", "w")
        self._context.width, self._context.height = width, height
        self._context.pix_fmt, self._context.time_base = "gbrpf32le", Fraction(1, 24)
        self._context.options = {"compression": "zip16", "format": "half"}

    def encode(self, picture: NDArray[np.float32]) -> bytes:
        """A whole file. Raises `VideoError`."""
        with told():
            return bytes(self._context.encode(av.VideoFrame.from_ndarray(picture, format="gbrpf32le"))[0])
