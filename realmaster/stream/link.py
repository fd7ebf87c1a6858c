"""Links, through which a session renders windows: the interface, and the link to a backend in this process."""

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
    """What a session needs to have windows rendered. `bridge.client.BridgeClient` is one, over a network."""

    @property
    def ready(self) -> bool:
        """Whether `send` may be called now."""
        ...

    @property
    def in_flight(self) -> int:
        """The number of windows that were sent and have no answer yet."""
        ...

    @property
    def busy_seconds(self) -> float:
        """How long the renderer has worked on its present window, in seconds; 0 if it has none."""
        ...

    @property
    def queued(self) -> int:
        """The number of windows that wait for the renderer, including those of other clients."""
        ...

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """Sends a window to be rendered. Call it only while `ready` is true.

        Args:
            window: the window's header.
            frames: its `window.valid` pictures, (height, width, 3) u8 each; with guides (2 height, width, 3).
        """
        ...

    def poll(self, timeout: float) -> Event | None:
        """Waits up to `timeout` seconds for the next event; returns None if there was none."""
        ...

    def close(self) -> None:
        """Frees what the link holds. It cannot be used after that."""
        ...


class Resumable(Link, Protocol):
    """A link that can continue from the state that an earlier run saved."""

    @property
    def carry(self) -> dict[str, NDArray[np.float32]]:
        """The state that the last window passes to the next, as named arrays."""
        ...

    def resume(self, segment: int, start: int, carry: dict[str, NDArray[np.float32]]) -> None:
        """Restores a saved state: the next window continues the stream.

        Args:
            segment: the segment of the next window.
            start: the number of its first frame in that segment.
            carry: what the property `carry` gave after the window before it.
        """
        ...


def chunk_of(window: Window, stage_ms: dict[str, float]) -> Chunk:
    """The header of the chunk for a window that was rendered offline.

    Args:
        window: the window's header.
        stage_ms: milliseconds by stage of rendering. Their sum stands for the period, which is not used offline.
    """
    return Chunk(sequence=window.sequence, segment=window.segment, start=window.start, valid=window.valid,
                 width=window.width, height=window.height, stage_ms=stage_ms, period_ms=sum(stage_ms.values()))


class LocalLink:
    """A link to a backend in this process, for offline work. It renders in `poll`.

    It holds one window that waits to be rendered. If the backend is pipelined, a thread decodes rendered windows
    meanwhile, at most two of them.
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
        """See `Link.busy_seconds`. Always 0: it renders inside `poll`, so nobody can ask meanwhile."""
        return 0.0

    @property
    def queued(self) -> int:
        """See `Link.queued`."""
        return 0

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """See `Link.send`."""
        self._job = window, frames

    def poll(self, timeout: float) -> Event | None:
        """See `Link.poll`. If a window waits, renders it first, which may take longer than `timeout`."""
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
        """The chunk of the oldest rendered window; None if there is none yet.

        With one window in decoding it waits up to `timeout` seconds. With two it waits until the older is decoded.
        """
        if not self._decoding:
            return None
        window, done, future = self._decoding[0]
        if future is not None:
            if len(self._decoding) == 1 and not wait([future], timeout).done:
                return None
            future.result()  # decoding one window ends or raises, so this wait is bounded
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
