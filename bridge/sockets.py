"""Socket options that both ends share, in one place."""

from __future__ import annotations

import ctypes
import sys

import zmq

HEARTBEAT_MS, TIMEOUT_MS = 500, 1500
HANDSHAKE_MS = 5000
"""A connection that has not said who it is by then is closed."""
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
KEPT_BYTES = 512 * 1024 * 1024
SEND_QUEUE, RECEIVE_QUEUE = 32, 4
"""Messages that ZeroMQ may hold for a peer, and of a peer; credits keep them emptier than that."""


def keep_memory() -> None:
    """Asks glibc to keep freed memory: a window's 36 MB would else be fetched from the kernel anew each time.

    Process-wide, on purpose: the other big allocations are frames too. Elsewhere than on glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)  # arenas of other threads give their memory back whatever the threshold
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def configure(socket: zmq.Socket[bytes], part_bytes: int) -> None:
    """Limits, heartbeats for dead connections, no lingering. A peer that sends a part longer than that is dropped.

    ZeroMQ makes room for a part before it knows who sends it, so a server's limit is the longest that it can need.
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
