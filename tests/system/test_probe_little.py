"""The probe where there is little to tell by: floors without an end, cameras that turn, tiny pictures, gaps."""

from __future__ import annotations

import dataclasses
import itertools

import cv2
import numpy as np
import pytest

from capture.frame import Buffer, Camera, Encoding, Flags, Frame, Kind, color_frame
from realmaster.guides.probe import Examination, examine
from realmaster.guides.probe.watch import GuideWatch
from realmaster.guides.warp import geometric_motion

WIDTH, HEIGHT, COUNT, EYE = 192, 108, 10, 1.6
LENS = np.array([[1, 0, 0, 0], [0, WIDTH / HEIGHT, 0, 0], [0, 0, -1, -0.2], [0, 0, -1, 0]], np.float32)


def at(x: float, z: float, yaw: float = 0.0) -> np.ndarray:
    """The view of a camera at (x, EYE, z), turned."""
    turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = turn, -turn @ (x, EYE, z)
    return view.astype(np.float32)


def with_depth(number: int, rgb: np.ndarray, inverse: np.ndarray, view: np.ndarray, before: np.ndarray) -> Frame:
    bare = color_frame(number, number * 40_000_000, rgb, t_game=number / 25, dt=1 / 25, flags=Flags.HUD_IN_COLOR)
    depth = Buffer(Encoding.INVERSE_Z, inverse[..., None].astype(np.float16))
    return dataclasses.replace(bare, buffers={**bare.buffers, Kind.DEPTH: depth},
                               camera=Camera(view, LENS, before, LENS, 0.1, float("inf")))


