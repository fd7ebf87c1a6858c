"""The evaluation's figures: right where the answer is known, and worse where the picture is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realmaster.evaluation import metrics
from realmaster.evaluation.drift import to_and_fro
from realmaster.pairs.write import newcomers
from realmaster.training.colour import ColourStatistics, to_lab

pytest.importorskip("skimage")


def noise(seed: int, frames: int = 3, height: int = 96, width: int = 96) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(40, 216, (frames, height // 8, width // 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 8, 1), 8, 2)


@pytest.mark.parametrize("figure", [metrics.ssim, metrics.ms_ssim, metrics.edge_f1, metrics.blur_ssim])
def test_a_clip_is_most_like_itself(figure):
    video = noise(0)
    rng = np.random.default_rng(1)
    worse = [np.clip(video + rng.normal(0, s, video.shape), 0, 255).astype(np.uint8) for s in (12, 60)]
    values = [figure(v, video) for v in (video, *worse)]
    assert values[0] == pytest.approx(1, abs=1e-6) and values[0] > values[1] > values[2]


def test_ms_ssim_agrees_with_a_published_implementation():
    library = pytest.importorskip("pytorch_msssim")
    torch = pytest.importorskip("torch")
    a = noise(2, 1, 176, 176)[0]
    b = np.clip(a + np.random.default_rng(3).normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    grey = [torch.from_numpy(metrics._luma(v))[None, None] for v in (a, b)]
    weights = [w / sum(metrics.MS_WEIGHTS) for w in metrics.MS_WEIGHTS]
    theirs = float(library.ms_ssim(*grey, data_range=255, weights=weights))
    assert metrics.ms_ssim(a[None], b[None]) == pytest.approx(theirs, abs=0.02)


def sliding(shift: int, frames: int = 5) -> tuple[np.ndarray, metrics.Motion, np.ndarray]:
    wide = np.repeat(noise(4, 1, 64, 160), 1, 0)[0]
    video = np.stack([wide[:, shift * i:shift * i + 96] for i in range(frames)])
    vectors = np.zeros((frames, 64, 96, 2), np.float16)
    vectors[..., 0] = shift
    ids = np.ones((frames, 64, 96), np.uint32)
    return video, metrics.Motion(vectors, np.full((frames, 64, 96), 0.2, np.float16), ids), ids


def test_motion_along_the_vectors_is_no_error_and_flicker_is():
    video, motion, _ = sliding(3)
    assert motion.warp_error(video) == pytest.approx(0, abs=0.01)
    blinking = video.copy()
    blinking[::2] = blinking[::2] // 2
    assert motion.warp_error(blinking) > 20
    assert np.isnan(motion.flicker(video)), "nothing stands still"
    still, at_rest, _ = sliding(0)
    assert at_rest.flicker(still) == 0
    still[1] += 10
    assert at_rest.flicker(still) == pytest.approx(5, abs=0.1), "there and back, over four changes"


def test_what_comes_out_from_behind_something_does_not_count():
    video, _, ids = sliding(3)
    vectors = np.zeros((5, 64, 96, 2), np.float16)
    vectors[..., 0] = 3
    depth = np.full((5, 64, 96), 0.2, np.float16)
    depth[:, :, 48:] = 1.0
    hidden = metrics.Motion(vectors, depth, ids)
    assert not hidden.seen[0][:, 45:48].any(), "the strip that pointed behind the near half"
    assert hidden.seen[0][:, 10:40].all() and not hidden.seen[0][:, 93:].any()
    assert hidden.warp_error(video) == pytest.approx(0, abs=0.01)


def test_an_object_that_changes_colour_is_unstable():
    video, _, ids = sliding(0)
    assert metrics.colour_stability(video, ids) == pytest.approx(0, abs=1e-3)
    video[3] = video[3] // 2
    assert metrics.colour_stability(video, ids) > 3


def test_colour_transfer_gives_the_statistics_it_learned():
    game, photo = noise(5) // 2 + 20, noise(6)
    moved = ColourStatistics.of(game, photo).apply(game)
    ours, theirs = (to_lab(v.reshape(1, -1, 3)) for v in (moved, photo))
    assert np.abs(ours.mean((0, 1)) - theirs.mean((0, 1))).max() < 3


@given(length=st.integers(2, 40), frames=st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_to_and_fro_never_jumps(length: int, frames: int):
    order = to_and_fro(np.zeros((length, 1, 1, 3), np.uint8), frames)
    assert len(order) == frames and order.min() >= 0 and order.max() < length
    assert (np.abs(np.diff(order)) == 1).all() or frames == 1


def test_newcomers_are_those_that_were_not_there():
    ids = np.zeros((4, 50, 50), np.uint32)
    ids[:, :10] = 1
    ids[2:, 20:30] = 2
    ids[3, 40:, 0] = 3
    assert newcomers(list(ids)) == {"2": 2, "3": 3}
