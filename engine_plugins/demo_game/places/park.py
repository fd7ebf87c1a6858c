"""A park: paths between trees and bushes, benches, lamps, people who walk and stand about."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import Finish, Place, Thing, standing
from engine_plugins.demo_game.places.parts import WALKING
from engine_plugins.demo_game.scene import Camera
from engine_plugins.demo_game.worlds.cameras import along, entrance
from engine_plugins.demo_game.worlds.motion import Track

REACH = 45.0
"""Metres from the middle up to which things stand."""
TREES, BUSHES = 46, 40


def ribbon(points: F32, width: float, height: float = 0.02) -> Mesh:
    """A flat path of `width` metres along `points` (K, 3); v runs along it in metres."""
    way = np.gradient(points.astype(np.float64), axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    right = np.stack([-way[:, 2], np.zeros(len(way)), way[:, 0]], 1)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    across = np.linspace(-0.5, 0.5, 2) * width
    position = points[:, None] + right[:, None] * across[None, :, None]
    position[..., 1] = height
    uv = np.stack(np.broadcast_arrays(across[None], length[:, None]), -1)
    rows = np.arange(len(points) - 1)[:, None] * 2
    index = np.concatenate([rows + np.array((0, 1, 3)), rows + np.array((0, 3, 2))]).astype(np.uint32)
    normal = np.tile(np.array([[0, 1, 0]], np.float32), (2 * len(points), 1))
    return Mesh(position.reshape(-1, 3).astype(np.float32), normal, uv.reshape(-1, 2).astype(np.float32), index)


def path_of(rng: np.random.Generator) -> F32:
    """A path (K, 3) that winds along z."""
    bend = rng.uniform(-0.5, 0.5, 2)
    z = np.linspace(-REACH, REACH, 120)
    x = 6 * np.sin(z * 0.07 + bend[0] * 4) + 4 * bend[1] * np.sin(z * 0.03)
    return np.stack([x, np.zeros_like(z), z], 1).astype(np.float32)


def plants(rng: np.random.Generator, pack: Pack, path: F32) -> list[Thing]:
    """Trees of four kinds and bushes, apart from each other and off the path."""
    trees = [str(n) for n in rng.choice(pack.names("tree"), 4, replace=False)]
    bushes = pack.names("bush")
    spots: list[tuple[float, float]] = []
    things: list[Thing] = []
    for _ in range(600):
        leafy = len(spots) < TREES
        reach, gap = (REACH, 3.6) if leafy else (0.8 * REACH, 2.2)
        x, z = (float(v) for v in rng.uniform(-reach, reach, 2))
        off = abs(float(np.interp(z, path[:, 2], path[:, 0])) - x)
        if off < gap or any((x - a) ** 2 + (z - b) ** 2 < gap ** 2 for a, b in spots):
            continue
        spots.append((x, z))
        size = float(rng.uniform(0.8, 1.2) if leafy else rng.uniform(0.6, 1.3))
        name = str(rng.choice(trees if leafy else bushes))
        things.append(Thing(name, standing(x, z, float(rng.uniform(0, 6.28)), size)))
        if len(spots) >= TREES + BUSHES:
            break
    return things


def furniture(rng: np.random.Generator, pack: Pack, path: F32) -> list[Thing]:
    """Benches, lamps and bins beside the path."""
    things: list[Thing] = []
    for about in np.arange(-REACH, REACH, 9.0):
        z, side = float(about + rng.uniform(-2, 2)), float(rng.choice([-1, 1]))
        x = float(np.interp(z, path[:, 2], path[:, 0])) + side * 2.4
        kind = rng.random()
        if kind < 0.4:
            things.append(Thing(str(rng.choice(pack.names("bench"))), standing(x, z, side * np.pi / 2)))
        elif kind < 0.65:
            things.append(Thing("park_light", standing(x, z, 0, 1.4)))
        elif kind < 0.8:
            things.append(Thing("bin", standing(x, z)))
    return things


def people(rng: np.random.Generator, pack: Pack, path: F32, shots: list[Camera]) -> list[Thing]:
    """Some who stand about, and in every shot one who walks along the path and one who walks across the lawn."""
    things: list[Thing] = []
    for i in range(14):
        z = float(rng.uniform(-0.7, 0.7)) * REACH
        beside = float(rng.choice([-1, 1])) * float(rng.uniform(1.6, 9))
        x = float(np.interp(z, path[:, 2], path[:, 0])) + beside
        name = str(rng.choice(pack.names("person")))
        things.append(Thing(name, standing(x, z, float(rng.uniform(0, 6.28))), 10 + i))
    for i, shot in enumerate(shots):
        when, eye, forward = entrance(rng, i, shot)
        near = (eye + forward * float(rng.uniform(4, 12))).astype(np.float32)
        side = np.array([float(rng.choice([-1, 1])) * float(rng.uniform(0.4, 1.1)), 0.02, 0], np.float32)
        along_path = path[::int(rng.choice([-1, 1]))] + side
        turn = float(rng.uniform(0, 6.28))
        way = np.array([np.cos(turn), 0, np.sin(turn)])
        across = (near * (1, 0, 1) + np.linspace(-25, 25, 40)[:, None] * way).astype(np.float32)
        for j, line in enumerate((along_path, across)):
            motion = Track.meeting(line, float(rng.uniform(1, 1.6)), near, when)
            things.append(Thing(str(rng.choice(WALKING)), motion, 40 + 2 * i + j))
    return things


def shots_of(rng: np.random.Generator, path: F32) -> list[Camera]:
    """Walks along the path, both ways."""
    shots: list[Camera] = []
    for i in range(8):
        at = int(rng.integers(30, 80))
        eye, ahead = path[at], path[np.clip(at + (16 if i % 2 else -16), 0, len(path) - 1)]
        step = (ahead - eye) / np.linalg.norm(ahead - eye) * rng.uniform(0.6, 2.0)
        aim = float(ahead[0] + rng.uniform(-4, 4)), 1.6, float(ahead[2])
        shots.append(along((float(eye[0]), 1.65, float(eye[2])), aim, (float(step[0]), 0.0, float(step[2])), 0.4))
    return shots


def build(seed: int, pack: Pack) -> Place:
    """The park that belongs to `seed`."""
    rng = np.random.default_rng([seed, 20])
    sky = str(rng.choice(["meadow", "sunrise", "autumn", "platz", "slope", "woodland", "dawn"]))
    path = path_of(rng)
    shots = shots_of(rng, path)
    finishes = {"lawn": Finish("lawn", tint=(1.0, float(rng.uniform(0.95, 1.1)), 0.9)),
                "path": Finish(str(rng.choice(["slab", "soil", "setts", "leaves"])))}
    pieces = ((geo.quad(600, 600), "lawn"), (ribbon(path, float(rng.uniform(2.4, 3.6))), "path"))
    things = (*plants(rng, pack, path), *furniture(rng, pack, path), *people(rng, pack, path, shots))
    return Place("a park with trees and people", sky, float(rng.uniform(0, 6.28)), finishes, pieces, things,
                 tuple(shots))
