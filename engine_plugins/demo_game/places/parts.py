"""What several places share: paints, strips of road, people who walk."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game.geometry import Mesh
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import Finish, Thing, standing
from engine_plugins.demo_game.scene import Camera
from engine_plugins.demo_game.worlds.cameras import entrance
from engine_plugins.demo_game.worlds.motion import Track, rounded

PAINTS = ((0.62, 0.05, 0.05), (0.06, 0.12, 0.30), (0.86, 0.86, 0.85), (0.86, 0.86, 0.85), (0.05, 0.05, 0.06),
          (0.05, 0.05, 0.06), (0.45, 0.46, 0.48), (0.62, 0.63, 0.65), (0.30, 0.31, 0.33), (0.10, 0.22, 0.16),
          (0.48, 0.36, 0.16), (0.30, 0.42, 0.55))
"""sRGB colours of cars: mostly white, black, grey and silver, as on a road."""


def paints() -> dict[str, Finish]:
    """A finish for each of `PAINTS`, "paint0" and so on."""
    return {f"paint{i}": Finish(colour=colour, roughness=0.32, metallic=0.25, clearcoat=1.0)
            for i, colour in enumerate(PAINTS)}


def strip(x: tuple[float, float], z: tuple[float, float], y: float, metres: float) -> Mesh:
    """A rectangle facing up whose u runs once over a tile of `metres` over the range `x`, and whose v is z."""
    (x0, x1), (z0, z1) = x, z
    position = np.array([[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]], np.float32)
    uv = np.array([[0, z0], [metres, z0], [metres, z1], [0, z1]], np.float32)
    return Mesh(position, np.tile(np.array([[0, 1, 0]], np.float32), (4, 1)), uv,
                np.array([[0, 2, 1], [0, 3, 2]], np.uint32))


WALKING = ("man_1", "man_2", "woman_1", "woman_2", "woman_3", "man_3")
"""Models whose pose is that of a step."""


def walkers(rng: np.random.Generator, pack: Pack, shots: list[Camera], lanes: tuple[tuple[float, float], ...],
            *, half: float, first_id: int) -> list[Thing]:
    """People along `lanes` (x, height) that run from -half to half in z: some stand, some walk past the camera."""
    people = pack.names("person")
    things: list[Thing] = []
    for i in range(16):
        x, y = lanes[int(rng.integers(len(lanes)))]
        z = float(rng.uniform(-0.6 * half, 0.6 * half))
        things.append(Thing(str(rng.choice(people)), standing(x + float(rng.uniform(-1.2, 1.2)), z,
                                                              float(rng.uniform(0, 6.28)), 1, y), first_id + i))
    for i, shot in enumerate(shots):
        when, eye, forward = entrance(rng, i, shot)
        for j in range(2):
            x, y = lanes[int(rng.integers(len(lanes)))]
            way = float(rng.choice([-1, 1]))
            x += float(rng.uniform(-1.0, 1.0))
            place = eye + forward * float(rng.uniform(2, 9))
            path = rounded([(x, -way * half), (x, way * half)], 1, y)
            motion = Track.meeting(path, float(rng.uniform(1.0, 1.6)), place.astype(np.float32), when)
            things.append(Thing(str(rng.choice(WALKING)), motion, first_id + 16 + 2 * i + j))
    return things
