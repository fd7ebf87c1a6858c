"""A game's interface stays, bit for bit; only the scene behind it goes to the model."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract import ModelSpec
from capture.frame import Buffer, Encoding, Frame, Kind, color_frame
from engine_plugins.demo_game.interface import draw_interface
from realmaster.guides.interface import scene_of, with_interface
from realmaster.stream.windows import Windower

HEIGHT, WIDTH = 90, 160


def game_frame(seed: int, t: float) -> Frame:
    rng = np.random.default_rng(seed)
    scene = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    scene[..., :3] = rng.integers(0, 256, (HEIGHT, WIDTH, 3))
    colours = {Kind.COLOR: draw_interface(scene, t), Kind.SCENE_COLOR: scene}
    return Frame(0, 0, {kind: Buffer(Encoding.RGBA8, data) for kind, data in colours.items()})


@given(st.integers(0, 1000), st.floats(0, 500), st.sampled_from([1, 2, 3]))
def test_every_pixel_of_the_interface_is_the_games_and_every_other_the_models(seed, t, shrink):
    frame = game_frame(seed, t)
    photo = np.full((HEIGHT // shrink, WIDTH // shrink, 3), 7, np.uint8)
    out = with_interface(frame, photo)
    color, scene = (frame.buffers[kind].data[..., :3] for kind in (Kind.COLOR, Kind.SCENE_COLOR))
    drawn = (color != scene).any(-1)
    assert out.shape == color.shape and drawn.any()
    assert np.array_equal(out[drawn], color[drawn]) and (out[~drawn] == 7).all()


def test_the_model_sees_the_scene_alone():
    frame = game_frame(1, 2.0)
    windower = Windower(ModelSpec(model="any", width=WIDTH, height=HEIGHT, length=5, overlap=1))
    windower.push(frame)
    image = windower.flush()[0].images[0]
    assert np.array_equal(image, frame.buffers[Kind.SCENE_COLOR].data[..., :3])


def test_games_without_one_are_left_alone():
    photo, plain = np.zeros((4, 4, 3), np.uint8), color_frame(0, 0, np.ones((HEIGHT, WIDTH, 3), np.uint8))
    assert with_interface(plain, photo) is photo and scene_of(plain) is plain.buffers[Kind.COLOR].data
    smaller = Buffer(Encoding.RGBA8, np.zeros((HEIGHT // 2, WIDTH // 2, 4), np.uint8))
    upscaled = Frame(0, 0, {**plain.buffers, Kind.SCENE_COLOR: smaller})
    assert with_interface(upscaled, photo) is photo, "where the two cannot be told apart pixel by pixel"
