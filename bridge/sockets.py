"""Socket options that both ends share, in one place."""

from __future__ import annotations

import zmq

from bridge.protocol import MAX_MESSAGE_BYTES

HEARTBEAT_MS, TIMEOUT_MS = 500, 1500
SEND_QUEUE = 4
"""Messages that ZeroMQ may hold for a peer; credits keep it emptier than that."""


def configure(socket: zmq.Socket[bytes]) -> None:
    """Limits, heartbeats for dead connections, no lingering."""
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, TIMEOUT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    socket.set_hwm(SEND_QUEUE)
    socket.linger = 0
