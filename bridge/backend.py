"""What a server renders with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.codec import Pixels
from bridge.protocol import ModelSpec, Window


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
