"""Encodes frames and photoreal pictures for a session's tracks, each on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.frame import Buffer, Kind
from capture.recording.layout import COLOURS, Entry, Section, picture_of
from capture.video.tracks import BIT_EXACT, LOSSLESS_RGB, NEAR_LOSSLESS, TrackEncoder


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
