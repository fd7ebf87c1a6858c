"""The server's end: a ROUTER loop that never renders, one thread that renders, and one that decodes.

Queues: jobs wait in one FIFO of at most `MAX_CLIENTS * CREDITS`, which credits cannot overfill; finished chunks wait
for the loop in another of the same size; one window waits to be decoded, and rendering waits for it. Nothing is
dropped here.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, assert_never

import numpy as np
import zmq
from numpy.typing import NDArray

from bridge.codec import Pixels, ProtocolError, decode_client, encode, padded
from bridge.keys import BridgeError, secure_server
from bridge.protocol import (
    PROTOCOL_VERSION,
    Bye,
    Chunk,
    Hello,
    ModelSpec,
    Ping,
    Pong,
    Refuse,
    RefuseCode,
    ServerMessage,
    Warming,
    Welcome,
    Window,
)
from bridge.sockets import configure, end_context

log = logging.getLogger(__name__)
MAX_CLIENTS, CREDITS = 4, 2
SILENCE_SECONDS = 10.0
"""A client that says nothing for so long is forgotten; living ones ping twice a second."""
CROWDED_SECONDS = 1.5
"""The same when a newcomer finds no place: a client that crashed must not keep its successor out."""


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


@dataclass
class _Session:
    """One client. Only the loop touches it, but for `carry`, which belongs to the render thread."""

    seen: float
    over: bool = False  # it left, or said Hello anew: what it still has in the queues is for nobody
    in_flight: int = 0
    carry: object = None
    carry_end: tuple[int, int] | None = None  # segment and start that `carry` leads up to


@dataclass(frozen=True)
class _Undecoded:
    """A rendered window on its way to its pictures; it took `seconds` so far."""

    identity: bytes
    session: _Session
    window: Window
    rendered: Rendered
    seconds: float


@dataclass
class _Counters:
    """What happened, for the log at exit."""

    windows: int = 0
    refused: dict[str, int] = field(default_factory=dict)


class BridgeServer:
    """Serves one backend to up to `MAX_CLIENTS` clients on `address`."""

    def __init__(self, address: str, load: Callable[[], Backend], key: Path | None = None,
                 clients: Path | None = None) -> None:
        self._load = load
        self._backend: Backend | None = None
        self._failure: BaseException | None = None
        self._sessions: dict[bytes, _Session] = {}
        size = MAX_CLIENTS * CREDITS
        self._jobs: queue.Queue[tuple[bytes, _Session, Window, list[Pixels]]] = queue.Queue(size)
        self._results: queue.Queue[tuple[bytes, _Session, ServerMessage, Sequence[Pixels]]] = queue.Queue(size)
        self._decoding: queue.Queue[_Undecoded] = queue.Queue(1)
        self._rendering_since: float | None = None
        self._stop = threading.Event()
        self.counters = _Counters()
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        configure(self._router)
        self._authenticator = None
        try:
            self._authenticator = secure_server(self._router, address, key, clients)
            self._router.bind(address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise BridgeError(f"cannot listen on {address}: {error.strerror}; is another server running there? "
                              "stop it or choose another address with --bind") from error
        except BridgeError:
            self._context.destroy(linger=0)
            raise
        self.address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        self._wake_in, self._wake_out = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        weakref.finalize(self, end_context, self._context, self._router, self._wake_in, self._wake_out).atexit = False
        self._wake_in.linger = self._wake_out.linger = 0
        self._wake_in.bind("inproc://wake")
        self._wake_out.connect("inproc://wake")

    def stop(self) -> None:
        """Asks `run` to return; safe from signal handlers and other threads."""
        self._stop.set()

    def run(self) -> None:
        """Serves until `stop`. Raises whatever loading the backend raised."""
        worker = threading.Thread(target=self._work, name="render", daemon=True)
        worker.start()
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wake_in, zmq.POLLIN)
        try:
            while not self._stop.is_set():
                ready = dict(poller.poll(100))
                if self._wake_in in ready:
                    self._wake_in.recv()
                self._send_results()
                if self._router in ready:
                    self._receive()
                self._forget_silent(SILENCE_SECONDS)
                if self._failure is not None:
                    raise self._failure
        finally:
            self._close()

    def _close(self) -> None:
        self._stop.set()
        if self._authenticator is not None:
            self._authenticator.stop()
        self._router.close()
        self._wake_in.close()

    # The threads that render and decode.

    def _work(self) -> None:
        try:
            self._backend = self._load()
        except BaseException as error:
            self._failure = error  # raised again by `run`, in the main thread
            return
        log.info("ready: %s", self._backend.spec)
        if self._backend.pipelined:
            threading.Thread(target=self._decode, name="decode", daemon=True).start()
        while not self._stop.is_set():
            try:
                job = self._jobs.get(timeout=0.2)
            except queue.Empty:
                continue
            if not job[1].over:
                self._rendering_since = time.monotonic()
                self._render(self._backend, *job)
                self._rendering_since = None

    def _decode(self) -> None:
        while not self._stop.is_set():
            try:
                self._finish(self._decoding.get(timeout=0.2), pipelined=True)
            except queue.Empty:
                continue

    def _render(self, backend: Backend, identity: bytes, session: _Session, window: Window,
                frames: list[Pixels]) -> None:
        follows = window.continues and session.carry_end == (window.segment, window.start)
        began = time.monotonic()
        try:
            done = backend.render(window, padded(frames, window.length), session.carry if follows else None)
        except Exception:  # process boundary: one bad window must not take the server down
            self._failed(identity, session, window)
            return
        session.carry = done.carry
        session.carry_end = (window.segment, window.start + backend.spec.stride)
        undecoded = _Undecoded(identity, session, window, done, time.monotonic() - began)
        if backend.pipelined:
            self._decoding.put(undecoded)
        else:
            self._finish(undecoded, pipelined=False)

    def _finish(self, job: _Undecoded, pipelined: bool) -> None:
        """Decodes a window and hands it to the loop."""
        window, began = job.window, time.monotonic()
        try:
            frames, stage_ms = job.rendered.frames, job.rendered.stage_ms
        except Exception:  # process boundary, as above
            self._failed(job.identity, job.session, window)
            return
        seconds = job.seconds, time.monotonic() - began
        period = max(seconds) if pipelined else sum(seconds)
        chunk = Chunk(sequence=window.sequence, segment=window.segment, start=window.start, valid=window.valid,
                      width=window.width, height=window.height, stage_ms=stage_ms, period_ms=period * 1e3)
        self._put(job.identity, job.session, chunk, frames)

    def _failed(self, identity: bytes, session: _Session, window: Window) -> None:
        """To be called where the exception is handled."""
        log.exception("window %d failed", window.sequence)
        detail = "the renderer failed on this window; the server's log says why"
        self._put(identity, session, Refuse(code="failed", detail=detail, sequence=window.sequence), ())

    def _put(self, identity: bytes, session: _Session, message: ServerMessage, frames: Sequence[Pixels]) -> None:
        self._results.put((identity, session, message, frames))
        self._wake_out.send(b"")

    # The loop.

    def _send_results(self) -> None:
        while True:
            try:
                identity, session, message, frames = self._results.get_nowait()
            except queue.Empty:
                return
            if not session.over:
                session.in_flight -= 1
                self._send(identity, message, frames)

    def _send(self, identity: bytes, message: ServerMessage, frames: Sequence[Pixels] = ()) -> None:
        if isinstance(message, Refuse):
            self.counters.refused[message.code] = self.counters.refused.get(message.code, 0) + 1
        try:
            self._router.send_multipart([identity, *encode(message, frames)], zmq.NOBLOCK, copy=False)
        except zmq.ZMQError:
            self._forget(identity)  # gone or not reading: it must say Hello again

    def _receive(self) -> None:
        identity, *parts = self._router.recv_multipart(copy=False)
        who = bytes(identity.buffer)
        try:
            message, frames = decode_client([p.buffer for p in parts])
        except ProtocolError as error:
            self._send(who, Refuse(code="malformed", detail=str(error)))
            return
        if (session := self._sessions.get(who)) is not None:
            session.seen = time.monotonic()
        match message:
            case Hello():
                self._send(who, self._greet(who, message))
            case Window():
                if (refusal := self._take(who, session, message, frames)) is not None:
                    self._send(who, Refuse(code=refusal[0], detail=refusal[1], sequence=message.sequence))
            case Ping():
                since = self._rendering_since
                busy = 0.0 if since is None else (time.monotonic() - since) * 1e3
                self._send(who, Pong(t_ns=message.t_ns, known=session is not None, queued=self._jobs.qsize(),
                                     rendering_ms=busy))
            case Bye():
                self._forget(who)
            case _:
                assert_never(message)

    def _greet(self, who: bytes, hello: Hello) -> ServerMessage:
        if hello.version != PROTOCOL_VERSION:
            return Refuse(code="version", detail=f"this server speaks protocol {PROTOCOL_VERSION}, the client "
                                                 f"{hello.version}: install the same realmaster on both sides")
        if self._backend is None:
            return Warming(detail="the server is loading its model")
        self._forget(who)  # a Hello begins anew
        if len(self._sessions) >= MAX_CLIENTS:
            self._forget_silent(CROWDED_SECONDS)
        if len(self._sessions) >= MAX_CLIENTS:
            return Refuse(code="busy", detail=f"{MAX_CLIENTS} clients are connected already: close one")
        self._sessions[who] = _Session(seen=time.monotonic())
        return Welcome(version=PROTOCOL_VERSION, server="realmaster", spec=self._backend.spec, credits=CREDITS)

    def _take(self, who: bytes, session: _Session | None, window: Window,
              frames: list[Pixels]) -> tuple[RefuseCode, str] | None:
        """Queues a window, or says why not."""
        if session is None or self._backend is None:
            return "order", "say Hello before sending windows"
        spec = self._backend.spec
        if (window.length, window.width, window.height) != (spec.length, spec.width, spec.height):
            return "shape", (f"{spec.model} takes windows of {spec.length} frames of {spec.width}x{spec.height}, "
                             f"not {window.length} of {window.width}x{window.height}")
        if window.guides != spec.guides:
            return "shape", f"{spec.model} takes windows with{'' if spec.guides else 'out'} guides"
        if session.in_flight >= CREDITS:
            return "busy", f"{CREDITS} windows are in flight already: wait for a chunk"
        try:
            self._jobs.put_nowait((who, session, window, frames))
        except queue.Full:  # windows of clients that began anew are still in it
            return "busy", "the server is behind: send again later"
        session.in_flight += 1
        self.counters.windows += 1
        return None

    def _forget_silent(self, seconds: float) -> None:
        limit = time.monotonic() - seconds
        for who in [w for w, s in self._sessions.items() if s.seen < limit]:
            self._forget(who)

    def _forget(self, who: bytes) -> None:
        session = self._sessions.pop(who, None)
        if session is not None:
            session.over = True
