"""The client of the bridge: one ZeroMQ DEALER socket, used from one thread, that never blocks beyond a timeout.

It reconnects by itself. How it reacts to the server is in `bridge/conversation.py`. At most `Welcome.credits` windows
are in flight. The caller chooses which window to send next.
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
"""The longest time that it sleeps before it looks at the clock again."""


class BridgeClient:
    """A link to the server at `address`.

    Args:
        address: where the server listens.
        name: what the server's log calls this client.
        key: the file with this client's secret key, for a server on another machine.
        server_key: the file with that server's public key.

    Raises:
        BridgeError: the address or the keys are wrong.
    """

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
        """What the server's model takes and gives; None while the server has not welcomed this client."""
        return self._state.spec if isinstance(self._state, Welcomed) else None

    @property
    def ready(self) -> bool:
        """Whether a window can be sent: the server has welcomed this client, is connected, and a credit is free."""
        if not isinstance(self._state, Welcomed) or len(self._state.in_flight) >= self._state.credits:
            return False
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLOUT)

    @property
    def in_flight(self) -> int:
        """The number of windows that were sent and have no answer yet."""
        return len(self._state.in_flight) if isinstance(self._state, Welcomed) else 0

    @property
    def busy_seconds(self) -> float:
        """How long the server had worked on its present window at its last Pong, in seconds."""
        return self._state.busy_seconds if isinstance(self._state, Welcomed) else 0.0

    @property
    def queued(self) -> int:
        """The number of windows, of all clients, that waited at the server at its last Pong."""
        return self._state.queued if isinstance(self._state, Welcomed) else 0

    def send(self, window: Window, frames: Sequence[Pixels]) -> None:
        """Sends a window. Call it only when `ready`.

        Args:
            window: the window's header.
            frames: its `window.valid` pictures, (height, width, 3) u8 each; with guides (2 height, width, 3). They must
                not be changed afterwards, because they are sent without a copy.

        Raises:
            BridgeError: the client is not `ready`.
            ValueError: the frames do not fit the header.
        """
        if not isinstance(self._state, Welcomed) or not self.ready:
            raise BridgeError("no credit to send a window with")
        parts = encode(window, frames)
        self._state = sent(self._state, window)
        self._socket.send_multipart(parts, zmq.NOBLOCK, copy=False)

    def poll(self, timeout: float) -> Event | None:
        """Waits up to `timeout` seconds for the next event; returns None if there was none."""
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
        with contextlib.suppress(zmq.Again):  # not connected: the next Hello will be sent later
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
            # Closing the connection discards what the server has sent or still sends.
            self._socket.disconnect(self._target.endpoint)
        return event

    def close(self) -> None:
        """Sends Bye and closes the connection."""
        if not self._socket.closed:
            self._say(Bye())
            self._context.destroy(linger=100)