def over_a_floor(step_x: float, step_z: float) -> list[Frame]:
    """A textured floor to the horizon under a camera that moves: its depth is the same in every frame."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    right, up = ((x + 0.5) / WIDTH * 2 - 1), (1 - (y + 0.5) / HEIGHT * 2) * HEIGHT / WIDTH
    inverse = np.maximum(-up / EYE, 0)
    z = 1 / np.maximum(inverse, 0.02)
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.float32), (0, 0), 3)
    noise = np.clip((noise - 128) * 8 + 128, 0, 255).astype(np.uint8)
    frames, before = [], at(0, 0)
    for i in range(COUNT):
        place = i * step_x, i * step_z
        ground = [(at * 16 % 512).astype(np.float32) for at in (right * z + place[0], place[1] - z)]
        rgb = cv2.remap(noise, *ground, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        rgb[inverse < 0.05] = (120, 160, 220)
        frames.append(with_depth(i, rgb, inverse, at(*place), before))
        before = at(*place)
    return frames


def turning(step: float, upside_down: bool) -> list[Frame]:
    """Boxes before a wall, seen by a camera that turns on its place."""
    rng = np.random.default_rng(1)
    rgb = cv2.resize(rng.integers(90, 160, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.uint8), (WIDTH, HEIGHT))
    inverse = np.full((HEIGHT, WIDTH), 0.1, np.float32)
    for left, top, side in ((18, 12, 24), (66, 54, 36), (120, 18, 21), (156, 60, 27)):
        rgb[top:top + side, left:left + side] = rng.integers(0, 255, 3)
        inverse[top:top + side, left:left + side] = rng.uniform(0.2, 0.6)
    frames = []
    for i in range(COUNT):
        view, before = at(0, 0, step * i), at(0, 0, step * max(0, i - 1))
        camera = Camera(view, LENS, at(0, 0), LENS, 0.1, float("inf"))
        moves = geometric_motion(np.zeros_like(inverse), camera, 1)
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        seen, depth = (cv2.remap(what, x + moves[..., 0], y + moves[..., 1], how, borderMode=cv2.BORDER_REFLECT)
                       for what, how in ((rgb, cv2.INTER_LINEAR), (inverse, cv2.INTER_NEAREST)))
        frames.append(with_depth(i, seen, depth[::-1] if upside_down else depth, view, before))
    return frames


def faults(seen: Examination) -> list[str]:
    return [finding.text for finding in seen.findings if finding.wrong]


@pytest.mark.parametrize(("step_x", "step_z"), [(0.15, 0), (0, -0.3), (0.1, -0.2)], ids=["strafing", "ahead", "both"])
@pytest.mark.parametrize("normals", [False, True])
def test_a_floor_without_an_end_is_not_taken_for_an_old_frame(step_x, step_z, normals):
    frames = over_a_floor(step_x, step_z)
    if normals:
        up = Buffer(Encoding.WORLD_XYZ0, np.broadcast_to(np.array([0, 1, 0, 0], np.float16), (HEIGHT, WIDTH, 4)).copy())
        frames = [dataclasses.replace(f, buffers={**f.buffers, Kind.NORMAL: up}) for f in frames]
    seen = examine(frames)
    assert not faults(seen)
    assert seen.figures["gain by depth and camera, dB"] > 3, seen.figures


def test_a_camera_that_turns_tells_nothing_of_depth():
    seen = examine(turning(0.02, upside_down=False))
    assert not faults(seen), seen
    assert any("too little tells of depth" in finding.text for finding in seen.findings)


@pytest.mark.parametrize("step", [0.002, 0.02])
def test_depth_upside_down_is_told_though_the_camera_only_turns(step):
    assert any("bottom-up" in text for text in faults(examine(turning(step, upside_down=True))))


SIZES = [(8, 8), (8192, 8), (8, 2048), (1, 1), (3, 200), (33, 17)]


@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_any_size_end_nothing(size):
    rng = np.random.default_rng(2)
    frames = [with_depth(i, rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8),
                         rng.random((size[1], size[0])), at(i / 10, 0), at((i - 1) / 10, 0)) for i in range(5)]
    examine(frames)
    clock = itertools.count(0, 2.0)
    watch = GuideWatch(lambda: float(next(clock)))
    for frame in frames:
        watch.look(frame)


def test_a_zero_view_beside_a_session_is_a_word_and_no_end():
    frames = [dataclasses.replace(f, camera=dataclasses.replace(f.camera, view=f.camera.view * 0))
              for f in over_a_floor(0.2, 0) * 2 if f.camera is not None]
    clock = itertools.count(0, 2.0)
    watch = GuideWatch(lambda: float(next(clock)))
    assert "does not explain its picture" in [watch.look(frame) for frame in frames][-1]


@pytest.mark.parametrize("lacking", [Kind.DEPTH, Kind.MOTION])
@pytest.mark.parametrize("every", [2, 5])
def test_a_buffer_that_is_missing_now_and_then_is_a_note(lacking, every):
    frames = []
    for i, frame in enumerate(over_a_floor(0.15, 0)):
        vectors = geometric_motion(frame.buffers[Kind.DEPTH].data[..., 0].astype(np.float32), frame.camera, 1)
        buffers = {**frame.buffers, Kind.MOTION: Buffer(Encoding.PIXELS, vectors.astype(np.float16))}
        frames.append(dataclasses.replace(frame, buffers={k: b for k, b in buffers.items()
                                                          if k is not lacking or i % every}))
    seen = examine(frames)
    assert not faults(seen)
    assert any("have no" in finding.text for finding in seen.findings), seen.findings


def test_a_camera_that_is_missing_now_and_then_ends_nothing():
    frames = [dataclasses.replace(f, camera=f.camera if i % 3 else None) for i, f in enumerate(over_a_floor(0.15, 0))]
    assert not faults(examine(frames))


def test_numbers_beyond_64_bits_of_sign_are_compared_as_they_are():
    frames = [dataclasses.replace(f, frame_id=2**63 - 8 + i) for i, f in enumerate(over_a_floor(0.15, 0))]
    assert not faults(examine(frames))
    wrapped = [dataclasses.replace(f, frame_id=(2**64 - 8 + i) % 2**64) for i, f in enumerate(frames)]
    assert any("do not rise" in text for text in faults(examine(wrapped)))
