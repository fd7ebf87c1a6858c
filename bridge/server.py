"""The server of the bridge: a loop over sockets. Rendering runs in other threads, see `bridge/renderer.py`.

Only answers to clients that do not read them are dropped here.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import zmq

from bridge.address import to_bind
from bridge.codec import ProtocolError, decode_client, encode
from bridge.contract import Backend, Chunk, Pixels, Window, words
from bridge.errors import BridgeError
from bridge.jobs import Guest, Job, Jobs
from bridge.keys import open_door
from bridge.listener import Listener
from bridge.protocol import (
    PROTOCOL_VERSION,
    Bye,
    Hello,
    Ping,
    Pong,
    Refuse,
    RefuseCode,
    ServerMessage,
    Warming,
    Welcome,
)
from bridge.renderer import Bell, Renderer

log = logging.getLogger(__name__)
MAX_CLIENTS, CREDITS = 4, 2
IN_FLIGHT = MAX_CLIENTS * CREDITS + 2
"""The most windows in flight, including those that are being rendered for clients that have gone."""
SILENCE_SECONDS = 10.0
"""A client that is silent for this long is forgotten. A living client pings twice a second."""
CROWDED_SECONDS = 1.5
"""The same if the server is full and a new client comes, so that a crashed client does not keep a new one out."""
POLL_MS = 100


@dataclass
class _Counters:
    """The numbers of windows taken and of refusals by code, for the log at the end."""

    windows: int = 0
    refused: dict[str, int] = field(default_factory=dict[str, int])


class BridgeServer:
    """Serves one backend to up to `MAX_CLIENTS` clients.

    Args:
        address: where to listen.
        load: loads the backend; called in the renderer's thread.
        key: the file with the server's secret key, if other machines may connect.
        clients: the folder with the clients' public keys, if other machines may connect.

    Raises:
        BridgeError: it cannot listen on `address`, or the keys are wrong.
    """

    def __init__(self, address: str, load: Callable[[], Backend], key: Path | None = None,
                 clients: Path | None = None) -> None:
        where = to_bind(address)
        self._guests: dict[bytes, Guest] = {}
        self._jobs, self._bell = Jobs(), Bell()
        self._renderer = Renderer(load, self._jobs, self._bell, IN_FLIGHT)
        self._stop = threading.Event()
        self.counters = _Counters()
        self._context = zmq.Context()
        weakref.finalize(self, self._context.destroy, 0).atexit = False
        try:
            self._door = open_door(self._context, where, key, clients)
            self._listener = Listener(self._context, where, self._door)
        except (zmq.ZMQError, BridgeError):
            self._context.destroy(linger=0)
            raise
        self.address = self._listener.endpoint
        self._open = False  # whether windows are taken, too, not only Hello

    def stop(self) -> None:
        """Asks `run` to return. May be called from signal handlers and other threads."""
        self._stop.set()
        self._bell.ring()

    def run(self) -> None:
        """Serves until `stop` is called. Raises what `load` or a thread of the renderer has raised."""
        self._renderer.start()
        poller = self._poller()
        try:
            while not self._stop.is_set():
                ready = dict(poller.poll(POLL_MS))
                self._renderer.check()
                if self._bell.fileno() in ready:
                    self._bell.clear()
                if self._renderer.backend is not None and not self._open:
                    self._listener.admit(self._renderer.backend.spec.frame_bytes)
                    self._open, poller = True, self._poller()
                    continue
                self._send_results()
                if self._door is not None and self._door.questions in ready:
                    self._door.answer()
                if self._listener.socket in ready:
                    self._receive()
                self._listener.look()
                self._forget_strangers()
                self._forget_silent(SILENCE_SECONDS)
        finally:
            self._stop.set()
            self._renderer.stop()
            self._bell.close()
            self._listener.close()
            self._context.destroy(linger=0)

    def _poller(self) -> zmq.Poller:
        poller = zmq.Poller()
        for what in (self._listener.socket, self._bell.fileno(), *([self._door.questions] if self._door else [])):
            poller.register(what, zmq.POLLIN)
        return poller

    def _send_results(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:  # bound: the number of windows in flight
                done = self._renderer.done.get_nowait()
                if not done.guest.over:
                    done.guest.in_flight -= 1
                    self._send(done.guest.identity, done.message, done.frames)

    def _send(self, identity: bytes, message: ServerMessage, frames: Sequence[Pixels] = ()) -> None:
        if isinstance(message, Refuse):
            self.counters.refused[message.code] = self.counters.refused.get(message.code, 0) + 1
        try:
            self._listener.socket.send_multipart([identity, *encode(message, frames)], zmq.NOBLOCK, copy=False)
        except zmq.ZMQError:  # the client is gone, or does not read
            if isinstance(message, Chunk):
                self._forget(identity)  # it must say Hello again, because its window is lost

    def _receive(self) -> None:
        identity, *parts = self._listener.socket.recv_multipart(zmq.NOBLOCK, copy=False)
        who = bytes(identity.buffer)
        key = b""
        if self._door is not None:
            key = str(parts[0].get("User-Id")).encode() if parts else b""
            if key not in self._door.friends:
                return  # its key was removed after it had connected
        try:
            message, frames = decode_client([p.buffer for p in parts])
        except ProtocolError as error:
            self._send(who, Refuse(code="malformed", detail=words(str(error))))
            return
        if (guest := self._guests.get(who)) is not None:
            guest.seen = time.monotonic()
        match message:
            case Hello():
                self._send(who, self._greet(who, key, message))
            case Window():
                if (refusal := self._take(guest, message, frames)) is not None:
                    self._send(who, Refuse(code=refusal[0], detail=refusal[1], sequence=message.sequence))
            case Ping():
                since = self._renderer.since
                busy = 0.0 if since is None else (time.monotonic() - since) * 1e3
                self._send(who, Pong(t_ns=message.t_ns, known=guest is not None, queued=len(self._jobs),
                                     rendering_ms=busy))
            case Bye():
                self._forget(who)
            case _:
                assert_never(message)

    def _greet(self, who: bytes, key: bytes, hello: Hello) -> ServerMessage:
        if hello.version != PROTOCOL_VERSION:
            return Refuse(code="version", detail=f"this server speaks protocol {PROTOCOL_VERSION}, the client "
                                                 f"{hello.version}: install the same realmaster on both sides")
        backend = self._renderer.backend
        if backend is None or not self._open:
            return Warming(detail="the server is loading its model")
        self._forget(who)  # a Hello starts from the beginning
        if len(self._guests) >= MAX_CLIENTS:
            self._forget_silent(CROWDED_SECONDS)
        if len(self._guests) >= MAX_CLIENTS:
            names = ", ".join(sorted(guest.name for guest in self._guests.values()))
            return Refuse(code="busy", detail=words(f"{MAX_CLIENTS} clients are connected already ({names}): "
                                                    "close one"))
        self._guests[who] = Guest(who, hello.client, key, time.monotonic())
        log.info("welcome, %s", hello.client)
        return Welcome(version=PROTOCOL_VERSION, server="realmaster", spec=backend.spec, credits=CREDITS)

    def _take(self, guest: Guest | None, window: Window, frames: list[Pixels]) -> tuple[RefuseCode, str] | None:
        """Queues a window. Returns None, or the code and the reason if the window is refused."""
        if guest is None or self._renderer.backend is None:
            return "order", "say Hello before sending windows"
        spec = self._renderer.backend.spec
        if (window.length, window.width, window.height) != (spec.length, spec.width, spec.height):
            return "shape", (f"{spec.model} takes windows of {spec.length} frames of {spec.width}x{spec.height}, "
                             f"not {window.length} of {window.width}x{window.height}")
        if window.guides != spec.guides:
            return "shape", f"{spec.model} takes windows with{'' if spec.guides else 'out'} guides"
        if guest.in_flight >= CREDITS:
            return "busy", f"{CREDITS} windows are in flight already: wait for a chunk"
        self._jobs.add(Job(guest, window, frames))
        guest.in_flight += 1
        self.counters.windows += 1
        return None

    def _forget_strangers(self) -> None:
        """Forgets the clients whose keys were removed."""
        if self._door is not None and self._door.look():
            for who in [who for who, guest in self._guests.items() if guest.key not in self._door.friends]:
                log.info("the key of %s was taken away", self._guests[who].name)
                self._forget(who)

    def _forget_silent(self, seconds: float) -> None:
        limit = time.monotonic() - seconds
        for who in [who for who, guest in self._guests.items() if guest.seen < limit]:
            self._forget(who)

    def _forget(self, who: bytes) -> None:
        guest = self._guests.pop(who, None)
        if guest is not None:
            guest.over = True
            self._jobs.forget(guest)
