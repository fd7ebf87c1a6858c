"""Both renderers, for real, on the same world: what the game's buffers say is what the path tracer sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.place import resolve
from engine_plugins.demo_game.places import PLACES
from engine_plugins.demo_game.scene import Part, Scene, Shot
from engine_plugins.demo_game.worlds import WORLDS
from realmaster.errors import UserError
from realmaster.pairs import align
from tests.boxes import box_pack

raster = pytest.importorskip("engine_plugins.demo_game.raster")
pytestmark = pytest.mark.games
WIDTH, HEIGHT, T = 128, 72, 15.0


@pytest.fixture(params=["room", "square"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return WORLDS[request.param](2)


def measure(game: Scene, photographed: Scene) -> align.Alignment:
    """Figures of two frames, the game's buffers against the path tracer's."""
    pathtrace = pytest.importorskip("realmaster.pairs.pathtrace")
    drawn = raster.Rasteriser(game, WIDTH, HEIGHT)
    tracer = pathtrace.PathTracer(photographed, WIDTH, HEIGHT, 4, T)
    buffers = [drawn.render(t, 1 / 24) for t in (T, T + 1 / 24)]
    photos, depths = zip(*(tracer.render(t, i) for i, t in enumerate((T, T + 1 / 24))), strict=True)
    return align.measure(photos, [b.motion for b in buffers],
                         list(zip([b.inverse_depth for b in buffers], depths, strict=True)))


def test_the_two_renderers_draw_the_same_thing(scene: Scene):
    figures = measure(scene, scene)
    figures.check()
    assert figures.depth_error < 0.004 and figures.warp_gain_db > 0


@pytest.mark.parametrize("kind", ["blocks"])
def test_the_two_renderers_draw_the_same_place(kind: str, tmp_path: Path):
    boxes = box_pack(tmp_path)
    scene = resolve(PLACES[kind](2, boxes), boxes)
    measure(scene, scene).check()


def test_a_camera_that_is_off_is_refused(scene: Scene):
    moved = replace(scene, shots=tuple(Shot(s.eyes + np.float32([0.4, 0.4, 0.4]), s.targets, s.sway)
                                       for s in scene.shots))
    with pytest.raises(UserError):
        measure(scene, moved).check()


def test_glass_shows_what_is_behind_it_and_owns_the_other_buffers():
    """A pane a metre before a wall, both facing the camera."""
    room = WORLDS["room"](2)
    eye, target = np.float32([[0, 1, 3], [0, 1, 3]]), np.float32([[0, 1, 0], [0, 1, 0]])

    def draw(*names: str) -> raster.GBuffer:
        depth = {"wall": 0.0, "glass": 1.0}
        panes = {name: geo.box(8, 8, 0.01).transformed(geo.translate(0, -3, depth[name])) for name in names}
        parts = tuple(Part(mesh, name) for name, mesh in panes.items())
        bare = replace(room, static=parts, movers=(), lamps=(), shots=(Shot(eye, target),))
        return raster.Rasteriser(bare, WIDTH, HEIGHT).render(0.5, 1 / 24)

    wall, glass, both = draw("wall"), draw("glass"), draw("wall", "glass")
    middle = HEIGHT // 2, WIDTH // 2
    over_sky = glass.colour[middle].astype(float)[:3]
    sky = draw().colour[middle].astype(float)[:3]
    pane = (over_sky - (1 - raster.GLASS) * sky) / raster.GLASS
    expected = (1 - raster.GLASS) * wall.colour[middle][:3] + raster.GLASS * pane
    assert np.abs(both.colour[middle][:3] - expected).max() < 4
    assert np.abs(over_sky - sky).max() < 120, "the sky is seen through it"
    assert 1 / float(both.inverse_depth[middle]) == pytest.approx(2, abs=0.05), "the pane's distance, not the wall's"
    assert (both.colour[..., 3] == 255).all(), "no alpha is ever written"
    assert (both.normal[..., 3] == 0).all()
