"""The socket options that client and server share."""

from __future__ import annotations

import ctypes
import sys

import zmq

HEARTBEAT_MS, TIMEOUT_MS = 500, 1500
HANDSHAKE_MS = 5000
"""A connection that has not finished its handshake by then is closed."""
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
KEPT_BYTES = 512 * 1024 * 1024
SEND_QUEUE, RECEIVE_QUEUE = 32, 4
"""The most messages that ZeroMQ queues to a peer and from a peer. The credits keep the queues shorter than that."""


def keep_memory() -> None:
    """Asks glibc to keep freed memory. Otherwise each window's 36 MB would be fetched from the kernel again.

    This holds for the whole process on purpose, because the other large allocations are frames, too. Without glibc it
    does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)  # arenas of other threads ignore the threshold
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def configure(socket: zmq.Socket[bytes], part_bytes: int) -> None:
    """Sets limits, heartbeats to find dead connections, and no lingering.

    Args:
        socket: the socket, not connected or bound yet.
        part_bytes: the most bytes in a part. A peer that sends a longer part is disconnected. ZeroMQ allocates memory
            for a part before it knows the sender, so a server should set the least limit that it can.
    """
    keep_memory()
    socket.setsockopt(zmq.MAXMSGSIZE, part_bytes)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, TIMEOUT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    socket.sndhwm, socket.rcvhwm = SEND_QUEUE, RECEIVE_QUEUE
    socket.linger = 0
