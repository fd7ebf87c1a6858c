"""Encoders of a session's tracks: a picture in, a packet out, at once and each on its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.frame import Buffer, Kind
from capture.recording.layout import COLOURS, Entry, Section, picture_of

TICK = Fraction(1, 1000)
LOSSLESS_RGB = ("libx264rgb", "rgb24", {"preset": "ultrafast", "qp": "0", "tune": "zerolatency"})
NEAR_LOSSLESS = ("libx264", "yuv420p", {"preset": "veryfast", "crf": "14", "tune": "zerolatency"})
BIT_EXACT = ("ffv1", "gray16le", {"level": "3", "slicecrc": "1"})


class TrackEncoder:
    """Encodes pictures of one size; all of them key frames without delay."""

    def __init__(self, codec: tuple[str, str, dict[str, str]], width: int, height: int) -> None:
        name, pixel_format, options = codec
        self.source_format = "gray16le" if pixel_format == "gray16le" else "rgb24"
        self.pixel_format = pixel_format
        # A container that keeps nothing: its stream is the template for the files that the packets end up in.
        self._scratch = av.open(os.devnull, "w", format="matroska")
        self.stream: Any = self._scratch.add_stream(name, rate=30, options=options)
        self.stream.width, self.stream.height, self.stream.pix_fmt = width, height, pixel_format
        context = self.stream.codec_context
        context.time_base, context.gop_size, context.thread_count = TICK, 1, 1
        try:
            self._scratch.start_encoding()
        except av.error.FFmpegError as error:
            raise CaptureError(f"{name} cannot record pictures of {width}x{height}: {error}") from error

    def encode(self, picture: NDArray[Any], pts: int) -> bytes:
        """The packet of `picture`: (H, W, 3) u8 RGB, or (H, W) u16."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=self.source_format)
        if self.pixel_format != self.source_format:
            frame = frame.reformat(format=self.pixel_format)
        frame.pts, frame.time_base = pts, TICK
        packets = self.stream.encode(frame)
        if len(packets) != 1:
            raise CaptureError(f"{self.stream.codec_context.name} holds pictures back and cannot record")
        return bytes(packets[0])


@dataclass(frozen=True)
class CodedFrame:
    """A frame, encoded: its line, its section, a packet a track, and each track's encoder."""

    entry: Entry
    section: Section
    packets: Mapping[str, bytes]
    encoders: Mapping[str, TrackEncoder]

    @property
    def size(self) -> int:
        """Bytes of memory, nearly."""
        return sum(map(len, self.packets.values())) + 2000


@dataclass(frozen=True)
class CodedPhoto:
    """A photoreal picture, encoded."""

    pts: int
    packet: bytes
    encoder: TrackEncoder

    @property
    def size(self) -> int:
        """Bytes of memory, nearly."""
        return len(self.packet) + 200


class FrameCoder:
    """Encodes frames; begins a new section whenever their size or set of buffers changes."""

    def __init__(self) -> None:
        self._section: Section | None = None
        self._encoders: dict[str, TrackEncoder] = {}

    def code(self, entry: Entry, buffers: Mapping[Kind, Buffer]) -> CodedFrame:
        """Encodes every buffer of a frame."""
        encodings = {kind.name.lower(): buffer.encoding.name for kind, buffer in buffers.items()}
        height, width = buffers[Kind.COLOR].data.shape[:2]
        old = self._section
        if old is None or (old.width, old.height, old.buffers) != (width, height, encodings):
            self._section = Section(number=0, width=width, height=height, buffers=encodings)
            self._encoders = {}
        assert self._section is not None
        packets: dict[str, bytes] = {}
        for kind, buffer in buffers.items():
            name, picture = kind.name.lower(), picture_of(kind, buffer)
            if name not in self._encoders:
                codec = LOSSLESS_RGB if kind in COLOURS else BIT_EXACT
                self._encoders[name] = TrackEncoder(codec, picture.shape[1], picture.shape[0])
            packets[name] = self._encoders[name].encode(picture, entry.pts)
        return CodedFrame(entry, self._section, packets, self._encoders)


class PhotoCoder:
    """Encodes the photoreal pictures; a new size gets a new encoder."""

    def __init__(self, codec: tuple[str, str, dict[str, str]] = NEAR_LOSSLESS) -> None:
        self._codec = codec
        self._encoder: TrackEncoder | None = None
        self._size = (0, 0)

    def code(self, picture: NDArray[np.uint8], pts: int) -> CodedPhoto:
        """Encodes (H, W, 3) u8 RGB."""
        size = picture.shape[1], picture.shape[0]
        if self._encoder is None or size != self._size:
            self._encoder, self._size = TrackEncoder(self._codec, *size), size
        return CodedPhoto(pts, self._encoder.encode(picture, pts), self._encoder)
