"""Opens the listening socket that a server owns as long as it runs. ZeroMQ gets copies of it.

If ZeroMQ opened the socket, it would remove any file that has the name of the Unix socket, even that of a running
server. And while a ROUTER socket is replaced, there would be a moment in which nobody listens.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import sys
from pathlib import Path

from bridge.address import Address, in_url
from bridge.errors import BridgeError

BACKLOG = 128
SIOCGIFADDR = 0x8915
"""Asks Linux for the IPv4 address of a network interface (netdevice(7))."""


class Listening:
    """A socket that listens. `endpoint` is its address in ZeroMQ's form, with the real port."""

    def __init__(self, ours: socket.socket, endpoint: str, path: Path | None = None) -> None:
        self.socket, self.endpoint, self._path = ours, endpoint, path
        self._inode = _inode(path)

    def close(self) -> None:
        """Closes the socket. Removes the file of a Unix socket, unless another file has replaced it."""
        self.socket.close()
        if self._path is not None and _inode(self._path) == self._inode:
            self._path.unlink(missing_ok=True)


def listen(address: Address) -> Listening:
    """Listens at `address`. Raises `BridgeError` if another program does, or if it is not of this machine."""
    try:
        return _unix(Path(address.path)) if address.path else _tcp(address)
    except OSError as error:
        taken = "; is another server running there? Stop it or choose another address with --bind"
        raise BridgeError(f"cannot listen on {address.endpoint}: {error.strerror}"
                          + (taken if error.errno == errno.EADDRINUSE else "; choose another --bind")) from error


def _unix(path: Path) -> Listening:
    _remove_dead(path)
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours.setblocking(False)
        ours.bind(str(path))
        path.chmod(0o600)  # in time, because nobody can connect before `listen`
        ours.listen(BACKLOG)
    except OSError:
        ours.close()
        raise
    return Listening(ours, f"ipc://{path}", path)


def _remove_dead(path: Path) -> None:
    """Removes a socket that a dead server has left.

    Raises:
        BridgeError: the file is no socket.
        OSError: a running server uses the socket.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise BridgeError(f"{path} exists and is no socket: choose another name for --bind")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:  # a server lives, or another user owns it
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    path.unlink(missing_ok=True)


def _tcp(address: Address) -> Listening:
    family, where = _resolve(address)
    ours = socket.socket(family, socket.SOCK_STREAM)
    try:
        ours.setblocking(False)
        if sys.platform != "win32":  # on Windows this would let two servers listen at once
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours.bind(where)
        ours.listen(BACKLOG)
    except OSError:
        ours.close()
        raise
    host = ours.getsockname()[0]
    scope = f"%{address.host.partition('%')[2]}" if "%" in address.host and "%" not in host else ""
    return Listening(ours, f"tcp://{in_url(host + scope)}:{ours.getsockname()[1]}")


def _resolve(address: Address) -> tuple[socket.AddressFamily, tuple[str | int, ...]]:
    """The family and the socket address of a host: an IP address, a network interface, or a name of this machine."""
    host = _interface(address.host) or address.host
    try:
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BridgeError(f"{address.host} is neither an address of this machine nor one of its network interfaces: "
                          "choose another --bind") from error
    family, _, _, _, where = found[0]
    return family, (str(where[0]), *(int(n) for n in where[1:]))


def _interface(name: str) -> str:
    """The IPv4 address of a network interface; empty if there is none of that name."""
    if not sys.platform.startswith("linux") or name not in (known for _, known in socket.if_nameindex()):
        return ""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFADDR, struct.pack("256s", name.encode()))
    return socket.inet_ntoa(answer[20:24])


def _inode(path: Path | None) -> int | None:
    try:
        return None if path is None else path.lstat().st_ino
    except OSError:
        return None
