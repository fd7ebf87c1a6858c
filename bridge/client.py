"""The client's end: one DEALER, used from one thread, that never blocks longer than it is told to.

It reconnects by itself: when the server is silent for `DEAD_SECONDS` it says so (`Lost`), forgets
what was in flight, and says Hello until it is welcomed again. Windows in flight are at most
`Welcome.credits`; choosing which window to send when there is a credit is the caller's business.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import zmq

from bridge.codec import Pixels, ProtocolError, decode_server, encode
from bridge.keys import BridgeError, secure_client
from bridge.protocol import (
    PROTOCOL_VERSION,
    Bye,
    Chunk,
    Hello,
    ModelSpec,
    Ping,
    Pong,
    Refuse,
    Warming,
    Welcome,
    Window,
)
from bridge.sockets import configure, end_context

HELLO_SECONDS, PING_SECONDS, DEAD_SECONDS = 0.3, 0.5, 1.5


@dataclass(frozen=True)
class Waiting:
    """Not welcomed yet; `detail` says what the server last said, or that nobody answers."""

    detail: str


@dataclass(frozen=True)
class Ready:
    """Welcomed."""

    spec: ModelSpec
    credits: int


@dataclass(frozen=True)
class Refused:
    """The server will not have this client, or did not take a window."""

    reason: Refuse


@dataclass(frozen=True)
class Lost:
    """The server fell silent; `in_flight` windows will not come back."""

    in_flight: int


@dataclass(frozen=True)
class Arrived:
    """A rendered window: its real frames."""

    chunk: Chunk
    frames: list[Pixels]


Event = Waiting | Ready | Refused | Lost | Arrived


class BridgeClient:
    """Talks to the server at `address`."""

    def __init__(self, address: str, name: str = "realmaster", key: Path | None = None,
                 server_key: Path | None = None) -> None:
        self.address, self.name = address, name
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        weakref.finalize(self, end_context, self._context, self._socket).atexit = False
        configure(self._socket)
        try:
            secure_client(self._socket, address, key, server_key)
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise BridgeError(f"{address} is not an address: write tcp://HOST:PORT or ipc://PATH") from error
        except BridgeError:
            self._context.destroy(linger=0)
            raise
        self.spec: ModelSpec | None = None
        self.credits = 0
        self._in_flight: set[int] = set()
        self._heard = self._hello = self._ping = self._polled = float("-inf")
        self.busy_seconds = 0.0
        """How long the server had worked on the window in hand when it last told."""

    @property
    def ready(self) -> bool:
        """Welcomed, and with a credit to spend."""
        return self.spec is not None and len(self._in_flight) < self.credits

    @property
    def in_flight(self) -> int:
        """Windows sent and not answered."""
        return len(self._in_flight)

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """Sends a window with its real frames, which must not change any more; call only when `ready`."""
        if not self.ready:
            raise BridgeError("no credit to send a window with")
        self._in_flight.add(window.sequence)
        self._socket.send_multipart(encode(window, frames), copy=False)

    def poll(self, timeout: float) -> Event | None:
        """The next thing that happened within `timeout` seconds, or None."""
        deadline = time.monotonic() + timeout
        while True:
            now = time.monotonic()
            if now - self._polled > PING_SECONDS:
                self._heard = now  # nobody listened meanwhile: the silence is not the server's
            self._polled = now
            if (event := self._keep_alive(now)) is not None:
                return event
            wait = max(0.0, min(deadline - now, 0.1))
            if self._socket.poll(int(wait * 1000)):
                if (event := self._receive()) is not None:
                    return event
            elif time.monotonic() >= deadline:
                return None

    def _keep_alive(self, now: float) -> Event | None:
        if self.spec is None:
            if now - self._hello > HELLO_SECONDS:
                self._hello = now
                self._say(Hello(version=PROTOCOL_VERSION, client=self.name))
                if now - self._heard > DEAD_SECONDS:
                    return Waiting(f"no server answers at {self.address}")
            return None
        if now - self._ping > PING_SECONDS:
            self._ping = now
            self._say(Ping(t_ns=time.monotonic_ns()))
        return self._lost() if now - self._heard > DEAD_SECONDS else None

    def _lost(self) -> Lost:
        lost = Lost(len(self._in_flight))
        self.spec, self.credits, self.busy_seconds = None, 0, 0.0
        self._in_flight.clear()
        return lost

    def _say(self, message: Hello | Ping | Bye) -> None:
        with contextlib.suppress(zmq.Again):  # nobody is connected: the next Hello will tell
            self._socket.send_multipart(encode(message), zmq.NOBLOCK)

    def _receive(self) -> Event | None:
        try:
            message, frames = decode_server([f.buffer for f in self._socket.recv_multipart(copy=False)])
        except ProtocolError as error:
            return Refused(Refuse(code="malformed", detail=f"the server sent {error}"))
        self._heard = time.monotonic()
        match message:
            case Warming():
                return Waiting(message.detail)
            case Welcome():
                if self.spec is not None:
                    return None  # answers a Hello that was sent twice
                self.spec, self.credits, self._ping = message.spec, message.credits, self._heard
                return Ready(message.spec, message.credits)
            case Refuse():
                return self._refused(message)
            case Chunk():
                if message.sequence not in self._in_flight:
                    return None  # of a life before the server was lost
                self._in_flight.discard(message.sequence)
                self.busy_seconds = 0.0
                return Arrived(message, frames)
            case Pong():
                if self.spec is not None and not message.known:
                    return self._lost()  # it was restarted faster than its silence could tell
                self.busy_seconds = message.rendering_ms / 1e3
                return None
            case _:
                assert_never(message)

    def _refused(self, message: Refuse) -> Event:
        if message.sequence is not None:
            self._in_flight.discard(message.sequence)
        if message.code == "order":
            self.spec = None  # the server has forgotten us: say Hello again
        return Refused(message)

    def close(self) -> None:
        """Says goodbye and lets go."""
        self._say(Bye())
        self._context.destroy(linger=100)
