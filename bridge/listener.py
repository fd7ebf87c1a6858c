"""The server's ROUTER socket, with limits on the memory that unknown peers can take.

ZeroMQ allocates memory for a part as soon as its length is announced, before it checks any key. So the socket limits
the length of parts to that of the model's frame, and the number of connections. Further connections are closed at once.
While the model loads, the socket takes short parts only. Then it is replaced; clients reconnect by themselves.
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
"""The least limit of a part. It lets messages in that are a little too long, so that their senders get an answer."""
MAX_CONNECTIONS, LEAST_CONNECTIONS = 512, 16
STRANGERS_BYTES = 256 << 20
"""The most memory that all connections may take together, with one part each."""
WATCHED = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED


class Listener:
    """Listens on `address`, and lets in the clients that `door` knows, or all if it is None.

    Raises:
        BridgeError: it cannot listen there.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: Address, door: Door | None) -> None:
        self._context, self._ipv6, self._door = context, address.ipv6, door
        self._ours = listen(address)
        self.endpoint, self._told = self._ours.endpoint, False
        self.socket, self._events = self._open(LEAST_PART_BYTES)

    def _open(self, part_bytes: int) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
        """Opens the socket that listens, and one that reports connections and disconnections."""
        router: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        configure(router, part_bytes)
        router.ipv6 = self._ipv6
        router.router_mandatory = True  # sending to a peer that is gone raises an error
        if self._door is not None:
            self._door.guard(router)
        events = router.get_monitor_socket(WATCHED)
        self._connected = set[int]()  # file descriptors
        self._most = max(LEAST_CONNECTIONS, min(MAX_CONNECTIONS, STRANGERS_BYTES // part_bytes))
        router.setsockopt(zmq.USE_FD, self._ours.socket.dup().detach())
        router.bind(self.endpoint)
        return router, events

    def admit(self, part_bytes: int) -> None:
        """Takes parts of up to `part_bytes` bytes from now on. If the limit grows, `socket` becomes another socket."""
        if part_bytes > LEAST_PART_BYTES:
            self._close_router()
            self.socket, self._events = self._open(part_bytes)

    def look(self) -> None:
        """Counts connections and disconnections, and closes the connections beyond the limit."""
        while self._events.poll(0):  # bound: each connection makes two events, which take less time here
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
            ours.shutdown(socket.SHUT_RDWR)  # ZeroMQ, which owns it, then closes it

    def _close_router(self) -> None:
        self.socket.disable_monitor()
        self.socket.close(0)

    def close(self) -> None:
        """Closes the sockets, and frees the address."""
        self._close_router()
        self._ours.close()
