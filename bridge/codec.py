"""Messages to and from ZeroMQ parts: pure functions, strict, and cheap before they are sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.protocol import (
    HEADER_LIMIT,
    MAX_MESSAGE_BYTES,
    MAX_SIDE,
    MAX_WINDOW_FRAMES,
    Chunk,
    ClientMessage,
    ServerMessage,
    Window,
)

Pixels = NDArray[np.uint8]
Part = bytes | memoryview


class ProtocolError(Exception):
    """Bytes from a peer that are not a message of this protocol; the text may be sent back to it."""


_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "client": msgspec.msgpack.Decoder(ClientMessage), "server": msgspec.msgpack.Decoder(ServerMessage)}


def encode(message: ClientMessage | ServerMessage, pixels: Pixels | None = None) -> list[Part]:
    """Parts to send; `pixels` (length, height, width, 3) u8 goes with a Window or a Chunk, uncopied."""
    parts: list[Part] = [_encode(message)]
    if isinstance(message, Window | Chunk):
        expected = (message.length, message.height, message.width, 3)
        if pixels is None or pixels.shape != expected or pixels.dtype != np.uint8:
            raise ValueError(f"a {type(message).__name__} of {expected} u8 was given "
                             f"{None if pixels is None else (pixels.shape, pixels.dtype.str)}")
        parts.append(np.ascontiguousarray(pixels).data.cast("B"))
    return parts


def decode_client(parts: Sequence[Part]) -> tuple[ClientMessage, Pixels | None]:
    """What a client said. Raises `ProtocolError`."""
    return _decode("client", parts)


def decode_server(parts: Sequence[Part]) -> tuple[ServerMessage, Pixels | None]:
    """What a server said. Raises `ProtocolError`."""
    return _decode("server", parts)


def _decode(side: str, parts: Sequence[Part]) -> Any:
    if not parts or len(parts[0]) > HEADER_LIMIT:
        raise ProtocolError("no header, or one that is too long")
    try:
        message = _decoders[side].decode(parts[0])
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"unreadable header: {error}") from error
    expected = 2 if isinstance(message, Window | Chunk) else 1
    if len(parts) != expected:
        raise ProtocolError(f"{type(message).__name__} has {expected} parts, not {len(parts)}")
    return message, _pixels(message, parts[1]) if isinstance(message, Window | Chunk) else None


def _pixels(message: Window | Chunk, raw: Part) -> Pixels:
    shape = message.length, message.height, message.width, 3
    if not 0 < message.length <= MAX_WINDOW_FRAMES:
        raise ProtocolError(f"a window has 1 to {MAX_WINDOW_FRAMES} frames, not {message.length}")
    if not (0 < message.width <= MAX_SIDE and 0 < message.height <= MAX_SIDE):
        raise ProtocolError(f"a frame's side is 1 to {MAX_SIDE} pixels, not {message.width}x{message.height}")
    if not 0 < message.valid <= message.length or message.start < 0 or message.segment < 0 or message.sequence < 0:
        raise ProtocolError("valid, start, segment or sequence is out of range")
    size = shape[0] * shape[1] * shape[2] * 3
    if size > MAX_MESSAGE_BYTES or len(raw) != size:
        raise ProtocolError(f"{shape} needs {size} bytes, at most {MAX_MESSAGE_BYTES}; there are {len(raw)}")
    return np.frombuffer(raw, np.uint8).reshape(shape)
