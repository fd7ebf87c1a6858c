"""A racing track: a loop of asphalt in the open, kerbs, rails, people who watch, cars that race. Held out whole."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import Finish, Place, Thing, standing
from engine_plugins.demo_game.places.park import ribbon
from engine_plugins.demo_game.places.parts import PAINTS, paints
from engine_plugins.demo_game.scene import SHOT_SECONDS, Camera, Shot
from engine_plugins.demo_game.worlds.cameras import entrance
from engine_plugins.demo_game.worlds.motion import Track

WIDE = 10.0
"""Metres of asphalt."""


def loop(rng: np.random.Generator) -> F32:
    """The track's middle (K, 3): a circle pushed in and out by waves; it ends where it begins."""
    angle = np.linspace(0, 2 * np.pi, 241)
    radius = 75 + sum(float(rng.uniform(4, 13)) * np.sin(k * angle + float(rng.uniform(0, 6.28))) for k in (2, 3, 4))
    return np.stack([radius * np.cos(angle), 0 * angle, radius * np.sin(angle)], 1).astype(np.float32)


def beside(path: F32, metres: float) -> F32:
    """The path moved to its side."""
    way = np.gradient(path.astype(np.float64), axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return (path + metres * np.stack([-way[:, 2], 0 * way[:, 0], way[:, 0]], 1)).astype(np.float32)


def scenery(rng: np.random.Generator, pack: Pack, path: F32) -> list[Thing]:
    """Rails, cones, containers, people who watch, and trees behind them."""
    things: list[Thing] = []
    trees = [str(n) for n in rng.choice(pack.names("tree"), 3, replace=False)]
    for side in (-1, 1):
        rail, far = beside(path, side * 8.0), beside(path, side * 17.0)
        for i in range(0, 240, 2):
            ahead = rail[i + 1] - rail[i]
            turn = float(np.arctan2(-ahead[2], ahead[0]))
            if rng.random() < 0.6:
                things.append(Thing("railing", standing(float(rail[i, 0]), float(rail[i, 2]), turn)))
            x, z = (float(v) for v in far[i, [0, 2]] + rng.uniform(-4, 4, 2))
            kind = rng.random()
            if kind < 0.22:
                things.append(Thing(str(rng.choice(trees)), standing(x, z, float(rng.uniform(0, 6.28)))))
            elif kind < 0.3:
                name = str(rng.choice(pack.names("person")))
                things.append(Thing(name, standing((x + float(rail[i, 0])) / 2, (z + float(rail[i, 2])) / 2,
                                                   float(rng.uniform(0, 6.28))), 40))
            elif kind < 0.33:
                things.append(Thing("container", standing(x, z, turn)))
            elif kind < 0.42:
                near = beside(path, side * 6.2)[i]
                things.append(Thing("cone", standing(float(near[0]), float(near[2]))))
    return things


def build(seed: int, pack: Pack) -> Place:
    """The track that belongs to `seed`."""
    rng = np.random.default_rng([seed, 22])
    path = loop(rng)
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    shots: list[Camera] = []
    for _ in range(8):
        speed, start = float(rng.uniform(12, 24)), float(rng.uniform(0, steps[-1]))
        at = (start + speed * np.linspace(0, SHOT_SECONDS, 31)) % steps[-1]
        eyes, aims = (np.stack([np.interp((at + more) % steps[-1], steps, path[:, i]) for i in range(3)], 1)
                      + np.array((0, height, 0)) for more, height in ((0.0, 1.5), (14.0, 1.1)))
        shots.append(Shot(eyes.astype(np.float32), aims.astype(np.float32), 0.3))
    cars: list[Thing] = []
    for i, shot in enumerate(shots):
        when, eye, forward = entrance(rng, i, shot)
        for j, ahead in enumerate((float(rng.uniform(7, 16)), float(rng.uniform(-3, 2)))):
            line = beside(path, float(rng.choice([-2.8, 2.8]) if j else rng.uniform(-2, 2)))
            motion = Track.meeting(line, float(rng.uniform(14, 26)), (eye + ahead * forward).astype(np.float32), when)
            cars.append(Thing(str(rng.choice(pack.names("car"))), motion, 1 + 2 * i + j,
                              {"paint": f"paint{rng.integers(len(PAINTS))}"}))
    finishes = {"track": Finish(f"asphalt_{rng.integers(1, 4)}"), "lawn": Finish("lawn"), "sand": Finish("sand"),
                "red": Finish(colour=(0.7, 0.08, 0.06)), **paints()}
    pieces = [(geo.quad(700, 700).transformed(geo.translate(0, -0.02, 0)), "lawn"), (ribbon(path, WIDE), "track"),
              *((ribbon(beside(path, side * 5.3), 0.7, 0.03), "red") for side in (-1, 1)),
              (ribbon(beside(path, 7.2), 3.0, 0.01), "sand")]
    sky = str(rng.choice(["meadow", "autumn", "city", "sunrise", "platz"]))
    return Place("a racing track with cars", sky, float(rng.uniform(0, 6.28)), finishes, tuple(pieces),
                 (*scenery(rng, pack, path), *cars), tuple(shots))
