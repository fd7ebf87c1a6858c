"""A real engine with our plugin: Panda3D draws without a display, and its buffers are what they should be."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from capture.engine import EngineSource
from capture.frame import Flags, Frame, Kind
from realmaster.guides.interface import scene_of, with_interface
from realmaster.guides.probe import examine
from realmaster.guides.warp import geometric_motion, psnr, warp
from tests.peers import play_locked, unread

pytest.importorskip("panda3d", reason="needs pip install panda3d")
pytestmark = pytest.mark.games
FRAMES = 20
GAME, FLAGS = "engine_plugins.panda3d_game", ("--size", "320x180", "--interface")


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return play_locked(GAME, "test-panda", FRAMES, *FLAGS)


def data(frame: Frame, kind: Kind) -> np.ndarray:
    return frame.buffers[kind].data.astype(np.float32)


def test_every_frame_has_every_buffer_and_none_is_lost(frames):
    assert [frame.frame_id for frame in frames] == list(range(FRAMES))
    assert all(frame.buffers.keys() == set(Kind) and frame.size == (320, 180) for frame in frames)
    assert [bool(frame.flags & Flags.RESET) for frame in frames] == [True] + [False] * (FRAMES - 1)


def test_motion_of_what_stands_is_what_depth_and_matrices_say(frames):
    for frame in frames[1::5]:
        depth = data(frame, Kind.DEPTH)[..., 0]
        stands = (frame.buffers[Kind.OBJECT_ID].data[..., 0] == 0) & (depth > 0)
        assert stands.mean() > 0.3
        off = np.abs(data(frame, Kind.MOTION) - geometric_motion(depth, frame.camera, 1))[stands]
        assert off.mean() < 0.005 and off.max() < 0.05


def test_what_moves_has_an_id_and_is_followed(frames):
    """The crates turn: their own vectors explain them, the camera's alone do not."""
    gains = []
    for before, now in itertools.pairwise(frames[4:]):
        crates = now.buffers[Kind.OBJECT_ID].data[..., 0] > 0
        assert crates.mean() > 0.02
        past, here = (scene_of(f)[..., :3].copy() for f in (before, now))
        own, inside = warp(past, data(now, Kind.MOTION))
        camera, _ = warp(past, geometric_motion(data(now, Kind.DEPTH)[..., 0], now.camera, 1))
        gains.append(psnr(own, here, inside & crates) - psnr(camera, here, inside & crates))
    assert np.mean(gains) > 3


def test_normals_are_the_worlds_own(frames):
    """The floor looks up (z, in Panda3D), wherever the camera looks."""
    for frame in frames[::6]:
        normal, depth = data(frame, Kind.NORMAL), data(frame, Kind.DEPTH)[..., 0]
        length = np.linalg.norm(normal[..., :3], axis=-1)[depth > 0]
        assert np.abs(length - 1).max() < 0.01
        assert np.median(normal[-10:, :, 2]) > 0.99


def test_the_probe_finds_nothing_wrong(frames):
    seen = examine(frames)
    assert not seen.findings, seen
    assert seen.figures["gain by motion vectors, dB"] > 1


def test_the_interface_is_apart(frames):
    frame = frames[9]
    photo = np.full((180, 320, 3), 9, np.uint8)
    out = with_interface(frame, photo)
    drawn = (out != 9).any(-1)
    assert 0.01 < drawn.mean() < 0.2 and np.array_equal(out[drawn], frame.rgb[drawn])


def test_the_same_run_gives_the_same_frames(frames):
    def digest(run: list[Frame]) -> list[str]:
        return [hashlib.sha256(b"".join(b.data.tobytes() for b in f.buffers.values())).hexdigest() for f in run]

    assert digest(play_locked(GAME, "test-panda-again", FRAMES, *FLAGS)) == digest(frames)


def test_readers_come_and_go(ring_name):
    """Between them the game draws on, and nothing for nobody."""
    game = subprocess.Popen([sys.executable, "-m", GAME, "--ring", ring_name, *FLAGS])
    try:
        for _ in range(2):
            with closing(EngineSource(ring_name, patience=60)) as source:
                numbers: list[int] = []
                while len(numbers) < 5:
                    if (frame := source.read(30)) is not None:
                        numbers.append(frame.frame_id)
                assert source.reader is not None
                assert unread(source.reader.file, 500_000_000) <= 3
    finally:
        game.terminate()
        game.wait(10)
