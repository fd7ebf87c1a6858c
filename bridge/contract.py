"""The contract of rendering: what a model renders, in which windows, and what comes back.

Whoever renders (`Backend`) and whoever wants it rendered (the session, a render, an evaluation) need this file alone.
`Window` and `Chunk` are messages of the wire as well (`protocol.py`), so a window is the same on both sides of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

MAX_SIDE = 4096
MAX_PROMPT = 1000
"""Characters in a prompt, at most."""
MAX_WINDOW_FRAMES = 129
MAX_MESSAGE_BYTES = 512 * 1024 * 1024
"""All frames of a window together, at most."""
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
Pixels = NDArray[np.uint8]
"""One frame, RGB (height, width, 3) u8; on its way to a model that reads guides these are below it, in the same array.
"""


def words(text: str) -> str:
    """Any text as `Words`."""
    return re.sub(rf"[{_CONTROL}\ud800-\udfff]", " ", text)[:1000]


def padded(frames: Sequence[Pixels], length: int) -> list[Pixels]:
    """`length` frames: the last one repeated, uncopied, where there are fewer."""
    return [*frames, *[frames[-1]] * (length - len(frames))]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Base of all messages of the wire: immutable, named fields only, unknown fields refused."""


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


class Window(Message, frozen=True):
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


class Chunk(Message, frozen=True):
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


class Rendered:
    """What a backend gives for one window. `carry` goes back in with the window that continues it.

    Its pictures are decoded when they are first asked for: perhaps while the next window is rendered.
    """

    def __init__(self, carry: object, decode: Callable[[], tuple[Sequence[Pixels], dict[str, float]]]) -> None:
        """`decode` gives the frames, and the milliseconds of every stage."""
        self.carry, self._decode = carry, decode

    @cached_property
    def _decoded(self) -> tuple[Sequence[Pixels], dict[str, float]]:
        return self._decode()

    @property
    def frames(self) -> Sequence[Pixels]:
        """All frames of the window."""
        return self._decoded[0]

    @property
    def stage_ms(self) -> dict[str, float]:
        """How long each stage took."""
        return self._decoded[1]


class Backend(Protocol):
    """Renders windows, one at a time, always from the same thread."""

    pipelined: bool
    """Whether a window may be decoded, in another thread, while the next is rendered: worth it on a GPU."""

    @property
    def spec(self) -> ModelSpec:
        """The model and its window."""
        ...

    def render(self, window: Window, frames: Sequence[Pixels], carry: object) -> Rendered:
        """Renders the window's `length` frames.

        `carry` is None, or what the window before returned if this one continues it.
        """
        ...

    def pack(self, carry: object) -> dict[str, NDArray[np.float32]]:
        """`carry` as arrays that can be stored."""
        ...

    def unpack(self, arrays: dict[str, NDArray[np.float32]]) -> object:
        """The carry that was packed."""
        ...
