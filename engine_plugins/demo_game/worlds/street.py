"""A street with side streets: houses, trees, shelters, traffic that turns in, and people on the pavements."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.scene import Lamp, Material, Mover, Part, Scene, Shot
from engine_plugins.demo_game.textures import facade, paving, plain, puddled, speckled
from engine_plugins.demo_game.worlds import props
from engine_plugins.demo_game.worlds.cameras import along, entrance, orbit
from engine_plugins.demo_game.worlds.motion import Still, Track, rounded
from engine_plugins.demo_game.worlds.skies import pick_time, sky

HALF = 130.0
"""The street runs from -HALF to HALF along z."""
JUNCTIONS = (-60.0, 0.0, 60.0)
WALLS = ((0.62, 0.36, 0.27), (0.72, 0.66, 0.55), (0.55, 0.55, 0.56), (0.66, 0.50, 0.36), (0.80, 0.76, 0.70),
         (0.48, 0.40, 0.38))
WINDOW_PITCH = 3.0
"""Metres between windows on a facade, in both directions (see `textures.facade`)."""


def _materials(rng: np.random.Generator, wet: float) -> dict[str, Material]:
    asphalt = puddled(rng, (0.20, 0.20, 0.21), wet) if wet else speckled(rng, (0.24, 0.24, 0.25), 0.5, 0.55)
    m = {
        **props.materials(rng),
        "asphalt": Material(asphalt),
        "paving": Material(paving(rng, (0.58, 0.56, 0.53))),
        "grass": Material(speckled(rng, (0.26, 0.38, 0.14), 0.8, 0.95)),
        "marking": Material(plain((0.85, 0.84, 0.80), 0.6)),
        "roof": Material(speckled(rng, (0.36, 0.33, 0.32), 0.4, 0.9)),
    }
    for i in range(3):
        m[f"facade{i}"] = Material(facade(rng, WALLS[rng.integers(len(WALLS))]))
    return m


def _ground() -> list[Part]:
    """Roads, markings, kerbs and lawns."""
    parts = [Part(geo.quad(600, 600).transformed(geo.translate(0, -0.05, 0)), "grass"),
             Part(geo.quad(8, 600), "asphalt")]
    edges = [-300.0, *(e for j in JUNCTIONS for e in (j - 4, j + 4)), 300.0]
    for side in (-1, 1):
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            kerb = geo.box(3, 0.15, high - low).transformed(geo.translate(side * 5.5, 0, (low + high) / 2))
            parts.append(Part(kerb, "paving"))
        for j in JUNCTIONS:
            parts.append(Part(geo.quad(146, 8).transformed(geo.translate(side * 77, -0.002, j)), "asphalt"))
    for z in np.arange(-2 * HALF, 2 * HALF, 6.0):
        if min(abs(z - j) for j in JUNCTIONS) > 6:
            parts.append(Part(geo.quad(0.18, 3.0).transformed(geo.translate(0, 0.015, float(z))), "marking"))
    return parts


def _lit_windows(rng: np.random.Generator, face: float, side: int, low: float, size: tuple[int, int]) -> list[Mesh]:
    """Glowing panes a little before a wall at x = `face` whose windows start at z = `low`."""
    panes: list[Mesh] = []
    for row in range(size[1]):
        for column in range(size[0]):
            if rng.random() < 0.3:
                at = geo.translate(face - side * 0.04, WINDOW_PITCH * row + 0.75, low + WINDOW_PITCH * (column + 0.5))
                panes.append(geo.box(0.02, 1.4, 1.2).transformed(at))
    return panes


def _houses(rng: np.random.Generator, dark: bool) -> tuple[list[Part], list[Lamp]]:
    parts: list[Part] = []
    panes: list[Mesh] = []
    for side in (-1, 1):
        z = -HALF
        while z < HALF:
            columns, rows = int(rng.integers(3, 6)), int(rng.integers(2, 7))
            width, height, depth = WINDOW_PITCH * columns, WINDOW_PITCH * rows, rng.uniform(10, 14)
            blocked = any(z - 5 < j < z + width + 5 for j in JUNCTIONS)
            if not blocked and rng.random() < 0.85:
                setback = rng.uniform(0, 2.5)
                at = geo.translate(side * (8.5 + depth / 2 + setback), 0, z + width / 2)
                parts.append(Part(geo.box(depth, height, width).transformed(at), f"facade{rng.integers(3)}"))
                roof = geo.box(depth + 0.5, 0.35, width + 0.5).transformed(at @ geo.translate(0, height, 0))
                parts.append(Part(roof, "roof"))
                if dark:
                    panes += _lit_windows(rng, side * (8.5 + setback), side, z, (columns, rows))
            z += 2.0 if blocked else width + rng.uniform(0.3, 5)
    lamps = [Lamp(geo.merge(panes), (0, 4, 0), (5.0, 3.6, 1.8), (0, 0, 0))] if panes else []
    return parts, lamps


def _furniture(rng: np.random.Generator, dark: bool) -> tuple[list[Part], list[Lamp]]:
    """Trees, lamps, benches and shelters on both pavements."""
    parts: list[Part] = []
    lamps: list[Lamp] = []
    for side in (-1, 1):
        for z in np.arange(-HALF, HALF, 11.0):
            at = geo.translate(side * 6.3, 0.15, float(z + rng.uniform(-2, 2)))
            if min(abs(at[2, 3] - j) for j in JUNCTIONS) < 6:
                continue
            kind = rng.random()
            if kind < 0.45:
                parts += props.tree(rng, at)
            elif kind < 0.75:
                posts, lights = props.street_lamp(at, dark, -side * 1.1)
                parts, lamps = parts + posts, lamps + lights
            elif kind < 0.87:
                parts += props.bench(at @ geo.yaw(side * np.pi / 2))
            elif kind < 0.95:
                parts += props.shelter(at @ geo.yaw(side * np.pi / 2))
    return parts, lamps


def _vehicle(rng: np.random.Generator, object_id: int) -> tuple[Part, ...]:
    paint = f"paint{rng.integers(props.COATS)}"
    return props.van(paint, object_id) if rng.random() < 0.2 else props.car(paint, object_id)


def _lane(side: int) -> F32:
    """From end to end of the street; right-hand traffic, so towards -z on the right."""
    return rounded([(side * 1.9, side * HALF), (side * 1.9, -side * HALF)], 1)


def _traffic(rng: np.random.Generator, shots: tuple[Shot, ...]) -> list[Mover]:
    """Parked cars, cars that turn in out of the side streets, and one that passes the camera in every shot."""
    movers: list[Mover] = []
    for i in range(7):
        speed, start = float(rng.uniform(4, 10)), float(rng.uniform(0, 2 * HALF))
        side = -1 if i % 2 else 1
        parts = _vehicle(rng, i + 1)
        if i < 4:
            z = float(rng.uniform(-HALF / 2, HALF / 2))
            movers.append(Mover(parts, Still(geo.translate(side * 3.2, 0, z) @ geo.yaw(0 if side > 0 else np.pi))))
        else:
            j = JUNCTIONS[int(rng.integers(3))]
            lane = side * 1.9
            path = rounded([(side * 110.0, j - lane), (lane, j - lane), (lane, -side * HALF)], 4)
            movers.append(Mover(parts, Track(path, speed * 0.7, start)))
    for i, shot in enumerate(shots):
        when, eye, _ = entrance(rng, i, shot)
        motion = Track.meeting(_lane(1 if rng.random() < 0.75 else -1), float(rng.uniform(9, 14)), eye, when)
        movers.append(Mover(_vehicle(rng, i + 8), motion))
    return movers


def _people(rng: np.random.Generator, first_id: int) -> list[Mover]:
    """Walkers along both pavements, and some who cross at a junction."""
    movers: list[Mover] = []
    for i in range(5):
        side, way = int(rng.choice([-1, 1])), int(rng.choice([-1, 1]))
        x, start = side * float(rng.uniform(4.4, 6.0)), float(rng.uniform(60, 200))
        points: F32
        if i < 3:
            points = rounded([(x, way * HALF), (x, -way * HALF)], 1, 0.15)
        else:
            z = float(rng.choice(JUNCTIONS)) + way * float(rng.uniform(3, 6))
            points = rounded([(side * 30.0, z), (-side * 30.0, z)], 1, 0.02)
            start = float(rng.uniform(5, 30))
        track = Track(points, float(rng.uniform(1.1, 1.6)), start)
        movers += props.walker(track, int(rng.integers(props.COATS)), first_id + i, float(rng.uniform(1.6, 1.9)))
    return movers


def _shots(rng: np.random.Generator) -> tuple[Shot, ...]:
    shots: list[Shot] = []
    for i in range(8):
        z = float(rng.uniform(0, HALF / 2))
        height, drift, speed = (float(rng.uniform(*r)) for r in ((1.4, 3.2), (-4, 4), (3, 8)))
        side = float(rng.choice([-1, 1]))
        if i % 4 == 1:  # a walk along the pavement, looking across the street
            shots.append(along((side * 5.5, 1.75, z), (-side * 6, 1.8, z - 9), (0, 0, -1.4), 0.4))
        elif i % 4 == 3:  # round a junction
            centre = (0.0, 1.2, float(rng.choice(JUNCTIONS)))
            shots.append(orbit(centre, float(rng.uniform(5, 7.5)), float(rng.uniform(1.6, 5)),
                               float(rng.uniform(0, 6.28)), side * 0.12))
        else:
            shots.append(along((float(rng.uniform(-0.6, 0.6)), height, z), (drift, height - 0.4, z - 25),
                               (0, 0, -speed), 1.0))
    return tuple(shots)


def build(seed: int) -> Scene:
    """The street that belongs to `seed`."""
    rng = np.random.default_rng(seed)
    time = pick_time(rng)
    wet = float(rng.uniform(0.25, 0.6)) if time != "noon" and rng.random() < 0.6 else 0.0
    dark = time == "night"
    materials = _materials(rng, wet)
    houses, windows = _houses(rng, dark)
    furniture, lamps = _furniture(rng, dark)
    shots = _shots(rng)
    movers = (*_traffic(rng, shots), *_people(rng, 16))
    caption = f"a city street with cars and people, {'wet asphalt, ' if wet else ''}{time}"
    return Scene(caption, materials, (*_ground(), *houses, *furniture), movers, (*windows, *lamps),
                 sky(rng, time), shots)
