"""A small photo's colours on the full frame: exact where nothing changes, sharp, and without halos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realmaster.guides.pictures import fit
from realmaster.stream.full_size import FullSize

at_full_size = FullSize()


def textured(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Fine texture over soft shapes, (height, width, 3) u8."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.random((6, 8, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = rng.normal(0, 0.08, (height, width, 1))
    return np.clip((0.2 + 0.6 * soft + fine) * 255, 0, 255).astype(np.uint8)


def sharpness(picture: np.ndarray) -> float:
    return float(cv2.Laplacian(picture, cv2.CV_32F).var())


@given(st.integers(16, 200), st.integers(16, 200), st.integers(0, 5))
def test_a_photo_that_changes_nothing_leaves_the_frame_as_it_is(width: int, height: int, seed: int):
    full = textured(width, height, seed)
    small = fit(full, 14, 12)
    assert np.array_equal(at_full_size(full, small), full)


@pytest.mark.parametrize("size", [(1280, 720), (854, 480), (1365, 767), (240, 320)])
def test_a_change_of_tone_is_that_change_at_full_size(size: tuple[int, int]):
    full = textured(*size)
    small = fit(full, size[0] // 5, size[1] // 5)
    warmer = np.clip(small * np.array((1.1, 1.0, 0.8)) + (5, -3, 8), 0, 255).astype(np.uint8)
    expected = np.clip(full * np.array((1.1, 1.0, 0.8)) + (5, -3, 8), 0, 255)
    assert np.abs(at_full_size(full, warmer) - expected).mean() < 3.5


def test_texture_is_the_game_s_own():
    full = textured(1280, 720)
    small = fit(full, 256, 144)
    dim = (small * 0.8 + 10).astype(np.uint8)
    dim = cv2.GaussianBlur(dim, (0, 0), 1.5)  # a hazy model
    result = at_full_size(full, dim)
    assert sharpness(result) > 0.8 * 0.8 * sharpness(full)
    assert sharpness(result) > 10 * sharpness(cv2.resize(dim, (1280, 720), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize(("left", "right"), [((60, 40), (120, 180)), ((100, 140), (30, 20)), ((60, 120), (120, 90))])
def test_a_step_edge_gets_no_halo(left: tuple[int, int], right: tuple[int, int]):
    """Two flat halves that the model maps each to a value of its own: (game, photo) of `left` and `right`."""
    full = np.empty((720, 1280, 3), np.uint8)
    full[:, :643], full[:, 643:] = left[0], right[0]
    small = fit(full, 256, 144)
    photo = np.empty_like(small)
    photo[:, :128], photo[:, 128:] = left[1], right[1]
    photo[:, 128] = np.interp(small[:, 128], *zip(*sorted((left, right)), strict=True))  # the pixel on the edge
    row = at_full_size(full, photo)[360, :, 0].astype(int)
    off = np.abs(row - np.where(np.arange(1280) < 643, left[1], right[1]))
    wrong = np.flatnonzero(off > 0.1 * abs(left[1] - right[1]))
    assert wrong.size == 0 or (wrong.min() >= 641 and wrong.max() <= 644), (wrong.min(), wrong.max(), off.max())


def test_a_frame_that_is_no_larger_than_the_photo_takes_it_as_it_is():
    photo = textured(256, 144)
    assert at_full_size(textured(256, 144, 1), photo) is photo
    assert at_full_size(textured(160, 90), photo) is photo


def test_it_depends_on_nothing_but_its_arguments():
    """Not on frames between, a fourth channel, or how the photo lies in memory."""
    full, photo = textured(640, 360), 255 - textured(64, 36)
    first = at_full_size(full, photo)
    at_full_size(textured(320, 180, 1), photo)
    alpha = np.dstack([full, np.full(full.shape[:2], 7, np.uint8)])
    assert np.array_equal(at_full_size(alpha, photo), first)
    planes = np.ascontiguousarray(photo.transpose(2, 0, 1)).transpose(1, 2, 0)
    assert np.array_equal(at_full_size(full, planes), first)
