"""The Godot 3 add-on in the engine itself, and what the receiver makes of anybody else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.frame import Flags, Frame, Kind
from capture.source import Pacing
from engine_plugins.godot_receiver import HEADER, HEADER_BYTES, MAGIC
from realmaster.interface import scene_of
from realmaster.probe import examine

PLUGINS = Path(__file__).parents[2] / "engine_plugins"


@pytest.fixture
def receiver(ring_name: str) -> Iterator[int]:
    """The port of a running receiver."""
    process = subprocess.Popen([sys.executable, "-m", "engine_plugins.godot_receiver", "--ring", ring_name, "--port",
                                "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield int(process.stdout.readline().split()[-1])
    process.terminate()
    process.wait(10)


def project(folder: Path, port: int) -> Path:
    """The example with its add-on, told where to connect to."""
    shutil.copytree(PLUGINS / "godot3" / "example", folder / "game", symlinks=False)
    script = folder / "game" / "addons" / "realmaster" / "capture.gd"
    script.write_text(script.read_text().replace("port = 8190", f"port = {port}"))
    return folder / "game"


@pytest.fixture(params=["GLES2", "GLES3"])
def frames(request, receiver, ring_name, tmp_path, xvfb) -> Iterator[list[Frame]]:
    """Some seconds of the example."""
    if shutil.which("godot3") is None:
        pytest.skip("needs Godot 3: apt-get install godot3")
    game = subprocess.Popen(
        ["godot3", "--path", str(project(tmp_path, receiver)), "--video-driver", request.param, "--audio-driver",
         "Dummy"], env={**os.environ, "DISPLAY": xvfb, "HOME": str(tmp_path), "LIBGL_ALWAYS_SOFTWARE": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with closing(EngineSource(ring_name, Pacing.GENLOCKED, patience=60)) as source:
            got: list[Frame] = []
            while len(got) < 80:
                if (frame := source.read(30)) is not None:
                    got.append(frame)
            yield got[10:]
    finally:
        game.terminate()
        game.wait(10)


def test_godot3_gives_colour_scene_depth_and_camera(frames):
    seen = examine(frames)
    assert not [finding.text for finding in seen.findings if finding.wrong]
    assert seen.figures["gain where the world stands still, dB"] > 3, seen.figures
    for frame in frames[::20]:
        assert not frame.flags & Flags.HUD_IN_COLOR
        drawn = (frame.rgb != scene_of(frame)[..., :3]).any(-1)
        y, x = np.nonzero(drawn)
        assert len(x) and x.max() < 120 and y.max() < 50, "the score, and nothing else"
        assert floor_heights(frame) < 0.03


def floor_heights(frame: Frame) -> float:
    """How far in metres the floor, which is at height 0, seems to be from there, below the middle of the picture."""
    camera = frame.camera
    assert camera is not None
    height, width = frame.rgb.shape[:2]
    inverse = frame.buffers[Kind.DEPTH].data[..., 0].astype(np.float64)
    y, x = np.mgrid[0:height, 0:width]
    z = 1 / np.maximum(inverse, 1e-6)
    points = np.stack([((x + 0.5) / width * 2 - 1) / camera.projection[0, 0] * z,
                       (1 - (y + 0.5) / height * 2) / camera.projection[1, 1] * z, -z, np.ones_like(z)], -1)
    world = points @ np.linalg.inv(camera.view.astype(np.float64)).T
    bottom = world[int(height * 0.85):, :, 1]
    return float(np.median(np.abs(bottom)))


def header(width: int = 8, height: int = 4, present: int = 1, magic: int = MAGIC) -> bytes:
    return HEADER.pack(magic, 0, width, height, present, 0, 1.0, 0.1, 0.1, 50, *[1.0] * 14).ljust(HEADER_BYTES, b"\0")


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n".ljust(HEADER_BYTES, b"x"), header(magic=1),
                                     header(width=1 << 30), header(present=2)])
def test_a_stranger_ends_the_receiver_with_a_sentence(garbage, ring_name):
    process = subprocess.Popen([sys.executable, "-m", "engine_plugins.godot_receiver", "--ring", ring_name, "--port",
                                "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = int(process.stdout.readline().split()[-1])
    with socket.create_connection(("127.0.0.1", port)) as game:
        assert game.recv(1) == b"?"
        game.sendall(garbage)
        _, words = process.communicate(timeout=20)
    assert process.returncode == 1 and "is not the RealMaster add-on" in words


def test_a_game_that_leaves_in_mid_frame_gives_way_to_the_next(receiver, ring_name):
    with socket.create_connection(("127.0.0.1", receiver)) as game:
        assert game.recv(1) == b"?"
        game.sendall(header() + b"half a picture")
    with socket.create_connection(("127.0.0.1", receiver)) as game:
        assert game.recv(1) == b"?"
        game.sendall(header() + bytes(range(128)))
        with closing(EngineSource(ring_name, patience=20)) as source:
            frame = source.read(5)
            assert frame is not None and frame.size == (8, 4)
            assert frame.buffers[Kind.COLOR].data[0, 0, 0] == 96, "the last row came first"
            assert game.recv(1) == b"?", "now that somebody reads"
            game.sendall(header() + bytes(128))
            assert source.read(5) is not None
        asked = 0
        game.settimeout(3)  # longer than a reader is taken for alive
        with suppress(TimeoutError):
            while asked < 5:
                game.recv(1)
                game.sendall(header() + bytes(128))
                asked += 1
        assert asked <= 1, "nobody reads any more"
