"""CURVE keys, which decide who may connect from other machines. Loopback and ipc need no keys.

`realmaster keys` makes two files in the format of `zmq.auth`: `NAME.key_secret` (mode 0600, never copied), and
`NAME.key` (public, copied to the other machine).

CURVE: https://rfc.zeromq.org/spec/26/, ZAP: https://rfc.zeromq.org/spec/27/.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import time
from pathlib import Path

import zmq
from zmq.utils import z85

from bridge.address import Address
from bridge.errors import BridgeError

log = logging.getLogger(__name__)
PAIR_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
ZAP = "inproc://zeromq.zap.01"
MAX_FILE = 4096
"""The most bytes of a key file that are read. A key file has about 200."""
LOOK_SECONDS = 0.5
"""How often the folder of public keys is checked for changes. It is also checked when somebody connects."""
_LINE = re.compile(rb'^\s*(public|secret)-key\s*=\s*"([0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40})"', re.MULTILINE)


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """Makes a new key pair.

    Nobody else can read the secret key at any moment: its file is created with mode 0600, and never through a link.

    Args:
        folder: where the files are written; it is made if needed.
        name: the name of the pair.

    Returns:
        The public and the secret file.

    Raises:
        BridgeError: the name is not valid, a file exists already, or the files cannot be written.
    """
    if not PAIR_NAME.fullmatch(name):
        raise BridgeError(f"{name!r}: name the pair with up to 64 letters, digits, '-', '_' or '.'")
    public, secret = zmq.curve_keypair()
    files = folder / f"{name}.key", folder / f"{name}.key_secret"
    half = f'metadata\ncurve\n    public-key = "{public.decode()}"\n'
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(files[1], f'{half}    secret-key = "{secret.decode()}"\n', 0o600)
        try:
            _create(files[0], half, 0o644)
        except OSError:
            files[1].unlink()
            raise
    except FileExistsError as error:
        raise BridgeError(f"{error.filename} exists already: choose another name, or remove it yourself") from error
    except OSError as error:
        raise BridgeError(f"cannot write keys to {folder}: {error.strerror}; give another --folder") from error
    if folder.stat().st_mode & 0o022:
        log.warning("others can write to %s, so they can replace your keys: chmod 700 it", folder)
    return files


def _create(path: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "w") as file:
        file.write(text)


def _read(path: Path) -> dict[str, bytes]:
    """The keys in a file by "public" and, if there, "secret", in Z85. Raises `BridgeError` if it holds none."""
    try:
        # O_NONBLOCK: a pipe with that name must not block us.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            facts = os.fstat(file.fileno())
            text = file.read(MAX_FILE) if stat.S_ISREG(facts.st_mode) else b""
    except OSError as error:
        raise BridgeError(f"cannot read the key file {path}: {error.strerror}") from error
    keys = {which.decode(): key for which, key in _LINE.findall(text)}
    if "public" not in keys:
        raise BridgeError(f"{path} is not a key file: make one with `realmaster keys`")
    if "secret" in keys and not _belong(keys["public"], keys["secret"]):
        raise BridgeError(f"the halves of {path} do not belong together: make a new pair with `realmaster keys`")
    if "secret" in keys and facts.st_mode & 0o077:
        log.warning("others can read the secret key in %s: chmod 600 it", path)
    return keys


def _belong(public: bytes, secret: bytes) -> bool:
    try:
        return zmq.curve_public(secret) == public
    except zmq.ZMQError:
        return False


def _read_secret(path: Path) -> tuple[bytes, bytes]:
    keys = _read(path)
    if "secret" not in keys:
        raise BridgeError(f"{path} is a public key; the .key_secret file is needed here")
    return keys["public"], keys["secret"]


class Friends:
    """The public keys of the clients that may connect: one for each `.key` file in a folder.

    Changes in the folder take effect at the next `refresh`. A file that holds no key is reported once and skipped.

    Raises:
        BridgeError: the folder holds no key at all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: object = None
        self._keys = frozenset[bytes]()
        self.refresh()
        if not self._keys:
            raise BridgeError(f"no public keys in {folder}: copy each client's .key file there")

    def __contains__(self, key: bytes) -> bool:
        """Whether `key`, in Z85, was in the folder at the last `refresh`."""
        return key in self._keys

    def refresh(self) -> bool:
        """Reads the folder again if a file in it has changed. Returns whether the keys have changed."""
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen, before = seen, self._keys
        keys: set[bytes] = set()
        for path in sorted(seen or ()):
            try:
                keys.add(_read(Path(path))["public"])
            except BridgeError as error:
                log.warning("skipped: %s", error)
        self._keys = frozenset(keys)
        if before != self._keys:
            log.info("%d clients may connect, by the keys in %s", len(keys), self.folder)
        return before != self._keys

    def _look(self) -> dict[str, tuple[int, ...]] | None:
        """Inode, time in ns and size of each key file, by its path; None if the folder cannot be read."""
        try:
            files = [entry for entry in os.scandir(self.folder) if entry.name.endswith(".key")]
        except OSError as error:
            log.warning("nobody may connect: cannot read %s: %s", self.folder, error.strerror)
            return None
        seen: dict[str, tuple[int, ...]] = {}
        for entry in files:
            with contextlib.suppress(OSError):  # it was removed meanwhile, or is a broken link
                facts = entry.stat()
                seen[entry.path] = facts.st_ino, facts.st_mtime_ns, facts.st_size
        return seen


