"""The Blender add-on in Blender itself: an animation rendered with every pass, and the 3D view looked around in."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.errors import SourceEnded
from capture.frame import Flags, Frame, Kind
from capture.source import Pacing
from engine_plugins.native.binding import build
from realmaster.guides.probe import examine

ROOT = Path(__file__).parents[2]
SCENE = ROOT / "tests" / "blender_scene.py"


@pytest.fixture
def addons(tmp_path: Path) -> Path:
    """A folder with the add-on and its library in it."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    shutil.copytree(ROOT / "engine_plugins" / "blender" / "realmaster_capture", tmp_path / "addons" /
                    "realmaster_capture")
    build(tmp_path / "addons" / "realmaster_capture")
    return tmp_path / "addons"


@pytest.fixture(params=["blender", "bpy"])
def blender(request) -> list[str]:
    """How to run a script without a window: Blender, or its module."""
    if request.param == "bpy":
        if importlib.util.find_spec("bpy") is None:
            pytest.skip("needs Blender as a module: pip install bpy")
        return [sys.executable, str(SCENE)]
    if shutil.which("blender") is None:
        pytest.skip("needs Blender: apt-get install blender python3-numpy")
    return ["blender", "--background", "--factory-startup", "--python", str(SCENE)]


def test_every_pass_of_an_animation_arrives(blender, addons, ring_name, tmp_path):
    process = subprocess.Popen([*blender, "--", str(addons), ring_name, "offline", "CYCLES"], cwd=tmp_path,
                               env={**os.environ, "HOME": str(tmp_path)}, stdout=subprocess.DEVNULL)
    frames: list[Frame] = []
    with closing(EngineSource(ring_name, Pacing.FRAMELOCKED, patience=120)) as source, suppress(SourceEnded):
        while (frame := source.read(120)) is not None:
            frames.append(frame)
    assert process.wait(30) == 0
    assert [f.frame_id for f in frames] == list(range(12)), "every frame, in order"
    for i, frame in enumerate(frames):
        assert set(frame.buffers) == {Kind.COLOR, Kind.DEPTH, Kind.MOTION, Kind.NORMAL, Kind.OBJECT_ID}
        assert frame.size == (320, 180) and (frame.t_game, frame.dt) == pytest.approx(((i + 1) / 24, 1 / 24))
    seen = examine(frames)
    assert not [finding.text for finding in seen.findings if finding.wrong]
    assert seen.figures["gain by motion vectors, dB"] > 4 and seen.figures["gain by depth and camera, dB"] > 4
    ids = frames[6].buffers[Kind.OBJECT_ID].data[..., 0]
    assert set(np.unique(ids)) > {0} and ids.max() <= 8
    up = frames[6].buffers[Kind.NORMAL].data[ids == 0][:, :3].astype(np.float32)
    assert np.median(up, 0) == pytest.approx([0, 0, 1], abs=0.01), "the floor looks up, in the world"


@pytest.fixture
def view(addons, ring_name, tmp_path, xvfb) -> Iterator[str]:
    """The ring of Blender's 3D view, which turns."""
    if shutil.which("blender") is None:
        pytest.skip("needs Blender: apt-get install blender python3-numpy")
    process = subprocess.Popen(
        ["blender", "--factory-startup", "--window-geometry", "0", "0", "640", "420", "--python", str(SCENE), "--",
         str(addons), ring_name, "view", "BLENDER_EEVEE"], cwd=tmp_path, stdout=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path), "DISPLAY": xvfb, "LIBGL_ALWAYS_SOFTWARE": "1"})
    yield ring_name
    process.kill()
    process.wait(10)


def test_the_3d_view_is_published_while_somebody_looks(view):
    frames: list[Frame] = []
    with closing(EngineSource(view, Pacing.GENLOCKED, patience=60)) as source:
        while len(frames) < 12:
            if (frame := source.read(30)) is not None:
                frames.append(frame)
    seen = examine(frames[2:])
    assert not [finding.text for finding in seen.findings if finding.wrong]
    assert seen.figures["gain by depth and camera, dB"] > 3, seen.figures
    assert all(set(f.buffers) == {Kind.COLOR, Kind.DEPTH} for f in frames)
    assert not any(f.flags & Flags.RESET for f in frames[1:])
