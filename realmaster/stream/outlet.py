"""A sink of a live session in a thread of its own: whatever one does, the loop and the other sinks go on.

Queue: `QUEUE` frames. When it is full a live sink misses the next frame, which is counted; a lossless one is waited
for, as long as it does not hang.
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
"""A sink that is busy with one frame for longer is told; nobody waits for it any more, until it is done."""
CLOSE_SECONDS = 60.0
"""How long a sink may take to close: a recording is made whole."""


class Outlet:
    """Implements `Sink` for one that may raise or hang; it never does so itself."""

    def __init__(self, sink: Sink, lossless: bool) -> None:
        self.sink, self.lossless, self.missed = sink, lossless, 0
        self.name = type(sink).__name__
        self._items: queue.Queue[tuple[Shown | None, Stats] | None] = queue.Queue(QUEUE)
        self._over, self._closed = threading.Event(), threading.Event()
        self._busy_since: float | None = None
        self._worker: Worker | None = None

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`: hands the frame over, or counts it as missed."""
        patience = HUNG_SECONDS if self.lossless and not self._hangs else 0.0
        if not self._started().put(self._items, (shown, stats), patience):
            self.missed += 1

    def update(self, stats: Stats) -> None:
        """See `Told.update`, for a sink that is one; left out where frames are waiting, which tell the same."""
        if isinstance(self.sink, Told) and self._items.empty():
            self._started().put(self._items, (None, stats), 0.0)

    def _started(self) -> Worker:
        self._worker = self._worker or Worker(self.name, self._work)
        return self._worker

    @property
    def _busy(self) -> float:
        """Seconds that the sink has spent on the frame in hand."""
        since, worker = self._busy_since, self._worker
        return 0.0 if since is None or worker is None or not worker.alive else time.monotonic() - since

    @property
    def _hangs(self) -> bool:
        return self._busy > HUNG_SECONDS

    @property
    def trouble(self) -> str:
        """One sentence if the sink hangs; empty if it works. What it raised is among `supervise.worker.troubles`."""
        if not self._hangs:
            return ""
        return f"the {self.name} has been busy with one frame for {self._busy:.0f} s and has missed {self.missed}"

    def close(self) -> None:
        """See `Sink.close`: waits until all is shown and the sink is closed, unless it hangs."""
        worker = self._started()  # it closes the sink, too
        self._over.set()
        with contextlib.suppress(queue.Full):
            self._items.put_nowait(None)  # wakes it
        deadline = time.monotonic() + CLOSE_SECONDS
        while worker.alive and not self._hangs and time.monotonic() < deadline:
            self._closed.wait(LOOK_SECONDS)
        worker.join(LOOK_SECONDS)

    def _work(self) -> None:
        try:
            while not (self._over.is_set() and self._items.empty()):
                self._next()
        finally:
            self._busy_since = None  # closing takes its time
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
