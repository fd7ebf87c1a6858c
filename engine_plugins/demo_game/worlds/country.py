"""Open country: hills, a winding road, firs and leafy trees, rocks, a pond, a cottage, a car and a walker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.scene import SHOT_SECONDS, Material, Mover, Part, Scene, Shot
from engine_plugins.demo_game.textures import facade, plain, puddled, speckled
from engine_plugins.demo_game.worlds import props
from engine_plugins.demo_game.worlds.cameras import entrance
from engine_plugins.demo_game.worlds.motion import Track
from engine_plugins.demo_game.worlds.skies import sky

HALF = 120.0
ROAD = 2.6
"""Half the road's width in metres."""


class Land:
    """The lie of the land: where the road runs, and how high the ground is."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._bend = rng.uniform(4, 10), rng.uniform(0.02, 0.035), rng.uniform(0, 6.28)
        self._waves = [(rng.uniform(0.5, 2.2), *rng.normal(0, 0.045, 2), rng.uniform(0, 6.28)) for _ in range(7)]

    def road(self, z: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """The road's x at `z`."""
        size, rate, phase = self._bend
        return np.asarray(size * np.sin(rate * np.asarray(z) + phase) - size * np.sin(phase))

    def height(self, x: NDArray[np.float64] | float, z: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Ground height in metres; the road's own is flat from side to side, and the hills rise away from it."""
        x, z = np.asarray(x, np.float64), np.asarray(z, np.float64)
        away = np.clip((np.abs(x - self.road(z)) - ROAD - 0.6) / 14, 0, 1)
        hills = sum(a * np.sin(u * x + v * z + p) for a, u, v, p in self._waves)
        along = sum(0.3 * a * np.sin(v * z + p) for a, _, v, p in self._waves)
        return np.asarray(along + away * away * (3 - 2 * away) * (hills - along + 1.2) - 0.12 * (away > 0))

    def at(self, x: float, z: float) -> F32:
        """Where something stands on the ground."""
        return geo.translate(x, float(self.height(x, z)), z)


def _materials(rng: np.random.Generator, wet: bool) -> dict[str, Material]:
    green = rng.uniform(0.7, 1.2)
    season = (0.30 * rng.uniform(0.8, 1.5), 0.36 * green, 0.13)
    road = puddled(rng, (0.21, 0.20, 0.19), 0.5) if wet else speckled(rng, (0.36, 0.33, 0.29), 0.5, 0.9, 4.0)
    return {
        **props.materials(rng),
        "meadow": Material(speckled(rng, season, 0.8, 0.95, 9.0)),
        "road": Material(road),
        "blade": Material(speckled(rng, (season[0] * 1.1, season[1] * 1.2, 0.16), 0.4, 0.7, 1.0)),
        "rock": Material(speckled(rng, (0.45, 0.44, 0.42), 0.8, 0.9, 2.0)),
        "water": Material(plain((0.05, 0.10, 0.10), 0.02), clearcoat=1.0),
        "wall": Material(facade(rng, (0.80, 0.76, 0.68))),
        "thatch": Material(speckled(rng, (0.40, 0.28, 0.18), 0.6, 0.95, 2.0)),
    }


def _ground(land: Land) -> list[Part]:
    rows = np.linspace(-HALF, HALF, 121)
    columns = np.concatenate([np.linspace(-HALF, -22, 22), np.linspace(-20, 20, 31), np.linspace(22, HALF, 22)])
    z, offset = np.meshgrid(rows, columns, indexing="ij")
    x = offset + land.road(z)
    meadow = geo.sheet(x, z, land.height(x, z) - 0.02 * (np.abs(offset) < ROAD))
    z, offset = np.meshgrid(rows, np.array([-ROAD, 0.0, ROAD]), indexing="ij")
    x = offset + land.road(z)
    return [Part(meadow, "meadow"), Part(geo.sheet(x, z, land.height(x, z) + 0.03), "road")]


def _grass(rng: np.random.Generator, land: Land) -> Mesh:
    """Tufts beside the road: blades of one triangle, seen from both sides."""
    count = 2500
    z = rng.uniform(-HALF * 0.8, HALF * 0.8, count)
    x = land.road(z) + rng.choice([-1, 1], count) * (ROAD + 0.5 + rng.exponential(3.0, count))
    root = np.stack([x, land.height(x, z) - 0.03, z], 1)
    angle, tall = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.2, 0.55, count)
    side = 0.06 * np.stack([np.cos(angle), 0 * angle, np.sin(angle)], 1)
    tip = root + np.stack([rng.normal(0, 0.08, count), tall, rng.normal(0, 0.08, count)], 1)
    position = np.stack([root - side, root + side, tip, root + side, root - side, tip], 1).reshape(-1, 3)
    normal = np.tile([0.0, 1.0, 0.0], (len(position), 1))
    index = np.arange(len(position)).reshape(-1, 3)
    return Mesh(position.astype(np.float32), normal.astype(np.float32), position[:, [0, 2]].astype(np.float32),
                index.astype(np.uint32))


