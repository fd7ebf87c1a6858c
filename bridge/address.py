"""Parses addresses, strictly, and tells which of them can be reached from this machine only.

That is decided from the parsed parts, never from the text. ZeroMQ gets an address that is made from the same parts, so
it cannot understand the address in another way.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass

from bridge.errors import BridgeError

MAX_PATH = 107
"""The most bytes in the path of a Unix socket (unix(7): 108 with the terminating zero)."""
FORMS = "write tcp://HOST:PORT (an IPv6 address in brackets) or ipc:///PATH"
_TCP = re.compile(r"tcp://(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[A-Za-z0-9._-]+|\*)):(?P<port>[0-9]{1,5}|\*)")
_IPC = re.compile(r"ipc://(?P<path>[^\x00-\x1f@*][^\x00-\x1f]*)")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_SCOPE = re.compile(r"[A-Za-z0-9._-]{1,15}")


@dataclass(frozen=True)
class Address:
    """A `path`, or a `host` without brackets and a `port`. `local`: it can be reached from this machine only."""

    local: bool
    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def endpoint(self) -> str:
        """The address in the form that ZeroMQ takes."""
        return f"ipc://{self.path}" if self.path else f"tcp://{in_url(self.host)}:{self.port}"

    @property
    def ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host


def to_bind(text: str) -> Address:
    """Parses an address to listen on.

    The port may be 0 or `*` for any free port. The host may be `*` or the name of a network interface.

    Raises:
        BridgeError: `text` is not an address.
    """
    return _parse(text, binds=True)


def to_connect(text: str) -> Address:
    """Parses an address to connect to. Raises `BridgeError` if `text` is not an address."""
    return _parse(text, binds=False)


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without brackets, can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def in_url(host: str) -> str:
    """The host as it is written in an address: an IPv6 address gets brackets."""
    return f"[{host}]" if ":" in host else host


def _parse(text: str, binds: bool) -> Address:
    if (ipc := _IPC.fullmatch(text)) is not None:
        return _unix(text, ipc["path"])
    if (tcp := _TCP.fullmatch(text)) is None:
        raise BridgeError(f"{text!r} is not an address: {FORMS}")
    port = _port(text, tcp["port"], binds)
    if tcp["v6"] is not None:
        return Address(_is_loopback_v6(text, tcp["v6"]), host=tcp["v6"], port=port)
    host: str = tcp["name"]
    if host == "*":
        if not binds:
            raise BridgeError(f"{text}: to call somebody, give a host in place of *")
        return Address(local=False, host="0.0.0.0", port=port)  # noqa: S104  the user asks for it, and it needs keys
    _check_name(text, host)
    return Address(is_loopback(host), host="127.0.0.1" if host == "localhost" else host, port=port)


def _unix(text: str, path: str) -> Address:
    if (size := len(os.fsencode(path))) > MAX_PATH:
        raise BridgeError(f"{text}: the path has {size} bytes, and a socket's has {MAX_PATH} at most: choose a shorter "
                          "one (if you gave none, set TMPDIR to a shorter folder)")
    return Address(local=True, path=path)


def _port(text: str, port: str, binds: bool) -> int:
    """The port as a number; 0 means any free port."""
    if port in ("*", "0") and binds:
        return 0
    if port == "*" or not 0 < int(port) <= 65535:
        raise BridgeError(f"{text}: a port is 1 to 65535" + (", or 0 for any free one" if binds else ""))
    return int(port)


def _is_loopback_v6(text: str, host: str) -> bool:
    address, separator, scope = host.partition("%")
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError as error:
        raise BridgeError(f"{text}: [{host}] is not an IPv6 address") from error
    if separator and not _SCOPE.fullmatch(scope):
        raise BridgeError(f"{text}: {scope!r} is not the name of a network interface")
    return parsed.is_loopback


def _check_name(text: str, host: str) -> None:
    """Refuses a host that looks like a number but is no full IPv4 address: programs read short forms differently."""
    if not _NAME.fullmatch(host):
        raise BridgeError(f"{text}: {host!r} is not the name of a host")
    if re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", host.rsplit(".", 1)[-1]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError as error:
            raise BridgeError(f"{text}: {host} is not an IPv4 address: write all four numbers") from error
