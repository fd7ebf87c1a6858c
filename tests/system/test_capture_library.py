"""The library that is loaded into OpenGL games, in a small game in C that does one odd thing at a time."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from capture.frame import Flags, Frame, Kind
from capture.source import Pacing
from engine_plugins.opengl.library import build
from tests.foreign import environment, opened, read_until

SOURCES = Path(__file__).parents[1] / "gl"
WHOLE = {Kind.COLOR, Kind.SCENE_COLOR, Kind.DEPTH}
HEADERS = "GL/glx.h", "EGL/egl.h", "X11/Xlib.h"
EYE_HEIGHT, LENS = 1.7, 1.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The game, the overlays, the library."""
    if shutil.which("cc") is None or not all(Path("/usr/include", name).exists() for name in HEADERS):
        pytest.skip("needs OpenGL's headers: apt-get install gcc libc6-dev libgl-dev libegl-dev libx11-dev")
    where = tmp_path_factory.mktemp("gl")
    subprocess.run(["cc", "-O1", "-o", where / "game", SOURCES / "game.c", "-lGL", "-lEGL", "-lX11", "-lpthread", "-lm",
                    "-ldl"], check=True)
    for way in range(3):
        subprocess.run(["cc", "-shared", "-fPIC", f"-DWAY={way}", "-o", where / f"overlay{way}.so",
                        SOURCES / "overlay.c", "-ldl"], check=True)
    build(where).rename(where / "ours.so")
    return where


@contextmanager
def running(folder: Path, display: str, ring: str, *command: str, preload: str = "ours.so",
            **more: str) -> Iterator[subprocess.Popen[str]]:
    """A program with libraries loaded into it."""
    libraries = ":".join(str(folder / name) for name in preload.split())
    process = subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={
        **environment(folder, display), "LD_PRELOAD": libraries, "REALMASTER_RING": ring, **more})
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def game(folder: Path, display: str, ring: str, way: str, frames: int = 0, **more: str,
         ) -> AbstractContextManager[subprocess.Popen[str]]:
    """Our game, which waits for its reader. It ends by itself if OpenGL has found an error that is not its own."""
    return running(folder, display, ring, str(folder / "game"), way, str(frames), REALMASTER_LOCKED="1", **more)


def first(ring: str, count: int = 12, skip: int = 2, pacing: Pacing = Pacing.FRAMELOCKED) -> list[Frame]:
    """Frames in a row, after those in which the scene is not known yet."""
    with opened(ring, pacing) as source:
        return read_until(source, lambda frames: len(frames) >= count + skip)[skip:]


def check(frames: list[Frame]) -> None:
    """Camera and depth are the game's own: the floor lies where the eye's height says, 50 rows up."""
    for frame in frames:
        assert set(frame.buffers) == WHOLE and frame.camera is not None and not frame.flags & Flags.HUD_IN_COLOR
        lens, seen = frame.camera.projection, frame.camera.view
        assert lens[1, 1] == pytest.approx(LENS, abs=1e-3) and lens[0, 0] == pytest.approx(LENS * 360 / 640, abs=1e-3)
        assert np.allclose(seen[:3, 3], (0, -EYE_HEIGHT, -6), atol=1e-2)
        floor = LENS * EYE_HEIGHT / (1 - 2 * 49.5 / 360 - lens[1, 2])
        assert np.median(frame.buffers[Kind.DEPTH].data[-50]) == pytest.approx(floor, rel=0.02)
        scene, color = (frame.buffers[kind].data[..., :3] for kind in (Kind.SCENE_COLOR, Kind.COLOR))
        drawn = (scene != color).any(-1)
        assert 0 < drawn.mean() < 0.25 and (color[drawn] == (255, 255, 0)).all(), "the interface, and nothing else"


WAYS = ("plain", "dlsym", "es", "damage", "once", "windows", "thread", "none", "samples", "late", "offset", "flats",
        "fork")


@pytest.mark.parametrize("way", WAYS)
def test_depth_camera_and_interface_are_right(way, folder, xvfb, ring_name):
    """And the game finds no OpenGL error but its own, which it finds each time."""
    with game(folder, xvfb, ring_name, way) as process:
        frames = first(ring_name, skip=60 if way == "late" else 2)
        check(frames)
        assert len({frame.session_id for frame in frames}) == 1, "one ring"
        assert sum(bool(frame.flags & Flags.RESET) for frame in frames) <= 1
        assert process.poll() is None


def test_an_offset_of_the_viewport_is_in_the_projection(folder, xvfb, ring_name):
    with game(folder, xvfb, ring_name, "offset"):
        frame = first(ring_name)[-1]
    assert frame.camera is not None
    assert frame.camera.projection[1, 2] == pytest.approx(-2 * 28 / 360, abs=1e-4)


