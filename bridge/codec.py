"""Encodes messages as ZeroMQ parts and decodes them. All checks are made before memory for frames is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from bridge.contract import MAX_MESSAGE_BYTES, Chunk, Pixels, Window
from bridge.protocol import HEADER_LIMIT, ClientMessage, ServerMessage

Part = bytes | memoryview


class ProtocolError(Exception):
    """A peer sent bytes that are not a message of this protocol. The text may be sent back to it."""


_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "client": msgspec.msgpack.Decoder(ClientMessage), "server": msgspec.msgpack.Decoder(ServerMessage)}


def encode(message: ClientMessage | ServerMessage, frames: Sequence[Pixels] = ()) -> list[Part]:
    """Encodes a message.

    Args:
        message: the message.
        frames: for a Window or a Chunk its frames, of which the first `message.valid` are sent. Contiguous frames are
            not copied.

    Returns:
        The parts to send: the header, and one part for each frame.

    Raises:
        ValueError: the frames do not fit the message.
    """
    parts: list[Part] = [_encode(message)]
    if isinstance(message, Window | Chunk):
        shape = _shape(message)
        if len(frames) < message.valid or any(f.shape != shape or f.dtype != np.uint8 for f in frames):
            raise ValueError(f"a {type(message).__name__} of {message.valid} frames of {shape} u8 was given "
                             f"{[(f.shape, f.dtype.str) for f in frames]}")
        parts += [np.ascontiguousarray(f).data.cast("B") for f in frames[:message.valid]]
    return parts


def _shape(message: Window | Chunk) -> tuple[int, int, int]:
    """The shape of one frame of the message, u8. With guides it is twice as high."""
    pictures = 2 if isinstance(message, Window) and message.guides else 1
    return pictures * message.height, message.width, 3


def decode_client(parts: Sequence[Part]) -> tuple[ClientMessage, list[Pixels]]:
    """Decodes what a client sent.

    Returns:
        The message, and the frames of a Window, (height, width, 3) u8 each; with guides (2 height, width, 3).

    Raises:
        ProtocolError: the parts are not a client's message.
    """
    return _decode("client", parts)


def decode_server(parts: Sequence[Part]) -> tuple[ServerMessage, list[Pixels]]:
    """Decodes what a server sent.

    Returns:
        The message, and the frames of a Chunk, (height, width, 3) u8 each.

    Raises:
        ProtocolError: the parts are not a server's message.
    """
    return _decode("server", parts)


def _decode(side: str, parts: Sequence[Part]) -> Any:
    if not parts or len(parts[0]) > HEADER_LIMIT:
        raise ProtocolError("no header, or one that is too long")
    try:
        message = _decoders[side].decode(parts[0])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # msgspec does not catch the latter two
        raise ProtocolError(f"unreadable header: {error}") from error
    if isinstance(message, Window | Chunk):
        return message, _frames(message, parts[1:])
    if len(parts) != 1:
        raise ProtocolError(f"{type(message).__name__} has 1 part, not {len(parts)}")
    return message, []


def _frames(message: Window | Chunk, raw: Sequence[Part]) -> list[Pixels]:
    length = message.length if isinstance(message, Window) else message.valid
    if message.valid > length:
        raise ProtocolError(f"{message.valid} valid frames in a window of {length}")
    shape = _shape(message)
    size = shape[0] * shape[1] * shape[2]
    if size * length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"{length} frames of {shape} are more than {MAX_MESSAGE_BYTES} bytes")
    if len(raw) != message.valid or any(len(part) != size for part in raw):
        raise ProtocolError(f"there should be {message.valid} frames of {size} bytes each")
    return [np.frombuffer(part, np.uint8).reshape(shape) for part in raw]
