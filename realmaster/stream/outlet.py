"""Runs a sink of a live session in a thread of its own, so that a faulty sink stops neither loop nor other sinks.

Queue: `QUEUE` frames. When it is full, the sink misses the next frame and the miss is counted. If the session is
lossless, the loop waits for the sink instead, unless the sink hangs.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time

from realmaster.stream.sink import Shown, Sink, Told
from realmaster.stream.stats import Stats
from supervise.worker import LOOK_SECONDS, Worker

QUEUE = 8
HUNG_SECONDS = 5.0
"""A sink that is busy with one frame for longer hangs: it is reported, and the loop stops waiting for it."""
CLOSE_SECONDS = 60.0
"""How long a sink may take to close. A recording needs time to be completed."""


class Outlet:
    """A `Sink` that passes frames to another sink in a thread. It neither raises nor hangs if the other sink does.

    Args:
        sink: the sink that gets the frames.
        lossless: wait for the sink when the queue is full, instead of missing a frame.
    """

    def __init__(self, sink: Sink, lossless: bool) -> None:
        self.sink, self.lossless, self.missed = sink, lossless, 0
        self.name = type(sink).__name__
        self._items: queue.Queue[tuple[Shown | None, Stats] | None] = queue.Queue(QUEUE)
        self._over, self._closed = threading.Event(), threading.Event()
        self._busy_since: float | None = None
        self._worker: Worker | None = None

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`. Queues the frame, or counts it as missed if the queue stays full."""
        patience = HUNG_SECONDS if self.lossless and not self._hangs else 0.0
        if not self._started().put(self._items, (shown, stats), patience):
            self.missed += 1

    def update(self, stats: Stats) -> None:
        """See `Told.update`. Does nothing if the sink is no `Told`, or if queued frames will bring the counts."""
        if isinstance(self.sink, Told) and self._items.empty():
            self._started().put(self._items, (None, stats), 0.0)

    def _started(self) -> Worker:
        self._worker = self._worker or Worker(self.name, self._work)
        return self._worker

    @property
    def _busy(self) -> float:
        """Seconds that the sink has spent on its present frame; 0 if it is idle."""
        since, worker = self._busy_since, self._worker
        return 0.0 if since is None or worker is None or not worker.alive else time.monotonic() - since

    @property
    def _hangs(self) -> bool:
        return self._busy > HUNG_SECONDS

    @property
    def trouble(self) -> str:
        """One sentence if the sink hangs, else empty. Errors that it raised are in `supervise.worker.troubles`."""
        if not self._hangs:
            return ""
        return f"the {self.name} has been busy with one frame for {self._busy:.0f} s and has missed {self.missed}"

    def close(self) -> None:
        """See `Sink.close`. Waits until the queue is shown and the sink is closed, unless the sink hangs."""
        worker = self._started()  # the worker closes the sink, so it is needed here too
        self._over.set()
        with contextlib.suppress(queue.Full):
            self._items.put_nowait(None)  # wakes the worker
        deadline = time.monotonic() + CLOSE_SECONDS
        while worker.alive and not self._hangs and time.monotonic() < deadline:
            self._closed.wait(LOOK_SECONDS)
        worker.join(LOOK_SECONDS)

    def _work(self) -> None:
        try:
            while not (self._over.is_set() and self._items.empty()):
                self._next()
        finally:
            self._busy_since = None  # time spent on closing does not count as hanging
            self.sink.close()
            self._closed.set()

    def _next(self) -> None:
        try:
            item = self._items.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return
        if item is None:
            return
        shown, stats = item
        self._busy_since = time.monotonic()
        if shown is not None:
            self.sink.show(shown, stats)
        elif isinstance(self.sink, Told):
            self.sink.update(stats)
        self._busy_since = None
