"""Keeps the last seconds of a session in memory, compressed without loss by a fast codec.

They are encoded again when they are saved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.frame import Buffer, Encoding, Kind
from capture.recording.layout import Entry, buffer_of, picture_of
from capture.recording.tracks import CodedFrame, CodedPhoto, FrameCoder, PhotoCoder
from capture.video.memory import QuickCoder, QuickDecoder


@dataclass(frozen=True)
class Kept:
    """A compressed picture in memory."""

    packet: bytes
    coder: QuickCoder


@dataclass(frozen=True)
class KeptFrame:
    """A frame with compressed buffers in memory."""

    entry: Entry
    buffers: Mapping[Kind, tuple[Encoding, Kept]]

    @property
    def pts(self) -> int:
        """The time of the frame in the session, in milliseconds."""
        return self.entry.pts

    @property
    def size(self) -> int:
        """Bytes of memory, nearly."""
        return 2000 + sum(len(kept.packet) for _, kept in self.buffers.values())


@dataclass(frozen=True)
class KeptPhoto:
    """A compressed photoreal picture in memory."""

    pts: int
    picture: Kept

    @property
    def size(self) -> int:
        """Bytes of memory, nearly."""
        return 200 + len(self.picture.packet)


class Replay:
    """Keeps the newest frames and pictures: at most `seconds` of them, and at most `limit` bytes."""

    def __init__(self, seconds: float, limit: int) -> None:
        self.milliseconds, self.limit = round(seconds * 1000), limit
        self.items: deque[KeptFrame | KeptPhoto] = deque()
        self.bytes = 0
        self._coders: dict[str, tuple[tuple[int, ...], QuickCoder]] = {}  # by track: shape of pictures, coder

    def add_frame(self, entry: Entry, buffers: Mapping[Kind, Buffer]) -> None:
        """Adds a frame."""
        kept = {kind: (b.encoding, self._keep(kind.name, picture_of(kind, b))) for kind, b in buffers.items()}
        self._add(KeptFrame(entry, kept))

    def add_photo(self, pts: int, picture: NDArray[np.uint8]) -> None:
        """Adds a photoreal picture, (H, W, 3) u8, at `pts` milliseconds."""
        self._add(KeptPhoto(pts, self._keep("photo", picture)))

    def _keep(self, track: str, picture: NDArray[Any]) -> Kept:
        shape, coder = self._coders.get(track, (None, None))
        if coder is None or shape != picture.shape:
            coder = QuickCoder(picture.shape[1], picture.shape[0], picture.ndim == 3)
            self._coders[track] = picture.shape, coder
        return Kept(coder.encode(picture), coder)

    def _add(self, item: KeptFrame | KeptPhoto) -> None:
        self.items.append(item)
        self.bytes += item.size
        while self.items and (self.bytes > self.limit or item.pts - self.items[0].pts > self.milliseconds):
            self.bytes -= self.items.popleft().size

    @property
    def seconds(self) -> float:
        """The length of what is kept, in seconds."""
        return max(0, self.items[-1].pts - self.items[0].pts) / 1000 if self.items else 0.0


def recoded(items: list[KeptFrame | KeptPhoto]) -> Iterator[CodedFrame | CodedPhoto]:
    """Encodes what was kept, one item at a time, for the files of a session."""
    frames, photos = FrameCoder(), PhotoCoder()
    decoders: dict[QuickCoder, QuickDecoder] = {}

    def picture(kept: Kept) -> NDArray[Any]:
        if kept.coder not in decoders:
            decoders[kept.coder] = kept.coder.decoder()
        return decoders[kept.coder].decode(kept.packet)

    for item in items:
        if isinstance(item, KeptPhoto):
            yield photos.code(picture(item.picture), item.pts)
        else:
            yield frames.code(item.entry, {kind: buffer_of(kind, encoding, picture(kept))
                                           for kind, (encoding, kept) in item.buffers.items()})
