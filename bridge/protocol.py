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

import re
from typing import Annotated, Literal

import msgspec

PROTOCOL_VERSION = 3
HEADER_LIMIT = 64 * 1024
"""Bytes in a header, at most."""
MAX_SIDE = 4096
MAX_PROMPT = 1000
"""Characters in a prompt, at most."""
MAX_WINDOW_FRAMES = 129
MAX_PART_BYTES = MAX_SIDE * MAX_SIDE * 3
"""One part of a message, at most; the sockets refuse longer ones before reading them."""
MAX_MESSAGE_BYTES = 512 * 1024 * 1024
"""All frames of a window together, at most."""

MAX_CREDITS = 64
MAX_STEPS = 50
"""Denoising steps of a window, at most."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]
Frames = Annotated[int, msgspec.Meta(ge=1, le=MAX_WINDOW_FRAMES)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""Characters that steer a terminal, or the direction of text, and so have no place in what is shown to people."""
Words = Annotated[str, msgspec.Meta(max_length=1000, pattern=rf"\A[^{_CONTROL}]*\Z")]
Name = Annotated[str, msgspec.Meta(max_length=128, pattern=rf"\A[^{_CONTROL}]*\Z")]
Stage = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,31}\Z")]
"""A step of rendering; part of the names of its figures, so a plain word."""
RefuseCode = Literal["version", "busy", "shape", "order", "malformed", "failed"]


def words(text: str) -> str:
    """Any text as `Words`."""
    return re.sub(rf"[{_CONTROL}\ud800-\udfff]", " ", text)[:1000]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Base of all messages: immutable, named fields only, unknown fields refused."""


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server renders, and in which windows.

    A window has `length` frames (on the model's temporal grid), of which `overlap` repeat the
    previous window's last ones. Frames are `width` x `height` RGB. `prompts` says whether it reads prompts, `guides`
    whether each frame must come with a second picture: the game's normals and depth, packed.
    """

    model: Name
    width: Side
    height: Side
    length: Frames
    overlap: Count
    prompts: bool = False
    guides: bool = False

    def __post_init__(self) -> None:
        """Raises `ValueError` unless windows can be cut and sent like this."""
        if 2 * self.overlap > self.length:
            raise ValueError(f"overlap {self.overlap} must be at most half of the window's {self.length} frames")
        if self.length * self.frame_bytes > MAX_MESSAGE_BYTES:
            raise ValueError(f"a window of {self.length} frames of {self.width}x{self.height} is more than "
                             f"{MAX_MESSAGE_BYTES >> 20} MiB")

    @property
    def stride(self) -> int:
        """New frames in every window but the first."""
        return self.length - self.overlap

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame of a window, with its guides if there are any."""
        return self.width * self.height * 3 * (1 + self.guides)


class RenderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change from window to window.

    `strength` 0 is the game's frame, 1 the model's. `steps` is the number of denoising steps. `prompt` says what the
    picture shows, to models that read it.
    """

    strength: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    steps: Annotated[int, msgspec.Meta(ge=1, le=MAX_STEPS)] = 1
    seed: Count = 0
    prompt: Annotated[str, msgspec.Meta(max_length=MAX_PROMPT)] = ""


class Hello(_Wire, frozen=True):
    """First word of a client; `client` is what the server's log calls it."""

    version: Count
    client: Name


class Window(_Wire, frozen=True):
    """A window of `length` frames to render; each buffer is one RGB frame (height, width, 3) u8.

    With `guides`, each is (2 height, width, 3): the frame, and its guides below it; they are `trusted` unless they
    were found not to explain the picture, and then the model does without them.
    `segment` rises at every cut; `start` is the first frame's place in its segment. Only the first
    `valid` frames are sent, the rest repeat the last one. `continues` says that the window before this one, one
    stride earlier in the same segment, was sent too.
    """

    sequence: Count
    segment: Count
    start: Count
    valid: Frames
    continues: bool
    length: Frames
    width: Side
    height: Side
    settings: RenderSettings
    guides: bool = False
    trusted: bool = True


class Ping(_Wire, frozen=True):
    """Asks whether the server lives."""

    t_ns: Count


class Bye(_Wire, frozen=True):
    """Last word of a client."""


class Warming(_Wire, frozen=True):
    """The model is still loading; `detail` is for people."""

    detail: Words


class Welcome(_Wire, frozen=True):
    """The server will render for this client."""

    version: Count
    server: Name
    spec: ModelSpec
    credits: Annotated[int, msgspec.Meta(ge=1, le=MAX_CREDITS)]


class Refuse(_Wire, frozen=True):
    """Why a message was not taken. `sequence` names the window, where it was one."""

    code: RefuseCode
    detail: Words
    sequence: Count | None = None


class Chunk(_Wire, frozen=True):
    """A rendered window's `valid` frames; each buffer is RGB (height, width, 3) u8.

    `stage_ms` is by stage name. `period_ms` is how often the server could render such windows: less than all stages
    together, where they work on different windows at once.
    """

    sequence: Count
    segment: Count
    start: Count
    valid: Frames
    width: Side
    height: Side
    stage_ms: Annotated[dict[Stage, Milliseconds], msgspec.Meta(max_length=16)]
    period_ms: Milliseconds


class Pong(_Wire, frozen=True):
    """The server lives. `rendering_ms` is how long the window in hand has taken so far, 0 if none; `queued` wait.

    `known` is false if this client has not said Hello to it: it was restarted, or has forgotten a silent client.
    """

    t_ns: Count
    known: bool
    queued: Count
    rendering_ms: Milliseconds


ClientMessage = Hello | Window | Ping | Bye
ServerMessage = Warming | Welcome | Refuse | Chunk | Pong
