"""The wire protocol, version 3: this file is its specification.

One ZeroMQ DEALER (client) talks to one ROUTER (server). Every message is a multipart:

    [header: msgpack of one Struct below][raw buffer 0][raw buffer 1] ...

    client                         server
      Hello  ------------------------>
             <------------------------  Warming*  (model still loading; say Hello again)
             <------------------------  Welcome   (model, window, credits) or Refuse
      Window ------------------------>            (one credit spent)
             <------------------------  Chunk     (answers Window.sequence; the credit comes back)
      Ping   ------------------------>
             <------------------------  Pong      (also while the GPU works: it tells since when)
      Bye    ------------------------>

Raw buffers are C-contiguous little-endian pixels, one for each frame: so no frame is copied to be sent,
and frames that only pad a window out are not sent at all. Nothing on the wire is ever decoded by a codec.
What a number may be stands in its type, and is checked where a message comes in, on both sides: no NaN, no
infinity, no absurd size. Limits are checked against declared shapes before any array is made. A client never has
more windows in flight than `Welcome.credits`; one that does is refused. Chunks come in the order of their windows.
Times are nanoseconds of the sender's monotonic clock and are never compared across hosts. Versions must be equal.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bridge.contract import MAX_SIDE, Chunk, Count, Message, Milliseconds, ModelSpec, Name, Window, Words

PROTOCOL_VERSION = 3
HEADER_LIMIT = 64 * 1024
"""Bytes in a header, at most."""
MAX_PART_BYTES = MAX_SIDE * MAX_SIDE * 3
"""One part of a message, at most; the sockets refuse longer ones before reading them."""
MAX_CREDITS = 64
RefuseCode = Literal["version", "busy", "shape", "order", "malformed", "failed"]


class Hello(Message, frozen=True):
    """First word of a client; `client` is what the server's log calls it."""

    version: Count
    client: Name


class Ping(Message, frozen=True):
    """Asks whether the server lives."""

    t_ns: Count


class Bye(Message, frozen=True):
    """Last word of a client."""


class Warming(Message, frozen=True):
    """The model is still loading; `detail` is for people."""

    detail: Words


class Welcome(Message, frozen=True):
    """The server will render for this client."""

    version: Count
    server: Name
    spec: ModelSpec
    credits: Annotated[int, msgspec.Meta(ge=1, le=MAX_CREDITS)]


class Refuse(Message, frozen=True):
    """Why a message was not taken. `sequence` names the window, where it was one."""

    code: RefuseCode
    detail: Words
    sequence: Count | None = None


class Pong(Message, frozen=True):
    """The server lives. `rendering_ms` is how long the window in hand has taken so far, 0 if none; `queued` wait.

    `known` is false if this client has not said Hello to it: it was restarted, or has forgotten a silent client.
    """

    t_ns: Count
    known: bool
    queued: Count
    rendering_ms: Milliseconds


ClientMessage = Hello | Window | Ping | Bye
ServerMessage = Warming | Welcome | Refuse | Chunk | Pong