def test_no_more_is_read_back_than_the_reader_takes(folder, xvfb, ring_name):
    """And each frame's previous camera is that of the frame handed over before, however many were drawn between."""
    period = 0.2
    with running(folder, xvfb, ring_name, str(folder / "game"), "plain", "0"), opened(ring_name) as source:
        source.period = period
        frames = read_until(source, lambda frames: len(frames) >= 16)[4:]
    span = (frames[-1].t_capture_ns - frames[0].t_capture_ns) * 1e-9
    assert span > (len(frames) - 3) * period
    assert frames[-1].frame_id - frames[0].frame_id > len(frames)
    for before, now in itertools.pairwise(frames):
        assert before.camera is not None and now.camera is not None
        assert np.array_equal(now.camera.previous_view, before.camera.view)


@pytest.mark.parametrize("way", ["split", "nodepth"])
def test_what_is_not_the_pictures_own_is_absent(way, folder, xvfb, ring_name):
    """Two players' views; a world without depth, over which flat things are drawn."""
    with game(folder, xvfb, ring_name, way):
        for frame in first(ring_name):
            assert set(frame.buffers) == {Kind.COLOR} and frame.camera is None and frame.flags & Flags.HUD_IN_COLOR


def test_old_embedded_contexts_give_colour_and_no_error(folder, xvfb, ring_name):
    """OpenGL ES 2 has no pixel buffer objects, and one framebuffer for drawing and reading."""
    with game(folder, xvfb, ring_name, "es", MESA_GLES_VERSION_OVERRIDE="2.0") as process:
        assert all(Kind.COLOR in frame.buffers and frame.rgb.std() > 0 for frame in first(ring_name))
        assert process.poll() is None


ORDERS = [order for i in range(3) for order in (f"ours.so overlay{i}.so", f"overlay{i}.so ours.so")]


@pytest.mark.parametrize("way", ["plain", "dlsym"])
@pytest.mark.parametrize("preload", ORDERS)
def test_another_library_may_stand_before_opengl_too(way, preload, folder, xvfb, ring_name):
    """Whichever comes first: both see every picture, and neither calls the other for ever."""
    with game(folder, xvfb, ring_name, way, 150, preload=preload) as process:
        check(first(ring_name, 4))
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0 and "overlay saw 149" in told


@pytest.mark.skipif(shutil.which("mangohud") is None, reason="needs MangoHud: apt-get install mangohud")
@pytest.mark.parametrize("flags", [(), ("--dlsym",)])
def test_mangohud_may_be_shown_beside(flags, folder, xvfb, ring_name):
    with running(folder, xvfb, ring_name, "mangohud", *flags, str(folder / "game"), "dlsym", "0") as process:
        frames = first(ring_name, pacing=Pacing.GENLOCKED)
        assert all(frame.camera is not None and Kind.DEPTH in frame.buffers for frame in frames)
        assert process.poll() is None


GLMARK = {"build": True, "build:use-vbo=false": True, "shadow": True, "refract": True, "jellyfish": False}


@pytest.mark.skipif(shutil.which("glmark2") is None, reason="needs glmark2: apt-get install glmark2-x11")
@pytest.mark.parametrize("scene", GLMARK)
def test_the_camera_of_glmark2_is_no_light_and_no_normal(scene, folder, xvfb, ring_name):
    with running(folder, xvfb, ring_name, "glmark2", "-s", "640x360", "-b", f"{scene}:duration=60"):
        frames = first(ring_name, 4, 3, Pacing.GENLOCKED)
    for frame in frames:
        assert (frame.camera is not None) == (Kind.DEPTH in frame.buffers) == GLMARK[scene]
        if frame.camera is not None:
            lens, depth = frame.camera.projection, frame.buffers[Kind.DEPTH].data
            assert abs(lens[0, 2]) < 0.01 and abs(lens[1, 2]) < 0.01, "no corner of a shadow map"
            assert lens[1, 1] / lens[0, 0] == pytest.approx(640 / 360, rel=0.01), "square pixels"
            assert lens[2, 3] / (lens[2, 2] - 1) == pytest.approx(2, abs=0.01), "its near plane"
            assert depth.min() > 2 and depth.std() > 0.1


@pytest.mark.skipif(shutil.which("es2gears_x11") is None, reason="needs es2gears_x11: apt-get install mesa-utils-extra")
def test_es2gears_gives_colour_depth_and_camera(folder, xvfb, ring_name):
    with running(folder, xvfb, ring_name, "es2gears_x11") as process:
        frames = first(ring_name, pacing=Pacing.GENLOCKED)
        assert all(frame.camera is not None and Kind.DEPTH in frame.buffers for frame in frames)
        assert process.poll() is None
