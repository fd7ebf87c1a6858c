"""Decides who may use the page: checks token and origin, and limits the number and the time of connections.

The page shows what the user plays and can record it. So every request, except for `OPEN_PATHS`, must carry the token
that is part of the printed address. Web pages of other origins are refused, and so are frames around the page.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import secrets
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from realmaster.errors import UserError

MAX_CONNECTIONS = 64
"""The most open connections. When one more comes, the one that has been idle for longest is closed."""
IDLE_SECONDS = 10.0
"""How long a connection may stay open without a complete request, before its first one or between two."""
HANDLER_SECONDS = 10.0
"""How long an answer may take, if its reader is slow; WebSockets have heartbeats instead."""
LOOK_SECONDS = 1.0
"""How often idle connections are closed, and how long to wait when the process has no file handle left."""
OPEN_PATHS = "/static/", "/metrics"
"""Paths that need no token: the page's own files, and metrics, which hold no pictures and no names."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
                               "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def loopback(host: str) -> str:
    """Returns `host` if only this machine can reach it: `localhost`, or a loopback address (IPv6 may have brackets).

    Raises:
        UserError: it is another address, or not an address.
    """
    bare = host.removeprefix("[").removesuffix("]")
    if bare == "localhost":
        return bare
    try:
        address = ipaddress.ip_address(bare)
    except ValueError as error:
        raise UserError(f"--host {host} is not an address: the page needs a loopback one, such as 127.0.0.1") from error
    if not address.is_loopback or getattr(address, "scope_id", None):
        raise UserError(f"the preview page stays on loopback, not {host}: use an SSH tunnel to see it from elsewhere")
    return bare


def page_token() -> str:
    """The token in the page's address. It is kept in the user's state folder, so that an open page finds its way back
    after a restart; where that folder cannot be used safely, a new token holds for this run only."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser())
    path = home / "realmaster" / "page-token"
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        return _kept_token(path) or _new_token(path)
    except (OSError, RuntimeError, ValueError):  # no home, a read-only one, or a name that is taken by something else
        return secrets.token_urlsafe(24)


def _kept_token(path: Path) -> str:
    """The token in the file `path`; empty if the file is missing or anybody else could have read or written it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        private = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o077
        token = file.read(64).decode("ascii").strip() if private else ""
    if len(token) >= 32:
        return token
    path.unlink()
    return ""


def _new_token(path: Path) -> str:
    token = secrets.token_urlsafe(24)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token)
    return token


class Door:
    """Listens for the page's server, checks requests against `token`, and closes idle connections."""

    def __init__(self, token: str) -> None:
        self.token = token
        self._idle_until: dict[asyncio.Transport, float] = {}
        self._busy: set[asyncio.Transport] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def address(self, host: str, port: int, path: str = "/") -> str:
        """The address of `path` with the token, for a browser."""
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}?token={self.token}"

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses requests without the token or from other origins, and limits the time of the others."""
        transport = request.transport
        if transport is not None:
            self._busy.add(transport)
        try:
            if request.path == "/ws":
                self._admit(request)
                return await handler(request)
            async with asyncio.timeout(HANDLER_SECONDS):
                self._admit(request)
                return await handler(request)
        finally:
            if transport is not None:
                self._busy.discard(transport)
                self._idle_until[transport] = asyncio.get_running_loop().time() + IDLE_SECONDS

    def _admit(self, request: web.Request) -> None:
        host = urlsplit(f"//{request.host}").hostname or ""
        try:
            loopback(host)  # a tunnel may end at any port, but names of other machines are an attack on browsers
        except UserError as error:
            raise web.HTTPForbidden(text="the page answers to localhost only: use an SSH tunnel") from error
        origin = request.headers.get("Origin")
        if (origin is None and request.path == "/ws") or (
                origin is not None and urlsplit(origin).netloc != request.host):
            raise web.HTTPForbidden(text="the page talks to itself only")
        given = request.query.get("token", "")
        if not request.path.startswith(OPEN_PATHS) and not hmac.compare_digest(given.encode(), self.token.encode()):
            raise web.HTTPForbidden(text="open the whole address that RealMaster printed, with its token")

    @staticmethod
    async def harden(_: web.Request, response: web.StreamResponse) -> None:
        """Adds the headers that keep other pages from framing or reading this one."""
        response.headers.update(HEADERS)

    async def open(self, server: web.Server, host: str, port: int) -> int:
        """Listens on `host`, a loopback name. Returns the port. Raises `OSError` if the port is taken."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(MAX_CONNECTIONS)
        except OSError:
            listener.close()
            raise
        self._tasks = [loop.create_task(self._accept(listener, server)), loop.create_task(self._close_idle())]
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        """Stops listening. Open connections stay until the server ends them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError:  # no file handle is left, or the peer is gone already
                    self._drop_idle(limit=0)
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                self._drop_idle(limit=MAX_CONNECTIONS - 1)
                transport, _ = await loop.connect_accepted_socket(server, connection)
                self._idle_until[transport] = loop.time() + IDLE_SECONDS

    def _drop_idle(self, limit: int) -> None:
        """Closes the connections that are nearest to their deadline until at most `limit` are open."""
        self._forget_closed()
        idle = sorted(self._idle_until.keys() - self._busy, key=self._idle_until.__getitem__)
        for transport in idle[:max(0, len(self._idle_until) - limit)]:
            transport.abort()

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._forget_closed()
            now = asyncio.get_running_loop().time()
            for transport, until in self._idle_until.items():
                if until < now and transport not in self._busy:
                    transport.abort()

    def _forget_closed(self) -> None:
        self._idle_until = {t: until for t, until in self._idle_until.items() if not t.is_closing()}
        self._busy &= self._idle_until.keys()
