"""Objects that stay as the game drew them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.frame import Buffer, Encoding, Frame, Kind, color_frame
from realmaster.errors import UserError
from realmaster.guides.regions import Regions

HEIGHT, WIDTH = 24, 32


def frame(ids: np.ndarray) -> Frame:
    rng = np.random.default_rng(0)
    plain = color_frame(0, 0, rng.integers(0, 256, (*ids.shape, 3), np.uint8))
    buffers = plain.buffers | {Kind.OBJECT_ID: Buffer(Encoding.INDEX, ids[..., None].astype(np.uint32))}
    return Frame(0, 0, buffers)


@given(st.integers(0, 2**32 - 1), st.sets(st.integers(0, 4), max_size=3), st.sets(st.integers(0, 4), max_size=3))
def test_every_pixel_is_the_games_or_the_models(seed, keep, only):
    rng = np.random.default_rng(seed)
    ids, photo = rng.integers(0, 5, (HEIGHT, WIDTH)), rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    shown = frame(ids)
    out = Regions(tuple(keep), tuple(only)).compose(shown, photo)
    stays = np.isin(ids, list(keep)) | (~np.isin(ids, list(only)) if only else False)
    assert np.array_equal(out, np.where(stays[..., None], shown.rgb, photo))


def test_at_another_size_borders_are_mixed_and_insides_are_exact():
    ids = np.zeros((HEIGHT, WIDTH), int)
    ids[:, WIDTH // 2 + 1:] = 7
    shown, photo = frame(ids), np.full((HEIGHT // 2, WIDTH // 2, 3), 50, np.uint8)
    out = Regions(keep=(7,)).compose(shown, photo)
    assert (out[:, :WIDTH // 4] == 50).all() and not (out[:, -3:] == 50).all()
    border = out[:, WIDTH // 4].astype(int)
    game = Regions(keep=(0, 7)).compose(shown, photo)[:, WIDTH // 4].astype(int)
    assert np.abs(border - (game + 50) / 2).max() <= 1


def test_without_ids_it_says_what_is_missing():
    plain = color_frame(0, 0, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert Regions().compose(plain, photo) is photo
    with pytest.raises(UserError, match="gives none"):
        Regions(keep=(1,)).compose(plain, photo)
