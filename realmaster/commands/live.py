"""`realmaster live`, `capture-game`, `record` and `play`: source, server, session, recording and page, together."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bridge.client import BridgeClient
from capture.engine import EngineSource
from capture.played import PlayedSession
from capture.source import Pacing
from realmaster.commands.render import render_settings
from realmaster.config import CaptureGame, Play, Record, Serve, Watching
from realmaster.errors import UserError
from realmaster.guides.regions import Regions
from realmaster.launch.children import Children
from realmaster.launch.session_folder import session_folder
from realmaster.launch.sources import open_source
from realmaster.outputs.page.server import Controls, Preview
from realmaster.outputs.recording import Recording
from realmaster.outputs.status import JsonLog, StatusLine
from realmaster.settings import as_toml
from realmaster.stream.session import Session
from realmaster.stream.sink import Sink
from realmaster.stream.stats import Stats

CHECK_SECONDS = 0.5


def run(settings: Watching | Play) -> int:
    """Runs until Ctrl-C, the end of the source, or `--seconds`."""
    stop, at_once = threading.Event(), threading.Event()

    def end(_number: int, _frame: object) -> None:
        (at_once if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(session_folder())
        (folder / "settings.toml").write_text(as_toml(settings))
        children = Children(folder)
        stack.callback(children.stop)
        recording = Recording(settings) if isinstance(settings, Watching) else None
        if recording is not None:
            stack.callback(recording.close)
        preview = Preview(settings.host, settings.port, render_settings(settings.look))
        stack.callback(preview.close)
        source = open_source(settings, children)
        played = source if isinstance(source, PlayedSession) else None
        shows_recorded = played is not None and played.photos is not None
        link = None if shows_recorded else _link(settings, folder, children)
        preview.controls = Controls(recording, played)
        sinks: list[Sink] = [preview, StatusLine(), *([recording] if recording else []),
                             *([JsonLog(settings.log_json)] if settings.log_json else [])]
        session = Session(source, link, sinks, lambda: preview.settings, max_fps=settings.max_fps,
                          pacing=settings.pacing if isinstance(settings, Watching) else Pacing.FREERUN,
                          tap=recording.tap if recording else lambda _: None,
                          taps_all=lambda: recording is not None and recording.active,
                          regions=Regions(settings.look.keep, settings.look.only), stays=played is not None,
                          recorded=lambda: played.photo if played else None,
                          drains=lambda: recording is not None and recording.active and not at_once.is_set())
        if played is not None:
            played.ready = lambda: preview.watched and (link is None or session.stats.server == "")
        if shows_recorded:
            session.stats.server, session.stats.model = "", "as it was recorded"
            print("showing the photoreal pictures that were recorded; --server auto renders anew")
        if recording is not None and isinstance(settings, Record):
            recording.start(settings.output)
        print(f"RealMaster is at {preview.address} (Ctrl-C stops it)", flush=True)
        stats = session.run(_stopper(settings, stop, children, session, recording))
    return _finish(settings, stats, recording)


def _finish(settings: Watching | Play, stats: Stats, recording: Recording | None) -> int:
    """Says what came of it. Exit status 1 if a game gave no picture, or what was to be recorded is not all there."""
    print(f"\nread {stats.read} frames, showed {stats.shown}; dropped: "
          f"{', '.join(f'{n} {cause}' for cause, n in sorted(stats.dropped.items())) or 'none'}")
    for line in stats.percentiles():
        print(line)
    if recording is not None and recording.summary():
        print(recording.summary())
    if isinstance(settings, CaptureGame) and not stats.read:
        raise UserError(stats.child or stats.source or "the game ended before its first picture could be read")
    return int(isinstance(settings, Record) and recording is not None and bool(recording.status.error))


def _stopper(settings: Watching | Play, stop: threading.Event, children: Children, session: Session,
             recording: Recording | None) -> Callable[[], bool]:
    """A check for `Session.run`, which also looks after the children and the recording."""
    started = time.monotonic()
    checked = started

    def stopped() -> bool:
        nonlocal checked
        now = time.monotonic()
        if now - checked > CHECK_SECONDS:
            checked = now
            children.check()
            session.stats.recording = recording.status if recording else None
            session.stats.child = children.explain(session.stats)
        failed = isinstance(settings, Record) and recording is not None and recording.failed
        over = children.over and not (isinstance(session.source, EngineSource) and session.source.finish())
        return failed or over or stop.is_set() or (settings.seconds > 0 and now - started > settings.seconds)

    return stopped


def _link(settings: Watching | Play, folder: Path, children: Children) -> BridgeClient | None:
    """The way to the server; starts one of ours if the settings say `auto`, or there is nothing `recorded` to show."""
    if settings.server == "none":
        return None
    if settings.server not in ("auto", "recorded"):
        return BridgeClient(settings.server, "live", settings.key, settings.server_key)
    if settings.key or settings.server_key:
        raise UserError("--key and --server-key are for a --server on another machine")
    address = f"ipc://{folder}/server"
    (folder / "serve.toml").write_text(as_toml(Serve(bind=address, model=settings.model)))
    children.module("server", ["realmaster", "serve", "--config", str(folder / "serve.toml")])
    return BridgeClient(address, "live")
