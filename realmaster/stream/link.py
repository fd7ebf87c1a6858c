"""What a session renders through: a server over the bridge, or a backend in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.contract import Backend, Chunk, Pixels, Rendered, Window, padded
from bridge.conversation import Arrived, Event, Ready


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

    @property
    def queued(self) -> int:
        """Windows that wait for it, those of others too."""
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


def chunk_of(window: Window, stage_ms: dict[str, float]) -> Chunk:
    """The header of a window that was rendered here, offline, where nobody asks for its period."""
    return Chunk(sequence=window.sequence, segment=window.segment, start=window.start, valid=window.valid,
                 width=window.width, height=window.height, stage_ms=stage_ms, period_ms=sum(stage_ms.values()))


class LocalLink:
    """A backend in this process, for offline work: renders when polled.

    Holds one window at most, and if the backend is pipelined another one that is decoded meanwhile, in a thread.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._greeting: deque[Event] = deque([Ready(backend.spec, 1)])
        self._job: tuple[Window, Sequence[Pixels]] | None = None
        self._decoder = ThreadPoolExecutor(1, "decode") if backend.pipelined else None
        self._decoding: deque[tuple[Window, Rendered, Future[Sequence[Pixels]] | None]] = deque()
        self._carry: tuple[tuple[int, int], object] | None = None

    @property
    def ready(self) -> bool:
        """See `Link.ready`."""
        return not self._greeting and self._job is None and len(self._decoding) < 2

    @property
    def in_flight(self) -> int:
        """See `Link.in_flight`."""
        return int(self._job is not None) + len(self._decoding)

    @property
    def busy_seconds(self) -> float:
        """See `Link.busy_seconds`: it renders while it is polled, and nobody can ask meanwhile."""
        return 0.0

    @property
    def queued(self) -> int:
        """See `Link.queued`."""
        return 0

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """See `Link.send`."""
        self._job = window, frames

    def poll(self, timeout: float) -> Event | None:
        """See `Link.poll`; renders the waiting window, however long that takes."""
        if self._greeting:
            return self._greeting.popleft()
        if self._job is not None:
            self._render(*self._job)
            self._job = None
            timeout = 0.0
        return self._oldest(timeout)

    def _render(self, window: Window, frames: Sequence[Pixels]) -> None:
        follows = window.continues and self._carry is not None and self._carry[0] == (window.segment, window.start)
        done = self.backend.render(window, padded(frames, window.length),
                                   self._carry[1] if follows and self._carry else None)
        self._carry = (window.segment, window.start + self.backend.spec.stride), done.carry
        future = None if self._decoder is None else self._decoder.submit(lambda: done.frames)
        self._decoding.append((window, done, future))

    def _oldest(self, timeout: float) -> Event | None:
        """The chunk of the oldest window, if it is decoded within `timeout` seconds, or must be before the next."""
        if not self._decoding:
            return None
        window, done, future = self._decoding[0]
        if future is not None:
            if len(self._decoding) == 1 and not wait([future], timeout).done:
                return None
            future.result()  # bound: the window being decoded ends, or raises
        self._decoding.popleft()
        return Arrived(chunk_of(window, done.stage_ms), list(done.frames[:window.valid]))

    @property
    def carry(self) -> dict[str, NDArray[np.float32]]:
        """See `Resumable.carry`."""
        return self.backend.pack(self._carry[1]) if self._carry else {}

    def resume(self, segment: int, start: int, carry: dict[str, NDArray[np.float32]]) -> None:
        """See `Resumable.resume`."""
        self._carry = (segment, start), self.backend.unpack(carry)

    def close(self) -> None:
        """See `Link.close`."""
        if self._decoder is not None:
            self._decoder.shutdown(cancel_futures=True)
