"""Motion made from depth, camera and optical flow, against a renderer that knows it."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from capture.frame import Frame, Kind, color_frame
from realmaster.guides.motion import estimate_motion

pytest.importorskip("moderngl", reason="needs the games extra")

from engine_plugins.demo_game.frames import to_frame
from engine_plugins.demo_game.raster import NoOpenGLError, Rasteriser
from engine_plugins.demo_game.worlds import WORLDS

FPS = 24.0
pytestmark = pytest.mark.games


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Half a second of the square, where people and cars move by themselves."""
    try:
        game = Rasteriser(WORLDS["square"](5), 320, 180)
    except NoOpenGLError as error:
        pytest.skip(str(error))
    return [to_frame(game.render(7 + i / FPS, 1 / FPS), i, 7 + i / FPS, 1 / FPS, cut=i == 0) for i in range(12)]


def without(frame: Frame, *kinds: Kind) -> Frame:
    return dataclasses.replace(frame, buffers={k: b for k, b in frame.buffers.items() if k not in kinds})


def off(frame: Frame, motion: np.ndarray) -> np.ndarray:
    """Distance in pixels from the true motion, and which objects move (H, W)."""
    return np.linalg.norm(motion - frame.buffers[Kind.MOTION].data.astype(np.float32), axis=-1)


def test_what_stands_still_is_exact_and_what_moves_is_not_taken_for_it(frames):
    right, trusted, share = [], [], []
    for before, now in itertools.pairwise(frames):
        estimate = estimate_motion(without(before, Kind.MOTION), without(now, Kind.MOTION))
        error = off(now, estimate.motion)
        right.append((error < 1).mean())
        trusted.append((error[estimate.trusted] < 2.5).mean())
        share.append(estimate.trusted.mean())
    assert np.mean(right) > 0.9, "motion is known for most of the picture"
    assert np.mean(trusted) > 0.98, "and where it is trusted it is right"
    assert np.mean(share) > 0.6, "which is most of it"


def test_flow_sees_what_moves_by_itself(frames):
    """A still camera and a square that slides: depth says nothing moves."""
    y, x = np.mgrid[0:180, 0:320]
    noise = np.random.default_rng(0).integers(0, 255, (180, 320, 3), np.uint8)
    base = np.stack([x % 256, y, x * 0], -1).astype(np.uint8)

    def picture(left: int) -> np.ndarray:
        out = base.copy()
        out[60:120, left:left + 60] = noise[60:120, 100:160]
        return out

    camera = dataclasses.replace(frames[0].camera, previous_view=frames[0].camera.view,
                                 previous_projection=frames[0].camera.projection)
    depth = {Kind.DEPTH: frames[0].buffers[Kind.DEPTH]}
    before, now = (color_frame(i, i, picture(100 + 4 * i), camera=camera) for i in range(2))
    now = dataclasses.replace(now, buffers={**now.buffers, **depth})
    estimate = estimate_motion(before, now)
    inside = slice(66, 114), slice(110, 158)
    assert np.median(estimate.motion[inside][..., 0]) == pytest.approx(-4, abs=0.5)
    assert not estimate.trusted[inside].any() and estimate.still[:40].all()


def test_without_depth_it_is_flow_alone_trusted_where_it_returns(frames):
    error, trusted = [], []
    for before, now in itertools.pairwise(frames):
        estimate = estimate_motion(*(without(f, Kind.MOTION, Kind.DEPTH) for f in (before, now)))
        error.append((off(now, estimate.motion)[estimate.trusted] < 2).mean())
        trusted.append(estimate.trusted.mean())
        assert not estimate.still.any()
    assert np.mean(error) > 0.9 and np.mean(trusted) > 0.5
