"""Opens the source that the settings ask for, and starts its game if needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from pathlib import Path

from capture.engine import EngineSource
from capture.frame import Kind
from capture.paced import RealTimeSource
from capture.played import PlayedSession
from capture.recording.photos import has_photos
from capture.ring import in_use
from capture.screen import RegionGrab, ScreenSource, parse_region, window_grab
from capture.session import SessionSource
from capture.source import FrameSource, Pacing
from capture.video.source import VideoSource
from engine_plugins.opengl.launch import prepare
from realmaster.config import CaptureGame, Live, Look, Play, Watching
from realmaster.errors import UserError
from realmaster.launch.children import Children

log = logging.getLogger(__name__)
GAMES = {"demo": "engine_plugins.demo_game", "vizdoom": "engine_plugins.vizdoom_game"}


def used(look: Look) -> frozenset[Kind]:
    """The kinds of buffers that rendering needs. Other buffers are read from the ring only if they are recorded."""
    ids = {Kind.OBJECT_ID} if look.keep or look.only else set[Kind]()
    guides = {Kind.NORMAL, Kind.DEPTH} if look.guides else set[Kind]()
    return frozenset({Kind.COLOR, Kind.SCENE_COLOR} | ids | guides)


def open_source(settings: Watching | Play, children: Children) -> FrameSource:
    """Opens the source of a live session.

    Args:
        settings: the settings of the command.
        children: starts the game if needed.

    Raises:
        UserError: the settings contradict each other, or the source cannot be opened.
    """
    if isinstance(settings, Play):
        return open_session(settings)
    kinds = used(settings.look) | {Kind[name.upper()] for name in settings.buffers}
    if isinstance(settings, CaptureGame):
        return _opengl(settings, kinds, children)
    assert isinstance(settings, Live)
    match settings.source:
        case "engine":
            return _engine(settings, kinds, children)
        case "screen":
            if settings.window is not None and settings.region is not None:
                raise UserError("give --window or --region, not both")
            if settings.window is not None:
                return ScreenSource(window_grab(settings.window), settings.max_fps)
            region = None if settings.region is None else parse_region(settings.region)
            return ScreenSource(RegionGrab(region), settings.max_fps)
        case "video":
            if settings.video is None:
                raise UserError("--source video needs --video FILE")
            source = VideoSource(settings.video)
            for note in source.notes:
                log.info("%s", note)
            return RealTimeSource(source)


def open_session(settings: Play) -> PlayedSession:
    """Opens a recorded session. Its recorded photoreal pictures are shown if there are any and no server is named."""
    session = SessionSource(settings.session, settings.start, settings.stop, used(settings.look))
    return PlayedSession(session, settings.server == "recorded" and has_photos(session.path))


def _engine(settings: Live, kinds: Collection[Kind], children: Children) -> FrameSource:
    """Starts one of our games, unless the settings say "none", and attaches to its ring."""
    if settings.game == "none":
        if not settings.ring:
            raise UserError("--game none attaches to a running game: give its --ring NAME")
        return EngineSource(settings.ring, settings.pacing, None, ends=False, kinds=kinds)
    ring = settings.ring or f"{settings.game}-{os.getpid()}"
    arguments = [GAMES[settings.game], "--ring", ring, "--fps", str(settings.max_fps)]
    if settings.game == "demo":
        arguments += ["--world", settings.world]
    children.module("game", [*arguments, *(["--framelocked"] if settings.pacing is Pacing.FRAMELOCKED else [])])
    return EngineSource(ring, settings.pacing, None, kinds=kinds)


def _opengl(settings: CaptureGame, kinds: Collection[Kind], children: Children) -> FrameSource:
    """Starts a game that has no RealMaster plugin. Raises `UserError` if another game uses its ring."""
    if not settings.command:
        raise UserError("say which game, after --: realmaster capture-game -- minetest --go")
    name = settings.name
    if in_use(name):
        raise UserError(f"another game publishes the ring {name} already: end it, or give this one its own --ring")
    launch = prepare(settings.command, name, locked=settings.pacing is Pacing.FRAMELOCKED, profile=settings.profile)
    children.program(Path(settings.command[0]).name, launch)
    # A launcher may close its ring before the game opens one, so `Program.over` ends the session instead.
    return EngineSource(name, settings.pacing, None, ends=False, kinds=kinds)