def _nature(rng: np.random.Generator, land: Land) -> list[Part]:
    parts = [Part(_grass(rng, land), "blade")]
    for _ in range(110):
        z, side = float(rng.uniform(-HALF, HALF)), int(rng.choice([-1, 1]))
        x = float(land.road(z)) + side * (ROAD + 2.2 + float(rng.exponential(14.0)))
        at, kind = land.at(x, z), rng.random()
        if kind < 0.4:
            parts += props.fir(rng, at)
        elif kind < 0.65:
            parts += props.tree(rng, at)
        elif kind < 0.8:
            parts.append(Part(geo.lump(rng.uniform(0.4, 0.9), rng, 0.1, 0.8).transformed(at), "leaf"))
        else:
            parts.append(Part(geo.lump(rng.uniform(0.3, 1.3), rng, 0.12, 0.6).transformed(at), "rock"))
    return parts


def _pond(rng: np.random.Generator, land: Land) -> list[Part]:
    z, side = float(rng.uniform(-60, 60)), float(rng.choice([-1, 1]))
    x = float(land.road(z)) + side * float(rng.uniform(11, 16))
    level = float(land.height(x, z)) + 0.35
    stones = [geo.lump(rng.uniform(0.3, 0.6), rng, 0.12, 0.6).transformed(
        geo.translate(x + 6.1 * np.cos(a), level - 0.1, z + 6.1 * np.sin(a))) for a in np.arange(0, 6.28, 0.22)]
    return [Part(geo.cylinder(6.0, 1.5, 32).transformed(geo.translate(x, level - 1.5, z)), "water"),
            Part(geo.merge(stones), "rock")]


def _cottage(rng: np.random.Generator, land: Land) -> list[Part]:
    parts: list[Part] = []
    for _ in range(3):
        z, side = float(rng.uniform(-80, 60)), float(rng.choice([-1, 1]))
        at = land.at(float(land.road(z)) + side * 13, z) @ geo.yaw(float(rng.uniform(-0.4, 0.4)))
        gable = geo.lathe([(5.9, 0), (0.05, 3.0)], 4).transformed(geo.translate(0, 3, 0) @ geo.yaw(np.pi / 4))
        parts += [Part(geo.box(7, 4, 7).transformed(at @ geo.translate(0, -1, 0)), "wall"),
                  Part(gable.transformed(at), "thatch"),
                  Part(geo.box(0.7, 5.4, 0.7).transformed(at @ geo.translate(1.5, 0, 1)), "rock")]
    return parts


