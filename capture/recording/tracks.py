"""Encodes frames and photoreal pictures for the tracks of a session."""

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
    """An encoded frame: its entry, its section, and the packet and the encoder of each track."""

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
    """An encoded photoreal picture."""

    pts: int
    packet: bytes
    encoder: TrackEncoder

    @property
    def size(self) -> int:
        """Bytes of memory, nearly."""
        return len(self.packet) + 200


class FrameCoder:
    """Encodes frames. Begins a new section when their size or their buffers change."""

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
    """Encodes photoreal pictures. Makes a new encoder when their size changes."""

    def __init__(self, codec: tuple[str, str, dict[str, str]] = NEAR_LOSSLESS) -> None:
        self._codec = codec
        self._encoder: TrackEncoder | None = None
        self._size = (0, 0)

    def code(self, picture: NDArray[np.uint8], pts: int) -> CodedPhoto:
        """Encodes a picture, (H, W, 3) u8 RGB."""
        size = picture.shape[1], picture.shape[0]
        if self._encoder is None or size != self._size:
            self._encoder, self._size = TrackEncoder(self._codec, *size), size
        return CodedPhoto(pts, self._encoder.encode(picture, pts), self._encoder)
