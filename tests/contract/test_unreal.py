"""The Unreal plugin: its own logic run into the real ring, the rest checked against declarations of the engine's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from capture.frame import FORMATS, Flags, Frame, Kind
from tests.puppet import PROJECTION, play, view

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "engine_plugins" / "unreal" / "RealMaster"
PRIVATE = PLUGIN / "Source" / "RealMaster" / "Private"
NATIVE, STUBS = ROOT / "engine_plugins" / "native", ROOT / "tests" / "unreal"
STRICT = ("-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", f"-I{PRIVATE}", f"-I{NATIVE}")
WIDTH, HEIGHT = 40, 24
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++: apt-get install g++")


@needs_compiler
@pytest.mark.parametrize("source", sorted(PRIVATE.glob("*.cpp")), ids=lambda path: path.name)
def test_the_wrapper_is_sound_cpp(source, tmp_path):
    """Every header of the engine that is included becomes one that includes the declarations."""
    for text in (path.read_text() for path in PRIVATE.iterdir()):
        for name in re.findall(r'#include "([^"]+)"', text):
            if not (PRIVATE / name).exists() and not (NATIVE / name).exists():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text('#pragma once\n#include "UnrealStubs.h"\n')
    subprocess.run(["g++", *STRICT, f"-I{tmp_path}", f"-I{STUBS / 'stubs'}", "-fsyntax-only", str(source)], check=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unreal")
    core = folder / "realmaster.o"
    subprocess.run(["cc", "-std=c11", "-c", "-o", str(core), str(NATIVE / "realmaster.c")], check=True)
    subprocess.run(["g++", *STRICT, "-o", str(folder / "shots"), str(STUBS / "shots.cpp"), str(core)], check=True)
    return folder / "shots"


def shots(program: Path, ring: str, count: int, delay: int) -> tuple[list[Frame], int]:
    """Frames that the reader got, and how many the plugin skipped."""
    return play([str(program), ring, str(count), str(delay)], ring, count, delay, program.parent)


@needs_compiler
def test_its_pool_of_readbacks_publishes_whole_frames_in_order(program, ring_name):
    frames, skipped = shots(program, ring_name, 24, delay=2)
    assert len(frames) > 8 and skipped == 0
    for frame in frames:
        n = frame.frame_id
        for at, (kind, encoding) in enumerate(((Kind.COLOR, 1), (Kind.SCENE_COLOR, 1), (Kind.DEPTH, 2),
                                               (Kind.MOTION, 4))):
            data = frame.buffers[kind].data
            assert data.dtype.str == FORMATS[kind, frame.buffers[kind].encoding][0].replace("<u1", "|u1")
            assert int(frame.buffers[kind].encoding) == encoding
            rows = data.view(np.uint8).reshape(HEIGHT, -1)
            assert (rows == (n + 3 * at + np.arange(HEIGHT)[:, None]) % 256).all(), "without the padding"
        camera = frame.camera
        assert camera is not None and frame.metres_per_unit == pytest.approx(0.01)
        assert camera.near == pytest.approx(0.1) and np.isinf(camera.far) and not frame.flags & Flags.HUD_IN_COLOR
        assert np.array_equal(camera.view, np.diag([1, 1, -1, 1]) @ view(n))
        assert np.array_equal(camera.projection, PROJECTION @ np.diag([1, 1, -1, 1]))
    numbers = [f.frame_id for f in frames[2:]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@needs_compiler
def test_slow_readbacks_skip_frames_and_count_them(program, ring_name):
    frames, skipped = shots(program, ring_name, 40, delay=6)
    assert skipped > 5 and len(frames) > 5
    assert [f.frame_id for f in frames] == sorted({f.frame_id for f in frames})


@pytest.mark.skipif(shutil.which("glslangValidator") is None, reason="needs glslang: apt-get install glslang-tools")
def test_the_shader_compiles(tmp_path):
    shader = PLUGIN / "Shaders" / "Private" / "RealMasterBuffers.usf"
    subprocess.run(["glslangValidator", "-D", "-V", "-S", "comp", "-e", "Main", "-DRM_ALONE", "-o",
                    str(tmp_path / "out.spv"), str(shader)], check=True)
