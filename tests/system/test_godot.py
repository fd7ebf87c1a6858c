"""The Godot 3 add-on in the engine itself, and what the receiver makes of anybody else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.frame import Flags, Frame, Kind
from capture.source import Pacing
from engine_plugins.godot_receiver import HEADER, HEADER_BYTES, MAGIC, MOST_CALLERS
from realmaster.guides.interface import scene_of
from realmaster.guides.probe import examine

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


def header(*, width: int = 8, height: int = 4, present: int = 1, magic: int = MAGIC, near: float = 0.1,
           far: float = 50, half: float = 1, time: float = 1) -> bytes:
    columns = 1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4
    return HEADER.pack(magic, 0, width, height, present, 0, time, 0.1, near, far, *columns, half,
                       half).ljust(HEADER_BYTES, b"\0")


def plays(port: int, ring_name: str) -> None:
    """A game connects, its frame arrives, and it leaves while nobody reads."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as game:
        assert game.recv(1) == b"?"
        game.sendall(header() + bytes(128))
        with closing(EngineSource(ring_name, patience=20)) as source:
            frame = source.read(5)
            assert frame is not None and frame.size == (8, 4)


STRANGERS = {"a web page's fetch": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "TLS": b"\x16\x03\x01\x02",
             "another version": header(magic=1), "an absurd width": header(width=1 << 30),
             "no width": header(width=0), "no colour": header(present=2)}


@pytest.mark.parametrize("words", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_left_at_once_and_the_game_gets_in(words, receiver, ring_name):
    with socket.create_connection(("127.0.0.1", receiver), timeout=20) as stranger:
        assert stranger.recv(1) == b"?"
        stranger.sendall(words)
        with suppress(ConnectionResetError):
            assert stranger.recv(1) == b"", "its connection has ended"
        plays(receiver, ring_name)


def test_silent_connections_do_not_lock_the_game_out(receiver, ring_name):
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", receiver), timeout=20))
                  for _ in range(2 * MOST_CALLERS)]
        silent[-1].sendall(header()[:7])
        for _ in range(2):
            plays(receiver, ring_name)
        for connection in silent:  # each is left, the first ones to make room, the rest by the deadline
            with suppress(ConnectionResetError):
                while connection.recv(1):
                    pass


NOT_A_CAMERA = {"zero near and far": {"near": 0, "far": 0}, "a NaN": {"near": float("nan")}, "far before near":
                {"near": 5, "far": 1}, "no field of view": {"half": 0}, "a time that is none": {"time": float("nan")}}


@pytest.mark.parametrize("present", [1 | 4, 1 | 8], ids=["packed", "raw"])
@pytest.mark.parametrize("facts", NOT_A_CAMERA.values(), ids=NOT_A_CAMERA)
def test_a_frame_that_cannot_be_is_left_out_and_the_next_one_counts(facts, present, receiver, ring_name):
    with socket.create_connection(("127.0.0.1", receiver), timeout=20) as game:
        for head in (header(present=present, **facts), header(present=present)):
            assert game.recv(1) == b"?"
            game.sendall(head + bytes(256))
        with closing(EngineSource(ring_name, patience=20)) as source:
            frame = source.read(5)
            assert frame is not None and frame.t_game == 1 and Kind.DEPTH in frame.buffers


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
