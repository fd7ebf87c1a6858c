"""Socket options that both ends share, in one place."""

from __future__ import annotations

import ctypes
import sys

import zmq

from bridge.protocol import MAX_PART_BYTES

HEARTBEAT_MS, TIMEOUT_MS = 500, 1500
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
KEPT_BYTES = 512 * 1024 * 1024
SEND_QUEUE = 4
"""Messages that ZeroMQ may hold for a peer; credits keep it emptier than that."""


def keep_memory() -> None:
    """Asks glibc to keep freed memory: a window's 36 MB would else be fetched from the kernel anew each time.

    Process-wide, on purpose: the other big allocations are frames too. Elsewhere than on glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)  # arenas of other threads give their memory back whatever the threshold
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def end_context(context: zmq.Context[zmq.Socket[bytes]], *sockets: zmq.Socket[bytes]) -> None:
    """Ends a context with its sockets. One that is collected with a socket open would wait for that for ever."""
    for socket in sockets:
        socket.close(0)
    context.term()


def configure(socket: zmq.Socket[bytes]) -> None:
    """Limits, heartbeats for dead connections, no lingering."""
    keep_memory()
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_PART_BYTES)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, TIMEOUT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    socket.set_hwm(SEND_QUEUE)
    socket.linger = 0
