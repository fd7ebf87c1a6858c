"""Pictures in memory, compressed without loss and cheaply: FFmpeg's Huffman coder takes a quarter of the time of
what a session's files hold."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from capture.video.files import told


class QuickCoder:
    """Compresses pictures of one size, (H, W, 3) u8 or (H, W) u16, without loss."""

    def __init__(self, width: int, height: int, colour: bool) -> None:
        self.format = "rgb24" if colour else "gray16le"
        self._size = width, height
        self._encoder = self._context("w")
        self._encoder.time_base = Fraction(1, 1000)
        self._encoder.open()

    def _context(self, mode: Any) -> Any:
        context: Any = av.CodecContext.create("ffvhuff", mode)
        context.width, context.height = self._size
        context.pix_fmt, context.thread_count = self.format, 1
        return context

    def encode(self, picture: NDArray[Any]) -> bytes:
        """Compresses a picture. Raises `VideoError` if that fails."""
        with told():
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=self.format)
            return bytes(self._encoder.encode(frame)[0])

    def decoder(self) -> QuickDecoder:
        """Makes a separate decoder for its packets, which another thread may use."""
        context = self._context("r")
        context.extradata = self._encoder.extradata
        return QuickDecoder(context, self.format)


class QuickDecoder:
    """Decodes the packets of one `QuickCoder`."""

    def __init__(self, context: Any, pixel_format: str) -> None:
        self._context, self._format = context, pixel_format

    def decode(self, packet: bytes) -> NDArray[Any]:
        """Decodes a packet. Raises `VideoError` if that fails."""
        with told():
            return np.asarray(self._context.decode(av.Packet(packet))[0].to_ndarray(format=self._format))
