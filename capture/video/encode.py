"""Encodes pictures as video files and OpenEXR files.

YUV is tagged as BT.709 in limited range, RGB as sRGB (code points of ITU-T H.273).
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
"""The shortest side, in pixels, that every encoder of 4:2:0 takes."""
_FINE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND


@dataclass(frozen=True)
class Codec:
    """An encoder, its pixel format, its options, and the container format of pieces (see `outputs/video.py`)."""

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
    """Width and height in which pictures are stored. In 4:2:0, sides are made even and at least `LEAST`."""
    if pixel_format != "yuv420p":
        return width, height
    return max(width + width % 2, LEAST), max(height + height % 2, LEAST)


def padded(picture: NDArray[np.uint8], pixel_format: str) -> NDArray[np.uint8]:
    """Enlarges a picture, (H, W, 3) u8, to its `stored_size` by repeating its last lines."""
    height, width = picture.shape[:2]
    wide, high = stored_size(width, height, pixel_format)
    if (wide, high) == (width, height):
        return picture
    return np.asarray(cv2.copyMakeBorder(picture, 0, high - height, 0, wide - width, cv2.BORDER_REPLICATE), np.uint8)


def tag(context: Any, pixel_format: str) -> None:
    """Sets the colour tags of a stream or an encoder for `pixel_format`."""
    rgb = pixel_format in ("bgr0", "rgb24")
    context.color_primaries, context.color_trc = 1, 13 if rgb else 1
    context.colorspace, context.color_range = (0, ColorRange.JPEG) if rgb else (1, ColorRange.MPEG)


def frame_of(picture: NDArray[np.uint8], pixel_format: str) -> Any:
    """Makes a frame of `pixel_format` from a `padded` picture, (H, W, 3) u8 RGB. Raises FFmpeg's errors."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    if pixel_format in ("bgr0", "rgb24"):
        return frame.reformat(format=pixel_format)
    frame = frame.reformat(format=pixel_format, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG,
                           interpolation=_FINE)
    frame.color_primaries = frame.color_trc = 1
    return frame


class Encoder:
    """Writes a new video file of pictures of one size. All methods raise `VideoError` if they fail."""

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
        """Adds a picture, (H, W, 3) u8 RGB, at its time in seconds. The first picture sets the size."""
        picture = padded(picture, self._codec.pixel_format)
        if not self._begun:
            self._stream.height, self._stream.width = picture.shape[:2]
            self._begun = True
        with told():
            frame = frame_of(picture, self._codec.pixel_format)
            frame.pts, frame.time_base = round(seconds / TICK), TICK
            self._file.av.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Completes the file. If that fails, closes it unfinished."""
        try:
            with told():
                self._file.av.mux(self._stream.encode(None))
            self._file.close()
        except VideoError:
            self._file.abandon()
            raise

    def close(self) -> None:
        """Closes the file unfinished."""
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
    """Encodes pictures of one size as OpenEXR files: half floats, with ZIP compression."""

    def __init__(self, width: int, height: int) -> None:
        self._context: Any = av.CodecContext.create("exr", "w")
        self._context.width, self._context.height = width, height
        self._context.pix_fmt, self._context.time_base = "gbrpf32le", Fraction(1, 24)
        self._context.options = {"compression": "zip16", "format": "half"}

    def encode(self, picture: NDArray[np.float32]) -> bytes:
        """Encodes a picture, (H, W, 3) f32, as the bytes of a file. Raises `VideoError` if that fails."""
        with told():
            return bytes(self._context.encode(av.VideoFrame.from_ndarray(picture, format="gbrpf32le"))[0])
