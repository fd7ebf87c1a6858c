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
             <------------------------  Pong      (also while the GPU works; says for how long)
      Bye    ------------------------>

Raw buffers are C-contiguous little-endian pixels, one buffer for each frame. So frames are sent without a copy. Frames
that only pad a window are not sent. No image or video codec is used.

The limits of each number stand in its type. Both sides check them when a message arrives: no NaN, no infinity, no
absurd size. Sizes are checked by the declared shapes before any array is made.

A client never has more windows in flight than `Welcome.credits`; further windows are refused. Chunks come in the order
of their windows. Times are in nanoseconds of the sender's monotonic clock, and are never compared across machines. Both
sides must have the same version.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bridge.contract import MAX_SIDE, Chunk, Count, Message, Milliseconds, ModelSpec, Name, Window, Words

PROTOCOL_VERSION = 3
HEADER_LIMIT = 64 * 1024
"""The most bytes in a header."""
MAX_PART_BYTES = MAX_SIDE * MAX_SIDE * 3
"""The most bytes in a part of a message. The sockets refuse longer parts before they read them."""
MAX_CREDITS = 64
RefuseCode = Literal["version", "busy", "shape", "order", "malformed", "failed"]


class Hello(Message, frozen=True):
    """The first message of a client. `client` is its name in the server's log."""

    version: Count
    client: Name


class Ping(Message, frozen=True):
    """Asks whether the server is alive. `t_ns` comes back in the Pong."""

    t_ns: Count


class Bye(Message, frozen=True):
    """The last message of a client."""


class Warming(Message, frozen=True):
    """The model is still loading. `detail` says so to the user."""

    detail: Words


class Welcome(Message, frozen=True):
    """The server will render for this client, with up to `credits` windows in flight."""

    version: Count
    server: Name
    spec: ModelSpec
    credits: Annotated[int, msgspec.Meta(ge=1, le=MAX_CREDITS)]


class Refuse(Message, frozen=True):
    """The server refused a message. `sequence` is the window's number, if the message was a Window."""

    code: RefuseCode
    detail: Words
    sequence: Count | None = None


class Pong(Message, frozen=True):
    """The server is alive.

    `rendering_ms` is how long its present window has taken so far, 0 if there is none. `queued` is the number of
    windows that wait. `known` is false if the server does not know this client: the server was restarted, or it has
    forgotten the client because it was silent.
    """

    t_ns: Count
    known: bool
    queued: Count
    rendering_ms: Milliseconds


ClientMessage = Hello | Window | Ping | Bye
ServerMessage = Warming | Welcome | Refuse | Chunk | Pong
