"""Encodes the videos that RealMaster writes: pieces that are joined later, short clips, EXR pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from capture.video.files import open_to_read, open_to_write, told

TICK = Fraction(1, 90_000)


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
CONTAINERS = {".mp4": ("mp4", "h264"), ".mov": ("mov", "prores"), ".mkv": ("matroska", "ffv1")}
"""Format and default codec by suffix."""


class Encoder:
    """A new video file `path` of pictures of one size. All of it raises `VideoError`."""

    def __init__(self, path: Path, container_format: str, codec: Codec, size: tuple[int, int], rate: Fraction) -> None:
        self._file = open_to_write(path, container_format)
        with told():
            self._stream: Any = self._file.av.add_stream(codec.encoder, rate=rate, options=codec.options)
            self._stream.width, self._stream.height = size
            self._stream.pix_fmt = codec.pixel_format
            self._stream.codec_context.time_base = TICK

    def add(self, picture: NDArray[np.uint8], seconds: float | Fraction) -> None:
        """The next picture, (H, W, 3) u8 RGB, at its time."""
        with told():
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(seconds / TICK), TICK
            self._file.av.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Makes the file whole."""
        with told():
            self._file.av.mux(self._stream.encode(None))
        self._file.close()

    def close(self) -> None:
        """Lets go of a file that will not be finished."""
        self._file.close()


def join(pieces: Iterable[Path], target: Path, container_format: str, rate: Fraction, comment: str) -> None:
    """Joins videos of one codec and size: packets unchanged, times as they are. Raises `VideoError`."""
    with open_to_write(target, container_format) as out:
        out.av.metadata["comment"] = comment
        stream: Any = None
        for piece in pieces:
            with open_to_read(piece) as source, told():
                origin: Any = source.av.streams.video[0]
                if stream is None:
                    stream = out.av.add_stream_from_template(origin, opaque=True)
                    stream.time_base = TICK
                for packet in source.av.demux(origin):
                    if packet.pts is not None:
                        packet.duration = round(1 / rate / packet.time_base)
                        packet.stream = stream
                        out.av.mux(packet)


def write_clip(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float, options: dict[str, str]) -> None:
    """An H.264 video of pictures (H, W, 3) u8 RGB of one even size. Raises `VideoError`."""
    rate = Fraction(fps).limit_denominator(1000)
    encoder: Encoder | None = None
    for number, picture in enumerate(pictures):
        if encoder is None:
            codec = Codec("libx264", "yuv420p", options)
            encoder = Encoder(path, "mp4", codec, (picture.shape[1], picture.shape[0]), rate)
        encoder.add(picture, number / rate)
    if encoder is not None:
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
