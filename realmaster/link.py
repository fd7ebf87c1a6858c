"""What a session renders through: a server over the bridge, or a backend in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.client import Arrived, Event, Ready
from bridge.codec import Pixels, padded
from bridge.protocol import Chunk, Window
from bridge.server import Backend


class Link(Protocol):
    """The part of `bridge.client.BridgeClient` that a session needs."""

    @property
    def ready(self) -> bool:
        """Whether a window can be sent now."""
        ...

    @property
    def in_flight(self) -> int:
        """Windows sent and not answered."""
        ...

    @property
    def busy_seconds(self) -> float:
        """How long the window in hand has taken so far."""
        ...

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """Sends a window; only when `ready`."""
        ...

    def poll(self, timeout: float) -> Event | None:
        """What happened within `timeout` seconds, if anything did."""
        ...

    def close(self) -> None:
        """Lets go."""
        ...


class Resumable(Link, Protocol):
    """A link that can go on where one of an earlier run stood."""

    @property
    def carry(self) -> dict[str, NDArray[np.float32]]:
        """What the last window handed on, as arrays."""
        ...

    def resume(self, segment: int, start: int, carry: dict[str, NDArray[np.float32]]) -> None:
        """Stands as if the window before the one at `start` had just been rendered and handed `carry` on."""
        ...


class LocalLink:
    """A backend in this process, for offline work: renders when polled. Holds one window at most."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._greeting: deque[Event] = deque([Ready(backend.spec, 1)])
        self._job: tuple[Window, Sequence[Pixels]] | None = None
        self._carry: tuple[tuple[int, int], object] | None = None

    @property
    def ready(self) -> bool:
        """See `Link.ready`."""
        return not self._greeting and self._job is None

    @property
    def in_flight(self) -> int:
        """See `Link.in_flight`."""
        return int(self._job is not None)

    @property
    def busy_seconds(self) -> float:
        """See `Link.busy_seconds`: it renders while it is polled, and nobody can ask meanwhile."""
        return 0.0

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """See `Link.send`."""
        self._job = window, frames

    def poll(self, timeout: float) -> Event | None:
        """See `Link.poll`; renders the waiting window, however long that takes."""
        if self._greeting:
            return self._greeting.popleft()
        if self._job is None:
            return None
        (window, frames), self._job = self._job, None
        follows = window.continues and self._carry is not None and self._carry[0] == (window.segment, window.start)
        done = self.backend.render(window, padded(frames, window.length),
                                   self._carry[1] if follows and self._carry else None)
        self._carry = (window.segment, window.start + self.backend.spec.stride), done.carry
        return Arrived(Chunk(sequence=window.sequence, segment=window.segment, start=window.start,
                             valid=window.valid, width=window.width, height=window.height,
                             stage_ms=done.stage_ms), list(done.frames[:window.valid]))

    @property
    def carry(self) -> dict[str, NDArray[np.float32]]:
        """See `Resumable.carry`."""
        return self.backend.pack(self._carry[1]) if self._carry else {}

    def resume(self, segment: int, start: int, carry: dict[str, NDArray[np.float32]]) -> None:
        """See `Resumable.resume`."""
        self._carry = (segment, start), self.backend.unpack(carry)

    def close(self) -> None:
        """See `Link.close`."""
