"""A town square: houses all round, a fountain, statues, parasols, planters, and people crossing."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32
from engine_plugins.demo_game.scene import Lamp, Material, Mover, Part, Scene, Shot
from engine_plugins.demo_game.textures import facade, paving, plain, puddled, speckled, weave
from engine_plugins.demo_game.worlds import props
from engine_plugins.demo_game.worlds.cameras import along, entrance, orbit
from engine_plugins.demo_game.worlds.motion import Track, rounded
from engine_plugins.demo_game.worlds.skies import pick_time, sky
from engine_plugins.demo_game.worlds.street import WALLS

HALF = 22.0
"""The square's houses stand at this distance from its middle."""


def _materials(rng: np.random.Generator, wet: bool) -> dict[str, Material]:
    tint = np.array((1.0, rng.uniform(0.92, 1), rng.uniform(0.8, 1)))
    stone = [float(v) for v in rng.uniform(0.42, 0.62) * tint]
    ground = puddled(rng, (0.36, 0.34, 0.32), 0.45) if wet else paving(rng, (stone[0], stone[1], stone[2]))
    m = {
        **props.materials(rng),
        "ground": Material(ground),
        "stone": Material(speckled(rng, (0.62, 0.58, 0.52), 0.4, 0.85, 2.0)),
        "bronze": Material(speckled(rng, (0.48, 0.34, 0.18), 0.3, 0.25, 1.0), metallic=0.9),
        "water": Material(plain((0.06, 0.13, 0.15), 0.03), clearcoat=1.0),
        "roof": Material(speckled(rng, (0.42, 0.24, 0.18), 0.5, 0.85)),
        "soil": Material(speckled(rng, (0.20, 0.14, 0.10), 0.8, 0.95, 1.0)),
    }
    for i in range(3):
        m[f"facade{i}"] = Material(facade(rng, WALLS[rng.integers(len(WALLS))]))
    for i in range(2):
        hue = rng.uniform(0.15, 0.85, 3)
        m[f"canvas{i}"] = Material(weave(rng, (hue[0], hue[1], hue[2]), float(rng.choice([0.0, 0.8]))), sheen=0.6)
    return m


def _houses(rng: np.random.Generator) -> list[Part]:
    """A closed ring of houses, seen from inside."""
    parts: list[Part] = []
    for quarter in range(4):
        turn = geo.yaw(quarter * np.pi / 2)
        x = -HALF - 6.0
        while x < HALF + 6:
            width, height = 3.0 * rng.integers(2, 5), 3.0 * rng.integers(2, 5)
            at = turn @ geo.translate(x + width / 2, 0, -HALF - 5 - rng.uniform(0, 0.6))
            parts.append(Part(geo.box(width, height, 10).transformed(at), f"facade{rng.integers(3)}"))
            ridge = geo.lathe([(0.72 * 1.05 * max(width, 10) , 0), (0.02, rng.uniform(1.5, 3))], 4)
            roof = geo.box(width + 0.4, 0.3, 10.6)
            parts.append(Part(roof.transformed(at @ geo.translate(0, height, 0)), "roof"))
            if rng.random() < 0.5 and width > 8:
                tip = at @ geo.translate(0, height + 0.3, 0) @ geo.yaw(np.pi / 4)
                parts.append(Part(ridge.transformed(tip), "roof"))
            x += width
    return parts


def _fountain(rng: np.random.Generator) -> list[Part]:
    rim = float(rng.uniform(2.2, 3.2))
    basin = geo.lathe([(rim, 0), (rim + 0.1, 0.5), (rim - 0.15, 0.55), (rim - 0.25, 0.3), (0.3, 0.25)], 28)
    stem = geo.lathe([(0.5, 0.2), (0.22, 0.7), (0.18, 1.3), (0.9, 1.6), (0.95, 1.7), (0.2, 1.62)], 22)
    pool = geo.cylinder(rim - 0.2, 0.02, 28).transformed(geo.translate(0, 0.4, 0))
    bowl = geo.cylinder(0.85, 0.02, 22).transformed(geo.translate(0, 1.64, 0))
    ball = geo.superellipsoid((0.5, 0.5, 0.5), 1.0).transformed(geo.translate(0, 1.95, 0))
    return [Part(geo.merge([basin, stem]), "stone"), Part(geo.merge([pool, bowl]), "water"), Part(ball, "bronze")]


def _statue(rng: np.random.Generator, at: F32) -> list[Part]:
    plinth = geo.box(1.1, 1.0, 1.1)
    torso = geo.superellipsoid((0.5, 1.0, 0.35), 0.8).transformed(geo.translate(0, 2.0, 0))
    head = geo.superellipsoid((0.26, 0.34, 0.28), 1.0).transformed(geo.translate(0, 2.72, 0))
    robe = geo.lathe([(0.42, 1.0), (0.30, 1.5), (0.26, 1.9)], 14)
    arm = geo.superellipsoid((0.14, 0.7, 0.14), 0.8).transformed(
        geo.translate(0.3, 2.35, 0) @ geo.roll(float(rng.uniform(-2.4, -0.3))))
    return [Part(plinth.transformed(at), "stone"), Part(geo.merge([torso, head, robe, arm]).transformed(at), "bronze")]


