"""A frame's facts are checked in one place, and every impossible one ends in a sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.checks import check_frame
from capture.errors import BadFrame
from capture.frame import Camera, Frame, color_frame

NAN, INF = math.nan, math.inf
VIEW = np.array([[0, 0, -1, 3e6], [0, 1, 0, -2], [1, 0, 0, 1], [0, 0, 0, 1]], np.float32)
LENS = np.array([[1.2, 0, 0.1, 0], [0, -1.9, 0, 0], [0, 0, -1, -2e-3], [0, 0, -1, 0]], np.float32)


def good() -> Frame:
    camera = Camera(VIEW, LENS, VIEW, LENS, near=1e-3, far=INF)
    return color_frame(2**64 - 1, 5, np.zeros((1, 8192, 3), np.uint8), t_game=-3.0, camera=camera)


def with_entry(matrix: np.ndarray, row: int, column: int, value: float) -> np.ndarray:
    changed = matrix.copy()
    changed[row, column] = value
    return changed


def test_what_games_really_give_is_good():
    check_frame(good())
    scaled = np.diag([39.37, 39.37, -39.37, 1]).astype(np.float32)  # a view in inches, and mirrored
    orthographic = np.diag([0.01, 0.01, -0.002, 1]).astype(np.float32)
    camera = Camera(scaled, orthographic, VIEW, LENS, near=-1.0, far=500.0)
    check_frame(replace(good(), camera=camera, t_game=1.8e9, dt=0.0, session_id=2**63))
    check_frame(replace(good(), camera=None))


@pytest.mark.parametrize(("fact", "value"), [
    ("t_game", NAN), ("t_game", -INF), ("t_game", 1e300), ("dt", NAN), ("dt", INF), ("dt", -0.1),
    ("metres_per_unit", 0.0), ("metres_per_unit", NAN), ("metres_per_unit", INF), ("metres_per_unit", -1.0),
    ("frame_id", -1), ("frame_id", 2**64), ("t_capture_ns", 2**63), ("dropped", -1), ("dropped", 2**32),
    ("session_id", 2**64)])
def test_a_fact_that_cannot_be_is_named(fact, value):
    with pytest.raises(BadFrame, match=fact):
        check_frame(replace(good(), **{fact: value}))


@pytest.mark.parametrize("change", [
    {"view": with_entry(VIEW, 0, 3, NAN)}, {"previous_projection": with_entry(LENS, 0, 0, INF)},
    {"view": np.zeros((4, 4), np.float32)}, {"view": with_entry(VIEW, 1, 1, 0)},
    {"projection": with_entry(LENS, 2, 3, 0)}, {"projection": np.ones((4, 4), np.float32)},
    {"projection": np.eye(3, dtype=np.float32)}, {"near": NAN}, {"near": INF}, {"far": NAN}, {"far": -1.0},
    {"near": 2.0, "far": 2.0}])
def test_a_camera_that_cannot_be_is_told(change):
    frame = good()
    assert frame.camera is not None
    with pytest.raises(BadFrame, match="camera"):
        check_frame(replace(frame, camera=replace(frame.camera, **change)))


@given(st.lists(st.floats(width=32), min_size=16, max_size=16), st.floats(), st.floats())
@settings(max_examples=200, deadline=None)
def test_what_passes_can_be_inverted_and_what_fails_fails_with_a_sentence(numbers, near, far):
    view = np.array(numbers, np.float32).reshape(4, 4)
    view[3] = 0, 0, 0, 1
    lens = np.array(numbers[::-1], np.float32).reshape(4, 4)
    try:
        check_frame(replace(good(), camera=Camera(view, lens, view, lens, near, far)))
    except BadFrame:
        return
    assert np.isfinite(np.linalg.inv(view.astype(np.float64))).all()
    assert np.isfinite(np.linalg.inv(lens.astype(np.float64))).all()