class Door:
    """Decides who may connect: answers ZeroMQ's authentication requests (ZAP). Used from one thread.

    Args:
        context: the server's ZeroMQ context.
        secret: the file with the server's secret key.
        clients: the folder with the clients' public keys.

    Raises:
        BridgeError: a key cannot be read, or there is none.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], secret: Path, clients: Path) -> None:
        self._public, self._secret = _read_secret(secret)
        self.friends = Friends(clients)
        self._due, self._changed = 0.0, False
        self.questions: zmq.Socket[bytes] = context.socket(zmq.REP)
        self.questions.linger = 0
        self.questions.bind(ZAP)

    def guard(self, socket: zmq.Socket[bytes]) -> None:
        """Turns CURVE on for a server's socket. Call it before the socket is bound."""
        socket.curve_publickey, socket.curve_secretkey, socket.curve_server = self._public, self._secret, True

    def look(self) -> bool:
        """Checks the folder of keys every `LOOK_SECONDS`. Returns whether the keys have changed since the last call."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + LOOK_SECONDS
            self._changed |= self.friends.refresh()
        changed, self._changed = self._changed, False
        return changed

    def answer(self) -> None:
        """Answers one authentication request. Call it when `questions` can be read."""
        _, request, _, _, _, mechanism, *credentials = self.questions.recv_multipart()
        self._changed |= self.friends.refresh()
        key = z85.encode(credentials[0]) if mechanism == b"CURVE" else b""
        code, text = (b"200", b"OK") if key in self.friends else (b"400", b"unknown key")
        self.questions.send_multipart([b"1.0", request, code, text, key if code == b"200" else b"", b""])


def open_door(context: zmq.Context[zmq.Socket[bytes]], address: Address, secret: Path | None,
              clients: Path | None) -> Door | None:
    """Makes the door of a server.

    Args:
        context: the server's ZeroMQ context.
        address: where the server listens.
        secret: the file with the server's secret key, if there is one.
        clients: the folder with the clients' public keys, if there is one.

    Returns:
        The door; None for a server without keys, which only this machine can reach.

    Raises:
        BridgeError: only one of `secret` and `clients` is given, or neither and other machines can reach `address`.
    """
    if secret is not None and clients is not None:
        return Door(context, secret, clients)
    if secret is not None or clients is not None:
        raise BridgeError("--key and --clients belong together: give both, or neither for this machine alone")
    if not address.local:
        raise BridgeError(f"{address.endpoint} can be reached from other machines: give --key and --clients "
                          "(make keys with `realmaster keys`), or bind tcp://127.0.0.1:PORT")
    return None


def secure_client(socket: zmq.Socket[bytes], address: Address, secret: Path | None, server: Path | None) -> None:
    """Turns CURVE on for a client's socket, if there are keys.

    Args:
        socket: the socket, not connected yet.
        address: the server's address.
        secret: the file with the client's secret key, if there is one.
        server: the file with the server's public key, if there is one.

    Raises:
        BridgeError: only one of the files is given, or neither and `address` is on another machine.
    """
    if secret is not None and server is not None:
        socket.curve_publickey, socket.curve_secretkey = _read_secret(secret)
        socket.curve_serverkey = _read(server)["public"]
    elif secret is not None or server is not None:
        raise BridgeError("--key and --server-key belong together: give both, or neither for this machine alone")
    elif not address.local:
        raise BridgeError(f"{address.endpoint} is another machine: give --key (yours, secret) and --server-key (its "
                          "public)")
