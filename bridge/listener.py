"""The server's ROUTER: how much a stranger may cost before anybody knows who it is.

ZeroMQ makes room for a part as soon as its length is announced, before any key is checked. So the socket takes parts
as long as a model's frame and not much longer, and only so many connections at once: those beyond are closed at once.
While the model still loads it takes no long parts, and is then replaced: whoever is connected comes again by itself.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket

import zmq
from zmq.utils.monitor import parse_monitor_message

from bridge.address import Address
from bridge.keys import Door
from bridge.listening import listen
from bridge.protocol import HEADER_LIMIT
from bridge.sockets import configure

log = logging.getLogger(__name__)
LEAST_PART_BYTES = 4 * HEADER_LIMIT
"""A small model's frame, and messages that are somewhat too long: they are read, so that their senders can be told."""
MAX_CONNECTIONS, LEAST_CONNECTIONS = 512, 16
STRANGERS_BYTES = 256 << 20
"""Memory that all connections together may take by a part each."""
WATCHED = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED


class Listener:
    """Listens on `address`, and lets in whom `door` knows. Raises `BridgeError` if it cannot."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: Address, door: Door | None) -> None:
        self._context, self._ipv6, self._door = context, address.ipv6, door
        self._ours = listen(address)
        self.endpoint, self._told = self._ours.endpoint, False
        self.socket, self._events = self._open(LEAST_PART_BYTES)

    def _open(self, part_bytes: int) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
        """A socket that listens, and one that tells who comes and goes."""
        router: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        configure(router, part_bytes)
        router.ipv6 = self._ipv6
        router.router_mandatory = True  # a peer that cannot be reached is told to us, not passed over in silence
        if self._door is not None:
            self._door.guard(router)
        events = router.get_monitor_socket(WATCHED)
        self._connected = set[int]()  # file descriptors
        self._most = max(LEAST_CONNECTIONS, min(MAX_CONNECTIONS, STRANGERS_BYTES // part_bytes))
        router.setsockopt(zmq.USE_FD, self._ours.socket.dup().detach())
        router.bind(self.endpoint)
        return router, events

    def admit(self, part_bytes: int) -> None:
        """From now on takes parts of so many bytes. If they are long, the socket is another one then."""
        if part_bytes > LEAST_PART_BYTES:
            self._close_router()
            self.socket, self._events = self._open(part_bytes)

    def look(self) -> None:
        """Counts who came and went, and closes what there is no room for."""
        while self._events.poll(0):  # bound: each connection makes two events, and they are counted faster
            event = parse_monitor_message(self._events.recv_multipart(zmq.NOBLOCK))
            connection = event["value"]
            if event["event"] == zmq.EVENT_DISCONNECTED:
                self._connected.discard(connection)
            elif len(self._connected) < self._most:
                self._connected.add(connection)
            else:
                self._full(connection)

    def _full(self, connection: int) -> None:
        if not self._told:
            log.warning("%d connections: no more are taken until some are closed", self._most)
        self._told = True
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection)) as ours:
            ours.shutdown(socket.SHUT_RDWR)  # ZeroMQ, whose it is, then closes it

    def _close_router(self) -> None:
        self.socket.disable_monitor()
        self.socket.close(0)

    def close(self) -> None:
        """Lets go of the sockets, and of the name."""
        self._close_router()
        self._ours.close()