def _parasol(rng: np.random.Generator, at: F32) -> list[Part]:
    """A parasol over a round table with two chairs."""
    shade = geo.lathe([(1.5, 2.0), (0.75, 2.4), (0.03, 2.65)], 8)
    under = geo.lathe([(0.03, 2.62), (0.75, 2.37), (1.5, 1.98)], 8)
    pole = geo.cylinder(0.03, 2.6, 7)
    top = geo.cylinder(0.45, 0.04, 16).transformed(geo.translate(0, 0.72, 0))
    chairs = [geo.merge([geo.box(0.4, 0.04, 0.4).transformed(geo.translate(0, 0.45, 0)),
                         geo.box(0.4, 0.5, 0.04).transformed(geo.translate(0, 0.45, -0.2)),
                         *(geo.box(0.04, 0.45, 0.04).transformed(geo.translate(x, 0, z))
                           for x in (-0.17, 0.17) for z in (-0.17, 0.17))]).transformed(
        geo.yaw(a) @ geo.translate(0, 0, -0.8)) for a in (float(rng.uniform(0, 3)), float(rng.uniform(3, 6)))]
    return [Part(geo.merge([shade, under]).transformed(at), f"canvas{rng.integers(2)}"),
            Part(geo.merge([pole, top]).transformed(at), "steel"), Part(geo.merge(chairs).transformed(at), "wood")]


def _planter(rng: np.random.Generator, at: F32) -> list[Part]:
    return [Part(geo.box(1.2, 0.5, 1.2).transformed(at), "stone"),
            Part(geo.box(1.05, 0.53, 1.05).transformed(at), "soil"),
            Part(geo.lump(rng.uniform(0.5, 0.7), rng, 0.1).transformed(at @ geo.translate(0, 0.95, 0)), "leaf")]


def _things(rng: np.random.Generator, dark: bool) -> tuple[list[Part], list[Lamp]]:
    """What stands about on a jittered grid that leaves the fountain and the diagonal paths free."""
    parts: list[Part] = []
    lamps: list[Lamp] = []
    for quarter in range(4):
        posts, lights = props.street_lamp(geo.yaw(quarter * np.pi / 2) @ geo.translate(7.5, 0, 7.5), dark, 0.8)
        parts, lamps = parts + posts, lamps + lights
    for x in np.arange(-16, 17, 5.5):
        for z in np.arange(-16, 17, 5.5):
            if np.hypot(x, z) < 6 or rng.random() < 0.35:
                continue
            at = geo.translate(x + rng.uniform(-1, 1), 0, z + rng.uniform(-1, 1)) @ geo.yaw(rng.uniform(0, 6.28))
            kind = rng.random()
            if kind < 0.3:
                parts += _parasol(rng, at)
            elif kind < 0.45:
                parts += _planter(rng, at)
            elif kind < 0.6:
                parts += props.tree(rng, at)
            elif kind < 0.7:
                parts += _statue(rng, at)
            elif kind < 0.8:
                parts += props.bench(at)
            else:
                parts += props.shelter(at)
    return parts, lamps


def _people(rng: np.random.Generator, shots: tuple[Shot, ...]) -> list[Mover]:
    """Walkers who cross the square, one of them in front of the camera in every shot."""
    movers: list[Mover] = []
    for i, shot in enumerate(shots):
        when, eye, forward = entrance(rng, i, shot)
        # Where the picture's edge is, some metres ahead: they walk in from there.
        right, ahead = np.array([-forward[2], forward[0]]), np.array([forward[0], forward[2]])
        side, away = float(rng.choice([-1, 1])), float(rng.uniform(2.5, 5))
        edge = eye[[0, 2]] + away * ahead + side * 0.85 * away * right
        ends = [edge + s * 18 * side * right for s in (1, -1)]
        path = rounded([(float(p[0]), float(p[1])) for p in ends], 1)
        track = Track.meeting(path, float(rng.uniform(1.1, 1.7)), np.array([edge[0], 0, edge[1]], np.float32), when)
        movers += props.walker(track, int(rng.integers(props.COATS)), i + 1, float(rng.uniform(1.55, 1.9)))
    return movers


def _shots(rng: np.random.Generator) -> tuple[Shot, ...]:
    shots: list[Shot] = []
    for i in range(8):
        way = float(rng.choice([-1, 1]))
        angle = float(rng.uniform(0, 2 * np.pi))
        if i % 2:
            start = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(9, 13)
            look = -start * 0.3 + rng.uniform(-3, 3, 2)
            step = (look - start) / np.linalg.norm(look - start) * rng.uniform(0.5, 1.3)
            shots.append(along((float(start[0]), 1.7, float(start[1])), (float(look[0]), 1.5, float(look[1])),
                               (float(step[0]), 0, float(step[1])), 0.5))
        else:
            shots.append(orbit((0.0, 1.3, 0.0), float(rng.uniform(7, 12)), float(rng.uniform(1.7, 4.5)), angle,
                               way * float(rng.uniform(0.06, 0.15))))
    return tuple(shots)


def build(seed: int) -> Scene:
    """The square that belongs to `seed`."""
    rng = np.random.default_rng([seed, 1])
    time = pick_time(rng)
    wet = time != "noon" and bool(rng.random() < 0.5)
    materials = _materials(rng, wet)
    houses = _houses(rng)
    things, lamps = _things(rng, time == "night")
    ground = [Part(geo.quad(120, 120), "ground")]
    caption = f"a town square with a fountain and people, {'wet stone, ' if wet else ''}{time}"
    shots = _shots(rng)
    return Scene(caption, materials, (*ground, *houses, *_fountain(rng), *things), tuple(_people(rng, shots)),
                 tuple(lamps), sky(rng, time), shots)
