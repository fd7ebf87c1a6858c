"""Unmodified OpenGL games, each in a process of its own on a display of its own, through `realmaster capture-game`."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridge.contract import RenderSettings
from capture.errors import CaptureError, SourceEnded
from capture.frame import Flags, Kind
from capture.ring import ring_path
from capture.source import Pacing
from engine_plugins.opengl import launch
from engine_plugins.opengl.library import library
from realmaster.guides.interface import scene_of
from realmaster.guides.probe import examine
from realmaster.stream.link import LocalLink
from realmaster.stream.session import Session
from tests.fakes import Keep, TintBackend
from tests.foreign import (
    DEADLINE,
    FOREIGN,
    SIZE,
    captured,
    drive,
    environment,
    in_play,
    opened,
    played,
    read_until,
    whole,
)
from tests.peers import unread

pytest.importorskip("panda3d", reason="needs the panda3d extra")


@pytest.fixture(params=["stranger", "minetest"])
def running(request, tmp_path: Path, xvfb: str, ring_name: str) -> Iterator[str]:
    """A game that has been started; the title of its window."""
    with captured(FOREIGN[request.param], tmp_path, xvfb, ring_name, "--server", "none"):
        yield {"stranger": "Panda", "minetest": "Minetest"}[request.param]


@pytest.mark.parametrize("name", ["stranger", "minetest", "godot3-gles3",
                                  *(pytest.param(name, marks=pytest.mark.slow) for name in
                                    ("godot3-gles2", "openarena-opengl1", "openarena-opengl2", "etr"))])
def test_scene_depth_and_camera_come_out_of_a_game_that_knows_nothing(name, tmp_path, xvfb, ring_name):
    game = FOREIGN[name]
    with captured(game, tmp_path, xvfb, ring_name, "--server", "none"), opened(ring_name, Pacing.GENLOCKED) as source:
        frames = played(source, game, xvfb, 240)
    seen = examine(frames)
    assert not [finding.text for finding in seen.findings if finding.wrong]
    assert seen.figures["gain where the world stands still, dB"] > game.gain_db, seen.figures
    assert seen.figures["share of that"] > 0.3
    drawn = [(f.rgb != scene_of(f)[..., :3]).any(-1).mean() for f in frames]
    assert 0.0005 < np.mean(drawn) < 0.25, "there is an interface, and it is a small part of the picture"
    assert all(f.flags & Flags.HUD_IN_COLOR == 0 for f in frames)


@pytest.mark.parametrize("name", ["stranger", "minetest", pytest.param("godot3-gles2", marks=pytest.mark.slow),
                                  "godot3-gles3"])
def test_its_interface_stays_bit_for_bit_on_top_of_the_photograph(name, tmp_path, xvfb, ring_name):
    """The game, its ring, windows, renderer, stitching: the whole way."""
    keep = Keep()
    with (captured(FOREIGN[name], tmp_path, xvfb, ring_name, "--server", "none"),
          opened(ring_name, Pacing.GENLOCKED) as source):
        in_play(source, 10)
        session = Session(source, LocalLink(TintBackend()), [keep], RenderSettings, pacing=Pacing.GENLOCKED)
        session.run(lambda: len(keep.photos) > 20)
    photos = [shown for shown in keep.photos if whole(shown.frame)]
    assert len(photos) > 10
    for shown in photos:
        color, scene = (shown.frame.buffers[kind].data[..., :3] for kind in (Kind.COLOR, Kind.SCENE_COLOR))
        drawn = (color != scene).any(-1)
        assert drawn.any() and np.array_equal(shown.photo[drawn], color[drawn])
        assert not np.array_equal(shown.photo[~drawn], color[~drawn])


def test_nothing_is_read_back_while_nobody_looks(tmp_path, xvfb, ring_name):
    game = FOREIGN["stranger"]
    with captured(game, tmp_path, xvfb, ring_name, "--server", "none") as process, opened(ring_name) as source:
        in_play(source, 5)
        process.send_signal(signal.SIGSTOP)  # the session reads as well
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
        assert children.stdout.split(), "the game goes on"
        assert source.reader is not None
        assert unread(source.reader.file, 1_000_000_000) <= 3, "two readbacks in flight, and the frame being drawn"
        process.send_signal(signal.SIGCONT)
        in_play(source, 5)


def test_a_window_may_change_its_size(running, ring_name, xvfb):
    with opened(ring_name, patience=None) as source:
        assert in_play(source, 5)[0].size == SIZE
        drive(xvfb, "search", "--name", running, "windowsize", "720", "400")
        frames = read_until(source, lambda f: bool(f) and f[-1].size == (720, 400) and whole(f[-1]))
        assert any(f.flags & Flags.RESET for f in frames), "readers are told"


def test_a_game_in_the_background_comes_back(running, ring_name, xvfb):
    with opened(ring_name, patience=None) as source:
        in_play(source, 5)
        drive(xvfb, "search", "--name", running, "windowunmap")
        drive(xvfb, "search", "--name", running, "windowmap")
        in_play(source, 5)


def test_the_end_of_a_game_is_the_end_of_its_session(tmp_path, xvfb, ring_name):
    game = FOREIGN["stranger"]
    short = type(game)(game.name, "", lambda folder: [*game.command(folder), "60"], 0)
    with captured(short, tmp_path, xvfb, ring_name, "--server", "none") as process:
        out, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, out
    assert not ring_path(ring_name).exists()


def kill_game(session: subprocess.Popen[str]) -> None:
    subprocess.run(["pkill", "-KILL", "-P", str(session.pid), "-f", "stranger_game|minetest"], check=True)


@pytest.mark.parametrize("name", ["stranger", pytest.param("minetest", marks=pytest.mark.slow)])
def test_a_killed_game_is_told(name, tmp_path, xvfb, ring_name):
    with (captured(FOREIGN[name], tmp_path, xvfb, ring_name, "--server", "none") as process,
          opened(ring_name, patience=None) as source):
        in_play(source, 5)
        kill_game(process)
        out, _ = process.communicate(timeout=DEADLINE)
    assert "was ended by SIGKILL" in out and not ring_path(ring_name).exists()


@pytest.mark.parametrize("name", ["stranger", pytest.param("minetest", marks=pytest.mark.slow)])
def test_a_stale_ring_is_replaced(name, tmp_path, xvfb, ring_name):
    """As a game and a session that were both killed leave it."""
    (tmp_path / "one").mkdir()
    with captured(FOREIGN[name], tmp_path / "one", xvfb, ring_name, "--server", "none") as process:
        with opened(ring_name, patience=None) as source:
            first = in_play(source, 5)[-1]
        process.send_signal(signal.SIGSTOP)  # or it would clean up after the game
        kill_game(process)
        process.kill()
        process.wait()
    assert ring_path(ring_name).exists()
    with (captured(FOREIGN[name], tmp_path, xvfb, ring_name, "--server", "none"),
          opened(ring_name, patience=None) as source):
        read_until(source, lambda frames: bool(frames) and whole(frames[-1]) and
                   frames[-1].session_id != first.session_id)


def test_a_killed_reader_does_not_touch_the_game(running, ring_name):
    watcher = subprocess.Popen([sys.executable, "-m", "realmaster", "check-plugin", ring_name, "--seconds", "60"])
    with opened(ring_name) as source:
        before = in_play(source, 5)[-1]
        watcher.kill()
        watcher.wait()
        after = in_play(source, 30)[-1]
        assert after.frame_id > before.frame_id and after.session_id == before.session_id


def test_the_same_ring_is_not_used_twice(running, ring_name, tmp_path, xvfb):
    with opened(ring_name) as source:
        done = subprocess.run([sys.executable, "-m", "realmaster", "capture-game", "--server", "none", "--port", "0",
                               "--ring", ring_name, "--", *FOREIGN["stranger"].command(tmp_path)], capture_output=True,
                              text=True, env=environment(tmp_path, xvfb), timeout=60, check=False)
        assert done.returncode == 1 and "give this one its own --ring" in done.stderr
        assert ring_path(ring_name).exists()
        in_play(source, 5)


def test_a_locked_game_waits_for_its_reader(tmp_path, xvfb, ring_name):
    """No frame is lost, however slowly it is read; `record` reads so."""
    game = FOREIGN["stranger"]
    short = type(game)(game.name, "", lambda folder: [*game.command(folder), "40"], 0)
    surroundings = environment(tmp_path, xvfb)
    ready = launch.prepare(short.command(tmp_path), ring_name, locked=True)
    process = subprocess.Popen(ready.arguments, env={**surroundings, **ready.environment}, cwd=tmp_path)
    with opened(ring_name, Pacing.FRAMELOCKED) as source:
        numbers = []
        with pytest.raises(SourceEnded):
            while True:
                if (frame := source.read(5)) is not None:
                    numbers.append(frame.frame_id)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) > 30
    assert process.wait(20) == 0


@pytest.mark.parametrize(("make", "told"), [
    (lambda folder: ["no-such-game"], "no program here"), (lambda folder: [], "say which game"),
    (lambda folder: [str(copied(folder, "csgo_linux64"))], "is played online"),
    (lambda folder: [str(copied(folder, "racer", "EasyAntiCheat_x64.so"))], r"has an anti-cheat \(easyanticheat")])
def test_what_cannot_be_captured_is_said(make, told, tmp_path, ring_name):
    done = subprocess.run([sys.executable, "-m", "realmaster", "capture-game", "--server", "none", "--port", "0",
                           "--ring", ring_name, "--", *make(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(done.stderr)


def copied(folder: Path, name: str, *beside: str) -> Path:
    program = folder / name
    shutil.copy("/bin/true", program)
    for other in beside:
        (folder / other).touch()
    return program


def test_a_profile_is_read_strictly(tmp_path):
    good = tmp_path / "game.toml"
    good.write_text('programs = ["game"]\nmetres_per_unit = 0.5\n')
    assert launch.read_profile(good).metres_per_unit == 0.5
    good.write_text('programs = ["game"]\nmeters = 2\n')
    with pytest.raises(CaptureError, match="unknown field `meters`"):
        launch.read_profile(good)
    assert launch.profile_of(["env", "minetest"]).metres_per_unit == 0.1
    assert launch.profile_of(["other"]).metres_per_unit == 1


def test_without_a_compiler_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CaptureError, match="apt-get install gcc"):
        library()
