"""The Unity package: compiled with warnings as errors against stubs of Unity, and run under mono into the real ring."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from capture.frame import CameraSource, Flags, Frame, Kind
from engine_plugins.native.binding import RmBuffer, RmFrame, build
from tests.puppet import PROJECTION, play, view

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "engine_plugins" / "unity" / "com.realmaster.capture"
WIDTH, HEIGHT = 40, 24
needs_mono = pytest.mark.skipif(not all(map(shutil.which, ("mcs", "mono", "cc"))),
                                reason="needs mono and a C compiler: apt-get install mono-mcs mono-runtime gcc")


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unity")
    sources = [*sorted(PACKAGE.rglob("*.cs")), *sorted((ROOT / "tests" / "unity").glob("*.cs"))]
    subprocess.run(["mcs", "-unsafe", "-warnaserror", "-langversion:7", f"-out:{folder / 'player.exe'}",
                    *map(str, sources)], check=True)
    build(folder)
    return folder / "player.exe"


def shots(program: Path, ring: str, count: int, *, pipeline: str = "urp", delay: int = 2,
          top: bool = False) -> tuple[list[Frame], int]:
    """Frames that the reader got, and how many the plugin skipped."""
    words = [ring, str(count), pipeline, str(delay), "top" if top else "bottom"]
    return play(["mono", str(program), *words], ring, count, delay, program.parent)


@needs_mono
def test_offsets_in_csharp_are_those_in_c(program):
    out = subprocess.run(["mono", str(program), "layout"], capture_output=True, text=True, check=True).stdout
    told = dict(line.rsplit(" ", 1) for line in out.splitlines())
    for mirror in (RmFrame, RmBuffer):
        assert int(told.pop(mirror.__name__)) == ctypes.sizeof(mirror)
        for name, *_ in mirror._fields_:
            assert int(told.pop(f"{mirror.__name__}.{name}")) == getattr(mirror, name).offset
    assert not told


@needs_mono
@pytest.mark.parametrize("top", [False, True])
@pytest.mark.parametrize("pipeline", ["builtin", "urp"])
def test_every_buffer_arrives_the_right_way_up(program, ring_name, pipeline, top):
    frames, skipped = shots(program, ring_name, 24, pipeline=pipeline, top=top)
    assert len(frames) > 8 and skipped == 0
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for frame in frames:
        n = frame.frame_id
        data = {kind: buffer.data for kind, buffer in frame.buffers.items()}
        assert set(data) == {Kind.COLOR, Kind.SCENE_COLOR, Kind.DEPTH, Kind.MOTION}
        for kind, blue in ((Kind.COLOR, 200), (Kind.SCENE_COLOR, 0)):
            assert np.array_equal(data[kind], np.stack([x, y, x * 0 + blue, x * 0 + n], -1).astype(np.uint8))
        near, far = 1.0, 200.0  # metres: a unit is two
        raw = y / HEIGHT
        share = raw if top else 1 - raw  # reversed depth is 1 at the near plane
        assert np.allclose(data[Kind.DEPTH][..., 0], share / near + (1 - share) / far, rtol=2e-3, atol=2e-3)
        assert np.allclose(data[Kind.MOTION], (-0.25 * WIDTH, (-0.125 if top else 0.125) * HEIGHT))
        assert frame.t_game == n / 8 and frame.dt == 0.125 and frame.metres_per_unit == 2
        camera = frame.camera
        assert camera is not None and camera.source is CameraSource.ENGINE and (camera.near, camera.far) == (1, 200)
        assert np.array_equal(camera.view, view(n)) and np.array_equal(camera.projection, PROJECTION)
        if not frame.flags & Flags.RESET:
            assert np.array_equal(camera.previous_view, view(n - 1))
    assert [f.frame_id for f in frames if f.flags & Flags.RESET][-1] == 12, "the game's own cut"
    numbers = [f.frame_id for f in frames[2:]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@needs_mono
def test_slow_readbacks_skip_frames_and_count_them(program, ring_name):
    """Six frames until a readback is done, and four in flight."""
    frames, skipped = shots(program, ring_name, 40, delay=6)
    assert skipped > 5 and len(frames) > 5
    numbers = [f.frame_id for f in frames]
    assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)


@pytest.mark.skipif(shutil.which("glslangValidator") is None, reason="needs glslang: apt-get install glslang-tools")
def test_the_compute_shader_compiles(tmp_path):
    shader = PACKAGE / "Runtime" / "RealMasterBuffers.compute"
    subprocess.run(["glslangValidator", "-D", "-V", "-S", "comp", "-e", "Main", "-o", str(tmp_path / "out.spv"),
                    str(shader)], check=True)
