"""The client's end: one DEALER, used from one thread, that never blocks longer than it is told to.

It reconnects by itself; what it makes of the server is in `bridge/conversation.py`. Windows in flight are at most
`Welcome.credits`; choosing which window to send when there is a credit is the caller's business.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import zmq

from bridge.address import to_connect
from bridge.codec import ProtocolError, decode_server, encode
from bridge.contract import ModelSpec, Pixels, Window
from bridge.conversation import (
    PING_SECONDS,
    Event,
    Seeking,
    Shunned,
    State,
    Welcomed,
    hear,
    listening,
    sent,
    shun,
    tick,
)
from bridge.errors import BridgeError
from bridge.keys import secure_client
from bridge.protocol import MAX_PART_BYTES, PROTOCOL_VERSION, Bye, Hello, Ping
from bridge.sockets import configure

LOOK_SECONDS = 0.1
"""The longest that it sleeps without a look at the clock."""


class BridgeClient:
    """Talks to the server at `address`; `name` is what the server's log calls it. Raises `BridgeError`."""

    def __init__(self, address: str, name: str = "realmaster", key: Path | None = None,
                 server_key: Path | None = None) -> None:
        self.address, self.name = address, name
        self._target = to_connect(address)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        weakref.finalize(self, self._context.destroy, 0).atexit = False
        configure(self._socket, MAX_PART_BYTES)
        self._socket.ipv6 = self._target.ipv6
        try:
            secure_client(self._socket, self._target, key, server_key)
            self._socket.connect(self._target.endpoint)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise BridgeError(f"cannot call {address}: {error.strerror}") from error
        except BridgeError:
            self._context.destroy(linger=0)
            raise
        self._state: State = Seeking(float("-inf"), float("-inf"))
        self._polled = float("-inf")

    @property
    def spec(self) -> ModelSpec | None:
        """What the server renders; None while it has not welcomed this client."""
        return self._state.spec if isinstance(self._state, Welcomed) else None

    @property
    def ready(self) -> bool:
        """Welcomed, with a credit to spend, and connected."""
        if not isinstance(self._state, Welcomed) or len(self._state.in_flight) >= self._state.credits:
            return False
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLOUT)

    @property
    def in_flight(self) -> int:
        """Windows sent and not answered."""
        return len(self._state.in_flight) if isinstance(self._state, Welcomed) else 0

    @property
    def busy_seconds(self) -> float:
        """How long the server had worked on the window in hand when it last told."""
        return self._state.busy_seconds if isinstance(self._state, Welcomed) else 0.0

    @property
    def queued(self) -> int:
        """Windows of all clients that waited at the server when it last told."""
        return self._state.queued if isinstance(self._state, Welcomed) else 0

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """Sends a window with its real frames, which must not change any more; call only when `ready`."""
        if not isinstance(self._state, Welcomed) or not self.ready:
            raise BridgeError("no credit to send a window with")
        parts = encode(window, frames)
        self._state = sent(self._state, window)
        self._socket.send_multipart(parts, zmq.NOBLOCK, copy=False)

    def poll(self, timeout: float) -> Event | None:
        """The next thing that happened within `timeout` seconds, or None."""
        deadline = time.monotonic() + timeout
        while True:  # bound: `deadline`
            now = time.monotonic()
            if now - self._polled > PING_SECONDS:
                self._state = listening(self._state, now)
            self._polled = now
            if (event := self._keep_alive(now)) is not None:
                return event
            wait = max(0.0, min(deadline - now, LOOK_SECONDS))
            if self._socket.poll(int(wait * 1000)) and (event := self._receive()) is not None:
                return event
            if time.monotonic() >= deadline:
                return None

    def _keep_alive(self, now: float) -> Event | None:
        before = self._state
        self._state, say, event = tick(before, now, self.address)
        if isinstance(before, Shunned) and not isinstance(self._state, Shunned):
            self._socket.connect(self._target.endpoint)
        if say is Hello:
            self._say(Hello(version=PROTOCOL_VERSION, client=self.name))
        elif say is Ping:
            self._say(Ping(t_ns=time.monotonic_ns()))
        return event

    def _say(self, message: Hello | Ping | Bye) -> None:
        with contextlib.suppress(zmq.Again):  # nobody is connected: the next Hello will tell
            self._socket.send_multipart(encode(message), zmq.NOBLOCK)

    def _receive(self) -> Event | None:
        now = time.monotonic()
        try:
            message, frames = decode_server([f.buffer for f in self._socket.recv_multipart(zmq.NOBLOCK, copy=False)])
        except ProtocolError as error:
            self._state, event = shun(self._state, now, f"the server sent {error}")
        else:
            self._state, event = hear(self._state, message, frames, now)
        if isinstance(self._state, Shunned) and event is not None:
            # What it has sent, or sends meanwhile, is thrown away with the connection.
            self._socket.disconnect(self._target.endpoint)
        return event

    def close(self) -> None:
        """Says goodbye and lets go."""
        if not self._socket.closed:
            self._say(Bye())
            self._context.destroy(linger=100)