def _fence(rng: np.random.Generator, land: Land) -> list[Part]:
    side, pieces = float(rng.choice([-1, 1])), list[Mesh]()
    for z in np.arange(-70, 70, 2.5):
        x = float(land.road(float(z))) + side * (ROAD + 1.3)
        post = land.at(x, float(z))
        pieces.append(geo.box(0.12, 1.1, 0.12).transformed(post))
        ahead = land.at(float(land.road(float(z) + 2.5)) + side * (ROAD + 1.3), float(z) + 2.5)[:3, 3]
        dx, dy, dz = (float(v) for v in ahead - post[:3, 3])
        turn = geo.yaw(float(np.arctan2(dx, dz))) @ geo.pitch(-float(np.arctan2(dy, np.hypot(dx, dz))))
        rail = turn @ geo.translate(0, 0, 1.25)
        pieces += [geo.box(0.06, 0.1, 2.55).transformed(post @ geo.translate(0, h, 0) @ rail) for h in (0.5, 0.9)]
    return [Part(geo.merge(pieces), "wood")]


def _on_road(land: Land, offset: float, forward: bool) -> F32:
    z = np.linspace(HALF, -HALF, 97) if forward else np.linspace(-HALF, HALF, 97)
    x = land.road(z) + offset
    return np.stack([x, land.height(land.road(z), z) + 0.03, z], 1).astype(np.float32)


def _movers(rng: np.random.Generator, land: Land, shots: tuple[Shot, ...]) -> list[Mover]:
    """A car that passes the camera in every shot, and walkers."""
    movers: list[Mover] = []
    for i, shot in enumerate(shots):
        when, eye, _ = entrance(rng, i, shot)
        forward = bool(rng.random() < 0.75)
        path = _on_road(land, 1.5 if forward else -1.5, forward)
        paint = f"paint{rng.integers(props.COATS)}"
        body = props.van(paint, i + 1) if rng.random() < 0.3 else props.car(paint, i + 1)
        movers.append(Mover(body, Track.meeting(path, float(rng.uniform(10, 15)), eye, when)))
    for i in range(3):
        track = Track(_on_road(land, float(rng.choice([-1, 1])) * 2.2, bool(rng.random() < 0.5)),
                      float(rng.uniform(1.1, 1.5)), float(rng.uniform(60, 190)))
        movers += props.walker(track, int(rng.integers(props.COATS)), i + 9, float(rng.uniform(1.6, 1.9)))
    return movers


def _shots(rng: np.random.Generator, land: Land) -> tuple[Shot, ...]:
    shots: list[Shot] = []
    for i in range(8):
        speed = float(rng.uniform(4, 9)) if i % 2 == 0 else 1.4
        z = float(rng.uniform(0, 60)) - speed * np.linspace(0, SHOT_SECONDS, 11)
        lift = float(rng.uniform(1.6, 3.4)) if i % 2 == 0 else 1.7
        aside = 0.0 if i % 2 == 0 else float(rng.choice([-1, 1])) * 3.1
        turn = 0.0 if i % 2 == 0 else -aside * float(rng.uniform(1, 5))
        eyes = np.stack([land.road(z) + aside, land.height(land.road(z), z) + lift, z], 1)
        far = z - 14
        targets = np.stack([land.road(far) + turn, land.height(land.road(far), far) + lift - 0.6, far], 1)
        shots.append(Shot(eyes.astype(np.float32), targets.astype(np.float32), 0.6))
    return tuple(shots)


def build(seed: int) -> Scene:
    """The country that belongs to `seed`."""
    rng = np.random.default_rng([seed, 2])
    time = str(rng.choice(["noon", "low sun", "overcast"], p=(0.45, 0.33, 0.22)))
    wet = time == "overcast" and bool(rng.random() < 0.7)
    land = Land(rng)
    materials = _materials(rng, wet)
    static = (*_ground(land), *_nature(rng, land), *_pond(rng, land), *_cottage(rng, land), *_fence(rng, land))
    caption = f"a country road between hills and trees, {'wet, ' if wet else ''}{time}"
    shots = _shots(rng, land)
    return Scene(caption, materials, static, tuple(_movers(rng, land, shots)), (), sky(rng, time), shots)
