"""Serves the page and streams frame pairs to it over WebSockets, from a thread of its own.

Each viewer has one credit: it gets the newest pair when it asks for the next, so a slow one sees
fewer frames and nothing else slows down. Pairs are encoded here, once for all viewers that want them.

Message to the page, binary: u32 little-endian length of a JSON header, the header
(`id`, `game` = bytes of the first picture), the game's JPEG, the photoreal JPEG (may be empty).
Text both ways is JSON: status to the page; `{"next": true}`, `{"strength": 0.5}`, `{"steps": 2}`,
`{"record": true}` (begin or end), `{"save": true}` (the last seconds), `{"seek": 12.5}` from it.
`/metrics` tells the same in Prometheus' text format.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from aiohttp import WSMsgType, web
from msgspec.structs import replace
from numpy.typing import NDArray
from prometheus_client import CONTENT_TYPE_LATEST

from bridge.contract import MAX_PROMPT, RenderSettings
from capture.frame import Kind
from capture.played import PlayedSession
from realmaster.errors import UserError
from realmaster.guides.pictures import fit
from realmaster.outputs.page.door import Door, loopback, page_token
from realmaster.outputs.page.metrics import metrics_text
from realmaster.outputs.recording import Recording
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats
from supervise.worker import LOOK_SECONDS, Worker

WEB = Path(__file__).parent / "web"
JPEG_QUALITY = 88
MAX_WIDTH = 1280
"""Game frames wider than this are scaled down for the page."""
MAX_VIEWERS = 8
MAX_SAID = 16384
"""The most bytes in a message from the page."""
STATUS_SECONDS = 0.5
CLOSE_SECONDS = 5.0


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encodes a picture, (H, W, 3) u8 RGB or (H, W, 4) u8 RGBA, as JPEG."""
    if image.shape[1] > MAX_WIDTH:
        image = fit(image, MAX_WIDTH, round(image.shape[0] * MAX_WIDTH / image.shape[1]))
    bgr = cv2.cvtColor(image, cv2.COLOR_RGBA2BGR if image.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes() if ok else b""


def encode_pair(number: int, shown: Shown) -> bytes:
    """Encodes a frame as one binary message for the page."""
    game = _jpeg(shown.frame.buffers[Kind.COLOR].data)
    photo = b"" if shown.photo is None else _jpeg(shown.photo)
    header = json.dumps({"id": number, "game": len(game)}).encode()
    return struct.pack("<I", len(header)) + header + game + photo


@dataclass(frozen=True)
class Controls:
    """What the page controls: a recording and a played session. Each is None if there is none."""

    recording: Recording | None = None
    playing: PlayedSession | None = None

    def facts(self) -> dict[str, object]:
        """What the page needs to show its controls: length and position in seconds, if a session is played."""
        return {"length": self.playing.seconds, "position": self.playing.position} if self.playing else {}

    def obey(self, said: dict[str, object]) -> None:
        """Carries out a message from the page."""
        if self.recording is not None and said.get("record") is True:
            self.recording.toggle()
        if self.recording is not None and said.get("save") is True:
            self.recording.save_replay()
        seconds = said.get("seek")
        if self.playing is not None and isinstance(seconds, int | float) and 0 <= seconds <= self.playing.seconds:
            self.playing.seek(float(seconds))


class Preview:
    """A `Sink` that shows the stream on a page of its own; holds one pair, the newest."""

    def __init__(self, host: str, port: int, settings: RenderSettings) -> None:
        self.host, self.port = loopback(host), port
        self._door = Door(page_token())
        self.settings, self.controls = settings, Controls()
        self._latest: tuple[int, Shown] | None = None
        self._stats, self._status = Stats(), dict[str, object]()
        self._encoded: tuple[int, bytes] = (-1, b"")
        self._number = 0
        self._viewers: set[web.WebSocketResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._fresh: asyncio.Event = asyncio.Event()
        self._started: threading.Event = threading.Event()
        self._error: OSError | None = None
        self._worker = Worker("page", self._serve)
        while self._worker.alive and not self._started.wait(LOOK_SECONDS):
            pass  # bound: it starts, or fails
        if self._worker.failure is not None:
            raise self._worker.failure
        if self._error is not None:
            raise UserError(f"cannot serve the page on {host}:{port} ({self._error.strerror}): "
                            "give another --port, or 0 for any free one")

    @property
    def address(self) -> str:
        """Where the page is: a URL with the token that lets its reader in."""
        return self._door.address(self.host, self.port)

    @property
    def watched(self) -> bool:
        """Whether anybody looks at the page."""
        return bool(self._viewers)

    # Called by the session's thread.

    def show(self, shown: Shown, stats: Stats) -> None:
        """See `Sink.show`: replaces the newest pair and wakes the viewers."""
        self._number += 1
        self._latest = self._number, shown
        self.update(stats)

    def update(self, stats: Stats) -> None:
        """See `Told.update`: tells the viewers."""
        self._stats, self._status = stats, stats.snapshot(time.monotonic())
        if self._worker.alive:
            self._loop.call_soon_threadsafe(self._fresh.set)

    def close(self) -> None:
        """See `Sink.close`: says goodbye to the viewers and stops the thread."""
        if self._worker.alive:
            asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop)
            self._worker.join(CLOSE_SECONDS)

    # The page's thread.

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except OSError as error:
            self._error = error
            return
        finally:
            self._started.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._door.check])
        app.on_response_prepare.append(self._door.harden)
        app.router.add_get("/", self._index)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_static("/static", WEB)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        assert self._runner.server is not None
        self.port = await self._door.open(self._runner.server, self.host, self.port)  # the real one, if 0 was asked for

    async def _index(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "index.html", headers={"Cache-Control": "no-store"})

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        body = metrics_text(self._stats, time.monotonic())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._viewers) >= MAX_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_VIEWERS} viewers are watching already")
        socket = web.WebSocketResponse(max_msg_size=MAX_SAID, heartbeat=5, compress=False)
        await socket.prepare(request)
        self._viewers.add(socket)
        wanted = asyncio.Event()
        sender = asyncio.ensure_future(self._send(socket, wanted))
        try:
            async for text in socket:
                if text.type is WSMsgType.TEXT:
                    self._hear(text.data, wanted)
        finally:
            self._viewers.discard(socket)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sender
        return socket

    async def _send(self, socket: web.WebSocketResponse, wanted: asyncio.Event) -> None:
        """Sends the newest pair whenever the viewer wants one, and the status twice a second."""
        sent, told = 0, 0.0
        while True:
            if self._loop.time() - told > STATUS_SECONDS and self._status:
                told = self._loop.time()
                settings = {"strength": self.settings.strength, "steps": self.settings.steps,
                            "prompt": self.settings.prompt}
                await socket.send_str(json.dumps({"status": self._status, "settings": settings,
                                                  "controls": self.controls.facts()}))
            if wanted.is_set() and self._latest is not None and self._latest[0] != sent:
                wanted.clear()
                sent = self._latest[0]
                await socket.send_bytes(await self._pair())
                continue
            self._fresh.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._fresh.wait(), 0.1)

    async def _pair(self) -> bytes:
        assert self._latest is not None
        number, shown = self._latest
        if self._encoded[0] != number:
            self._encoded = number, await self._loop.run_in_executor(None, encode_pair, number, shown)
        return self._encoded[1]

    def _hear(self, text: str, wanted: asyncio.Event) -> None:
        """What a viewer asks for; anything else is ignored."""
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):  # not JSON, or nested without end
            return
        if not isinstance(said, dict):
            return
        if said.get("next"):
            wanted.set()
            self._fresh.set()
        self.controls.obey(said)
        strength, steps = said.get("strength"), said.get("steps")
        if isinstance(strength, int | float) and 0 <= strength <= 1:
            self.settings = replace(self.settings, strength=float(strength))
        if isinstance(steps, int) and not isinstance(steps, bool) and 1 <= steps <= 8:
            self.settings = replace(self.settings, steps=steps)
        if isinstance(prompt := said.get("prompt"), str) and self._stats.prompts:
            self.settings = replace(self.settings, prompt=prompt[:MAX_PROMPT])

    async def _shut_down(self) -> None:
        await self._door.close()
        for socket in list(self._viewers):
            await socket.close()
        await self._runner.cleanup()
        self._loop.stop()
