"""Who may bind where: loopback and ipc need no keys, anything else needs CURVE on both sides.

Key files are made by `realmaster keys`: `NAME.key_secret` (0600, stays home) and `NAME.key`
(public, to be copied). CURVE: https://rfc.zeromq.org/spec/26/.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator


class BridgeError(Exception):
    """The bridge cannot be set up; the message says what to do."""


def is_local(address: str) -> bool:
    """Whether `address` (`ipc://...`, `tcp://host:port`) can be reached from this host alone."""
    if address.startswith(("ipc://", "inproc://")):
        return True
    host = urlsplit(address).hostname or "*"
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Writes a new key pair and returns the public and the secret file. Raises `BridgeError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / f"{name}.key_secret").exists():
        raise BridgeError(f"{folder / name}.key_secret exists already: choose another name, or remove it yourself")
    public, secret = (Path(p) for p in zmq.auth.create_certificates(folder, name))
    secret.chmod(0o600)
    return public, secret


def _load(path: Path, need_secret: bool) -> tuple[bytes, bytes | None]:
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise BridgeError(f"{path} is not a key file: make one with `realmaster keys`") from error
    if need_secret and secret is None:
        raise BridgeError(f"{path} is a public key; the .key_secret file is needed here")
    return public, secret


def secure_server(socket: zmq.Socket[bytes], address: str, secret: Path | None,
                  clients: Path | None) -> ThreadAuthenticator | None:
    """Sets CURVE on a server socket, letting in only the public keys in the folder `clients`.

    Returns the authenticator to stop at the end, or None for a local bind without keys. Raises
    `BridgeError` when `address` is reachable from elsewhere and there are no keys.
    """
    if secret is None or clients is None:
        if not is_local(address):
            raise BridgeError(f"{address} can be reached from other machines: give --key and --clients "
                              "(make keys with `realmaster keys`), or bind tcp://127.0.0.1:PORT")
        return None
    public, private = _load(secret, need_secret=True)
    if not any(clients.glob("*.key")):
        raise BridgeError(f"no public keys in {clients}: copy each client's .key file there")
    authenticator = ThreadAuthenticator(socket.context)
    authenticator.start()
    authenticator.configure_curve(domain="*", location=str(clients))
    socket.curve_publickey, socket.curve_secretkey, socket.curve_server = public, private, True
    return authenticator


def secure_client(socket: zmq.Socket[bytes], address: str, secret: Path | None, server: Path | None) -> None:
    """Sets CURVE on a client socket. Raises `BridgeError` when `address` is remote and there are no keys."""
    if secret is None or server is None:
        if not is_local(address):
            raise BridgeError(f"{address} is another machine: give --key (yours, secret) and --server-key (its public)")
        return
    socket.curve_publickey, socket.curve_secretkey = _load(secret, need_secret=True)
    socket.curve_serverkey, _ = _load(server, need_secret=False)
