"""`realmaster live`: source, server, session and page, together."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bridge.client import BridgeClient
from capture.engine import EngineSource
from capture.errors import CaptureError
from capture.frame import Kind
from capture.paced import RealTimeSource
from capture.screen import ScreenSource, parse_region, window_region
from capture.source import FrameSource, Pacing
from capture.video import VideoSource
from realmaster.commands.render import render_settings
from realmaster.config import Live, as_toml
from realmaster.errors import UserError
from realmaster.launch import Child
from realmaster.preview.server import Preview
from realmaster.session import Session
from realmaster.sinks import StatusLine

log = logging.getLogger(__name__)
GAMES = {"demo": "engine_plugins.demo_game", "vizdoom": "engine_plugins.vizdoom_game"}
GAME_START_SECONDS = 30.0
USED = {Kind.COLOR}
"""Buffers that the session needs; the rest stays in the ring."""
CHECK_SECONDS = 0.5


def run(settings: Live) -> int:
    """Runs until Ctrl-C, the end of the source, or `--seconds`."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="realmaster-")))
        (folder / "settings.toml").write_text(as_toml(settings))
        children: list[Child] = []
        preview = Preview(settings.host, settings.port, render_settings(settings.look))
        stack.callback(preview.close)
        print(f"RealMaster is at {preview.address} (Ctrl-C stops it)", flush=True)
        address = _server(settings, folder, children, stack)
        try:
            source = _open_source(settings, folder, children, stack, stop)
        except CaptureError:
            if stop.is_set():
                return 0
            raise
        link = BridgeClient(address, "live", settings.key, settings.server_key)
        session = Session(source, link, [preview, StatusLine()], lambda: preview.settings,
                          pacing=settings.pacing, max_fps=settings.max_fps)
        stats = session.run(_stopper(settings, stop, children, session, preview))
    print(f"\nread {stats.read} frames, showed {stats.shown}; dropped: "
          f"{', '.join(f'{n} {cause}' for cause, n in sorted(stats.dropped.items())) or 'none'}")
    return 0


def _stopper(settings: Live, stop: threading.Event, children: list[Child], session: Session,
             preview: Preview) -> Callable[[], bool]:
    """A check for `Session.run`, which also looks after the children and keeps the page informed."""
    started = time.monotonic()
    checked = started

    def stopped() -> bool:
        nonlocal checked
        now = time.monotonic()
        if now - checked > CHECK_SECONDS:
            checked = now
            preview.update(session.stats)
            for child in children:
                child.check()
        return stop.is_set() or (settings.seconds > 0 and now - started > settings.seconds)

    return stopped


def _server(settings: Live, folder: Path, children: list[Child], stack: contextlib.ExitStack) -> str:
    """The server's address; starts one of ours if the settings say `auto`."""
    if settings.server != "auto":
        return settings.server
    address = f"ipc://{folder}/server"
    model = settings.model
    child = Child("server", ["realmaster", "serve", "--bind", address, "--model", model.model, "--backend",
                             model.backend, "--threads", str(model.threads), "--overlap", str(model.overlap)], folder)
    children.append(child)
    stack.callback(child.stop)
    return address


def _open_source(settings: Live, folder: Path, children: list[Child], stack: contextlib.ExitStack,
                 stop: threading.Event) -> FrameSource:
    match settings.source:
        case "engine":
            return _engine(settings, folder, children, stack, stop)
        case "screen":
            region = window_region(settings.window) if settings.window else (
                parse_region(settings.region) if settings.region else None)
            return ScreenSource(region, settings.max_fps)
        case "video":
            if settings.video is None:
                raise UserError("--source video needs --video FILE")
            return RealTimeSource(VideoSource(settings.video))


def _engine(settings: Live, folder: Path, children: list[Child], stack: contextlib.ExitStack,
            stop: threading.Event) -> FrameSource:
    """Attaches to a game, which is started first unless it runs already."""
    if settings.game == "none":
        if not settings.ring:
            raise UserError("--game none attaches to a running game: give its --ring NAME")
        return EngineSource(settings.ring, settings.pacing, kinds=USED)
    ring = settings.ring or f"{settings.game}-{os.getpid()}"
    arguments = [GAMES[settings.game], "--ring", ring, "--fps", str(settings.max_fps)]
    child = Child("game", [*arguments, *(["--framelocked"] if settings.pacing is Pacing.FRAMELOCKED else [])], folder)
    children.append(child)
    stack.callback(child.stop)

    def give_up() -> bool:
        child.check()
        return stop.is_set()

    return EngineSource(ring, settings.pacing, GAME_START_SECONDS, give_up, USED)
