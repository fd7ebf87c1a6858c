"""The windower and the stitcher: no frame lost or doubled, whatever the stream does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract import ModelSpec, padded
from capture.frame import Flags, Frame, color_frame
from realmaster.guides.pictures import fit
from realmaster.stream.stitch import Stitcher, border_ratio, cross_fade, overlap_weights
from realmaster.stream.windows import Cut, Windower
from tests.fakes import SPEC

SHAPES = st.integers(1, 5).flatmap(lambda k: st.tuples(st.just(4 * k + 1), st.integers(0, (4 * k + 1) // 2)))


def stream(sizes_and_resets: list[tuple[int, bool]]) -> list[Frame]:
    return [color_frame(i, i, np.full((8, 8 + size, 3), i % 256, np.uint8), flags=Flags.RESET if reset else Flags.NONE)
            for i, (size, reset) in enumerate(sizes_and_resets)]


def spec_of(length: int, overlap: int) -> ModelSpec:
    return ModelSpec(model="any", width=8, height=8, length=length, overlap=overlap)


def cuts_of(windower: Windower, frames: list[Frame]) -> list[Cut]:
    return [c for f in frames for c in windower.push(f)] + windower.flush()


@given(SHAPES, st.lists(st.tuples(st.integers(0, 1), st.sampled_from([False] * 9 + [True])), max_size=90))
def test_every_frame_is_in_a_window_and_none_spans_a_cut(shape, kinds):
    length, overlap = shape
    frames = stream(kinds)
    seen: dict[int, tuple[int, int]] = {}
    for cut in cuts_of(Windower(spec_of(length, overlap)), frames):
        assert 1 <= len(cut.frames) <= length
        assert len({f.size for f in cut.frames}) == 1
        ids = [f.frame_id for f in cut.frames]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert not any(f.flags & Flags.RESET for f in cut.frames[1:])
        for i, frame_id in enumerate(ids):
            assert seen.setdefault(frame_id, (cut.segment, cut.start + i)) == (cut.segment, cut.start + i)
    assert sorted(seen) == list(range(len(frames)))


@given(SHAPES, st.integers(0, 80))
def test_stitching_what_was_cut_gives_the_stream_back(shape, count):
    length, overlap = shape
    frames = stream([(0, False)] * count)
    stitcher, pieces = Stitcher(overlap), []
    for cut in cuts_of(Windower(spec_of(length, overlap)), frames):
        pieces += stitcher.push(cut.segment, cut.start, np.stack(cut.images))
    pieces += stitcher.flush()
    out = [frame for p in pieces for frame in p.frames]
    places = [(p.segment, p.start + i) for p in pieces for i in range(len(p.frames))]
    assert len(out) == count and len(set(places)) == count
    assert all((a == f.rgb).all() for a, f in zip(out, frames, strict=True))


@given(st.integers(1, 9), st.lists(st.booleans(), min_size=1, max_size=12))
def test_lost_chunks_lose_only_their_own_frames(k, arrives):
    overlap, length = k, 3 * k + 1
    stride = length - overlap
    stitcher, out = Stitcher(overlap), []
    for n, here in enumerate(arrives):
        if here:
            out += stitcher.push(0, n * stride, np.full((length, 2, 2, 3), n, np.uint8))
    out += stitcher.flush()
    places = [p.start + i for p in out for i in range(len(p.frames))]
    expected = {n * stride + i for n, here in enumerate(arrives) if here for i in range(length)}
    assert places == sorted(expected)


@given(st.integers(0, 40))
def test_weights_sum_to_one_and_rise(count):
    new = overlap_weights(count)
    old = overlap_weights(count)[::-1]
    assert np.allclose(new + old, 1)
    assert (np.diff(new) > 0).all() and ((new > 0) & (new < 1)).all()


def test_cross_fade_of_equal_frames_is_exact_and_of_others_lies_between():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 5, 6, 7, 3), np.uint8)
    assert np.array_equal(cross_fade(a, a), a)
    mixed = np.stack(cross_fade(a, b))
    assert (mixed >= np.minimum(a, b)).all() and (mixed <= np.maximum(a, b)).all()
    with pytest.raises(ValueError, match="shorter"):
        cross_fade(a, b[:4])


def test_the_seam_metric_sees_a_seam():
    ramp = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    assert border_ratio(ramp, [10]) == pytest.approx(1)
    broken = ramp.copy()
    broken[10:] += 40
    assert border_ratio(broken, [10]) > 10


def test_a_short_window_is_padded_with_its_last_frame():
    frames = [color_frame(i, i, np.full((96, 128, 3), 10 * i, np.uint8)) for i in range(3)]
    (cut,) = cuts_of(Windower(SPEC), frames)
    window = padded(cut.images, SPEC.length)
    assert np.shape(window) == (13, 48, 64, 3)
    assert (np.array(window[2:]) == 20).all() and (window[1] == 10).all()


def test_fit_keeps_a_frame_of_the_right_size_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    assert fit(image, 64, 48) is image
    assert fit(image, 32, 24).shape == (24, 32, 3)
