"""The server's threads: one loads the model and renders; if the backend is pipelined, another one decodes.

Queues: windows come from `Jobs`. One rendered window may wait to be decoded; with a second one, rendering waits.
Answers wait for the loop in a queue that has room for all windows in flight. Nothing is dropped here.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.contract import Backend, Chunk, Pixels, Rendered, padded
from bridge.jobs import Guest, Job, Jobs
from bridge.protocol import Refuse
from supervise.worker import Worker

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.2
"""How often the threads check whether they must end."""
STOP_SECONDS = 1.0


class Bell:
    """Wakes a loop from any thread by a pair of sockets, because ZeroMQ sockets must not be shared between threads."""

    def __init__(self) -> None:
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)

    def fileno(self) -> int:
        """The file descriptor that the loop polls."""
        return self._out.fileno()

    def ring(self) -> None:
        """Wakes the loop. May be called from any thread, also after `close`."""
        with contextlib.suppress(OSError):  # it is full, so the loop wakes up anyway
            self._in.send(b"!")

    def clear(self) -> None:
        """Empties the bell. The loop calls it when it is awake."""
        with contextlib.suppress(BlockingIOError):
            self._out.recv(4096)

    def close(self) -> None:
        """Closes the sockets."""
        self._in.close()
        self._out.close()


@dataclass(frozen=True)
class Done:
    """An answer for a client, on its way to the loop."""

    guest: Guest
    message: Chunk | Refuse
    frames: Sequence[Pixels] = ()


@dataclass(frozen=True)
class _Undecoded:
    """A rendered window that is not decoded yet. Rendering it took `seconds`."""

    job: Job
    rendered: Rendered
    seconds: float


class Renderer:
    """Renders windows in threads of its own.

    Args:
        load: loads the backend.
        jobs: the windows to render.
        bell: rung when an answer is in `done`.
        in_flight: the most windows in flight, which is the size of `done`.
    """

    def __init__(self, load: Callable[[], Backend], jobs: Jobs, bell: Bell, in_flight: int) -> None:
        self.backend: Backend | None = None
        self.since: float | None = None
        """When the present window was begun, in seconds of the monotonic clock; None if there is none."""
        self.done: queue.Queue[Done] = queue.Queue(in_flight)
        self._load, self._jobs, self._bell = load, jobs, bell
        self._decoding: queue.Queue[_Undecoded] = queue.Queue(1)
        self._stop = threading.Event()
        self._unloaded: BaseException | None = None
        self._workers: list[Worker] = []

    def start(self) -> None:
        """Starts the thread that loads the backend and then renders."""
        self._workers.append(Worker("renderer", self._work))

    def check(self) -> None:
        """Raises the exception of a thread that has failed. The server then ends, because it cannot render."""
        for failure in (self._unloaded, *(worker.failure for worker in list(self._workers))):
            if failure is not None:
                raise failure

    def stop(self) -> None:
        """Ends the threads. A thread that hangs in a window is left behind after `STOP_SECONDS`."""
        self._stop.set()
        for worker in list(self._workers):
            worker.join(STOP_SECONDS)

    def _work(self) -> None:
        try:
            backend = self._load()
        except BaseException as error:  # raised again by `check`, in the loop's thread
            self._unloaded = error
            self._bell.ring()
            return
        log.info("ready: %s", backend.spec)
        decoder = Worker("decoder", self._decode) if backend.pipelined else None
        if decoder is not None:
            self._workers.append(decoder)
        self.backend = backend
        self._bell.ring()
        while not self._stop.is_set():
            job = self._jobs.take(LOOK_SECONDS)
            if job is not None and not job.guest.over:
                self.since = time.monotonic()
                self._render(backend, job, decoder)
                self.since = None

    def _render(self, backend: Backend, job: Job, decoder: Worker | None) -> None:
        window, guest = job.window, job.guest
        follows = window.continues and guest.carry_end == (window.segment, window.start)
        began = time.monotonic()
        try:
            done = backend.render(window, padded(job.frames, window.length), guest.carry if follows else None)
        except Exception:  # process boundary: one bad window must not end the server
            self._failed(job)
            return
        guest.carry = done.carry
        guest.carry_end = (window.segment, window.start + backend.spec.stride)
        undecoded = _Undecoded(job, done, time.monotonic() - began)
        if decoder is None:
            self._finish(undecoded, pipelined=False)
        else:
            decoder.put(self._decoding, undecoded)

    def _decode(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Empty):
                self._finish(self._decoding.get(timeout=LOOK_SECONDS), pipelined=True)

    def _finish(self, undecoded: _Undecoded, pipelined: bool) -> None:
        """Decodes a window and queues the answer for the loop."""
        window, began = undecoded.job.window, time.monotonic()
        try:
            frames, stage_ms = undecoded.rendered.frames, undecoded.rendered.stage_ms
        except Exception:  # process boundary, as above
            self._failed(undecoded.job)
            return
        seconds = undecoded.seconds, time.monotonic() - began
        period = max(seconds) if pipelined else sum(seconds)
        self._hand_over(Done(undecoded.job.guest, Chunk(
            sequence=window.sequence, segment=window.segment, start=window.start, valid=window.valid,
            width=window.width, height=window.height, stage_ms=stage_ms, period_ms=period * 1e3), frames))

    def _failed(self, job: Job) -> None:
        """Logs the present exception, and answers that the window failed. Call it in an `except` block."""
        log.exception("window %d failed", job.window.sequence)
        detail = "the renderer failed on this window; the server's log says why"
        self._hand_over(Done(job.guest, Refuse(code="failed", detail=detail, sequence=job.window.sequence)))

    def _hand_over(self, done: Done) -> None:
        while not self._stop.is_set():  # bound: the loop empties the queue or calls `stop`
            try:
                self.done.put(done, timeout=LOOK_SECONDS)
            except queue.Full:
                continue
            self._bell.ring()
            return
