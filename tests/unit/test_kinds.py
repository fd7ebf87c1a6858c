"""The kinds of place: a seed's place is always the same, and all that it names is in the catalogue."""

from __future__ import annotations

import numpy as np
import pytest

from engine_plugins.demo_game.cubes import PIXELS
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import Place, resolve
from engine_plugins.demo_game.places import PLACES, blocks
from engine_plugins.demo_game.worlds.motion import Still
from tests.boxes import box_pack


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return box_pack(tmp_path_factory.mktemp("boxes"))


def _told(place: Place) -> list[object]:
    """Everything of a place that can be compared."""
    return [place.caption, place.sky, place.yaw, place.finishes,
            [(name, mesh.position.tobytes(), mesh.index.tobytes()) for mesh, name in place.pieces],
            [(t.model, t.object_id, t.dress, t.motion.pose(7.3).tobytes()) for t in place.things],
            [shot.view(2.0).tobytes() for shot in place.shots]]


@pytest.mark.parametrize("kind", PLACES)
def test_a_seed_gives_one_place_of_things_that_are_there(kind: str, boxes: Pack) -> None:
    first = PLACES[kind](3, boxes)
    assert _told(first) == _told(PLACES[kind](3, boxes))
    assert _told(first) != _told(PLACES[kind](4, boxes))
    scene = resolve(first, boxes)
    assert len(scene.shots) == 8
    assert {part.material for part in scene.static} <= set(scene.materials)
    moving = [thing for thing in first.things if not isinstance(thing.motion, Still)]
    assert len(moving) >= 8, "something moves in every shot"
    assert all(thing.object_id for thing in moving)


def test_cubes_are_seen_from_outside_alone() -> None:
    cubes = np.zeros((blocks.SIZE, blocks.TOP, blocks.SIZE), np.uint8)
    cubes[3:5, 7, 3] = blocks.GRASS
    found = dict[str, int]()
    for mesh, name in blocks.faces(cubes):
        found[name] = found.get(name, 0) + len(mesh.index) // 2
        a, b, c = (mesh.position[mesh.index[:, i]] for i in range(3))
        facing = np.cross(b - a, c - a)
        assert (np.sum(facing * mesh.normal[mesh.index[:, 0]], 1) > 0).all(), "faces look out"
    assert found == {"grass": 2 + 6, "earth": 6 + 2}, "turf lies on top and hangs down the six sides; earth is below"


def test_a_block_games_pixels_are_the_games_alone(boxes: Pack) -> None:
    scene = resolve(PLACES["blocks"](1, boxes), boxes)
    grass = scene.materials["grass"]
    assert grass.drawn is not None and grass.drawn.colour.shape == (PIXELS, PIXELS, 3)
    assert grass.texture.colour.shape[0] > 10 * PIXELS
    apart = grass.drawn.colour.mean((0, 1)) - grass.texture.colour.mean((0, 1))
    assert np.abs(apart).max() < 40, "both are of one colour"
    assert scene.materials["water"].drawn is None
