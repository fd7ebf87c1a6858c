"""Games that know nothing of RealMaster, ready to be started for tests: their command lines and their worlds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.frame import Frame, Kind
from capture.source import Pacing

SIZE = 640, 360
DEADLINE = 90.0


@dataclass(frozen=True)
class Foreign:
    """A game: `command` makes what it needs in a folder and returns its command line."""

    name: str
    package: str
    command: Callable[[Path], list[str]]
    gain_db: float
    """By how many decibels warping must help, at least, where its world stands still."""
    keys: tuple[str, ...] = ()
    """What to press, one after the other, to come through its menus."""


def _stranger(_: Path) -> list[str]:
    return [sys.executable, "-m", "tests.stranger_game"]


def _minetest(folder: Path) -> list[str]:
    """A player who is flown along a circle."""
    mod = folder / "world" / "worldmods" / "flight"
    mod.mkdir(parents=True)
    (mod / "mod.conf").write_text("name = flight\n")
    (mod / "init.lua").write_text((Path(__file__).parent / "foreign_flight.lua").read_text())
    (folder / "world" / "world.mt").write_text("".join(f"{line}\n" for line in (
        "gameid = minetest", "backend = sqlite3", "player_backend = sqlite3", "auth_backend = sqlite3",
        "mod_storage_backend = sqlite3")))
    settings = {"screen_w": SIZE[0], "screen_h": SIZE[1], "fullscreen": "false", "enable_sound": "false",
                "fps_max": 200, "fps_max_unfocused": 200, "mg_name": "v7", "fixed_map_seed": 42,
                "static_spawnpoint": "-256,4,-128", "time_speed": 0, "world_start_time": 12000, "viewing_range": 60,
                "mip_map": "true", "trilinear_filter": "true", "leaves_style": "opaque", "enable_clouds": "false"}
    (folder / "minetest.conf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
    return ["minetest", "--config", str(folder / "minetest.conf"), "--world", str(folder / "world"), "--go",
            "--name", "player"]


def _openarena(renderer: str) -> Callable[[Path], list[str]]:
    settings = {"com_hunkMegs": 512, "r_fullscreen": 0, "r_mode": -1, "r_customwidth": SIZE[0],
                "r_customheight": SIZE[1], "s_initsound": 0, "com_maxfps": 25, "in_nograb": 1, "r_swapInterval": 0,
                "cl_renderer": renderer}
    return lambda _: ["openarena", *(word for k, v in settings.items() for word in ("+set", k, str(v))),
                      "+demo", "demo088-test1"]


def _godot(driver: str) -> Callable[[Path], list[str]]:
    """The example of the add-on for Godot 3, without the add-on."""
    def command(folder: Path) -> list[str]:
        example = Path(__file__).parents[1] / "engine_plugins" / "godot3" / "example"
        (folder / "game").mkdir()
        for name in ("main.gd", "main.tscn"):
            shutil.copy(example / name, folder / "game")
        (folder / "game" / "project.godot").write_text(
            'config_version=4\n[application]\nrun/main_scene="res://main.tscn"\n'
            f"[display]\nwindow/size/width={SIZE[0]}\nwindow/size/height={SIZE[1]}\n")
        return ["godot3", "--path", str(folder / "game"), "--video-driver", driver, "--audio-driver", "Dummy"]
    return command


FOREIGN = {game.name: game for game in (
    Foreign("stranger", "", _stranger, 10),
    Foreign("minetest", "minetest", _minetest, 7),
    Foreign("godot3-gles2", "godot3", _godot("GLES2"), 4),
    Foreign("godot3-gles3", "godot3", _godot("GLES3"), 4),
    Foreign("openarena-opengl1", "openarena", _openarena("opengl1"), 8),
    Foreign("openarena-opengl2", "openarena", _openarena("opengl2"), 8),
    Foreign("etr", "extremetuxracer", lambda _: ["etr"], 3, ("Return",) * 6))}


def environment(folder: Path, display: str) -> dict[str, str]:
    """A home of its own, software rendering, no sound; Debian's games on the path."""
    return {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "DISPLAY": display,
            "LIBGL_ALWAYS_SOFTWARE": "1", "SDL_AUDIODRIVER": "dummy", "ALSOFT_DRIVERS": "null",
            "PATH": f"{os.environ['PATH']}:/usr/games", "PYTHONPATH": str(Path(__file__).parent.parent)}


@contextmanager
def captured(game: Foreign, folder: Path, display: str, ring: str, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """The game under `realmaster capture-game`, for as long as the block takes."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    surroundings = environment(folder, display)
    command = game.command(folder)
    if shutil.which(command[0], path=surroundings["PATH"]) is None:
        pytest.skip(f"needs {game.name}: apt-get install {game.package}")
    process = subprocess.Popen(
        [sys.executable, "-m", "realmaster", "capture-game", "--port", "0", "--ring", ring, *flags, "--", *command],
        env=surroundings, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)  # a test may have stopped it
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def opened(ring: str, pacing: Pacing = Pacing.FREERUN, patience: float | None = DEADLINE) -> Iterator[EngineSource]:
    """The ring's source, closed whatever happens."""
    with closing(EngineSource(ring, pacing, patience)) as source:
        yield source


def read_until(source: EngineSource, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
    """Frames until there are enough; fails after `DEADLINE` seconds."""
    frames: list[Frame] = []
    until = time.monotonic() + DEADLINE
    while not enough(frames):
        assert time.monotonic() < until, f"{len(frames)} frames: {source.trouble}"
        if (frame := source.read(0.5)) is not None:
            frames.append(frame)
    return frames


def whole(frame: Frame) -> bool:
    """Whether the scene is known, and something is in it."""
    if frame.camera is None or not {Kind.DEPTH, Kind.SCENE_COLOR} <= frame.buffers.keys():
        return False
    depth = frame.buffers[Kind.DEPTH].data
    return float(np.median(depth)) < 0.8 * float(depth.max())  # a hillside without any sky has 0.6


def in_play(source: EngineSource, count: int = 60) -> list[Frame]:
    """The last `count` frames in a row in which all of the scene is there: menus and loading are over."""
    def enough(frames: list[Frame]) -> bool:
        return len(frames) >= count and all(whole(f) for f in frames[-count:])

    return read_until(source, enough)[-count:]


def played(source: EngineSource, game: Foreign, display: str, count: int) -> list[Frame]:
    """Comes through the game's menus, then as `in_play`."""
    for key in game.keys:
        read_until(source, lambda frames: len(frames) > 40)
        drive(display, "search", "--onlyvisible", "--name", ".", "windowfocus", "key", key)
    return in_play(source, count)


def drive(display: str, *words: str) -> None:
    """Keys and windows by xdotool."""
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool: apt-get install xdotool")
    subprocess.run(["xdotool", *words], env={**os.environ, "DISPLAY": display}, check=True, stdout=subprocess.DEVNULL)
