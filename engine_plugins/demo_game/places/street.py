"""A street of town houses: parked and moving cars, trees, lamps, people on both pavements."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import Mesh
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import Finish, Place, Thing, standing
from engine_plugins.demo_game.places.parts import PAINTS, paints, strip, walkers
from engine_plugins.demo_game.scene import RGB, Camera
from engine_plugins.demo_game.worlds.cameras import along, entrance, orbit
from engine_plugins.demo_game.worlds.motion import Track, rounded

HALF = 95.0
"""The street runs from -HALF to HALF along z."""
KERB, WALL = 4.0, 8.0
"""Metres from the middle of the road to its kerbs and to the houses."""
WALLS: tuple[tuple[str, RGB], ...] = (
    ("red_brick", (1.0, 1.0, 1.0)), ("red_brick", (0.85, 0.8, 0.75)), ("grey_brick", (1.0, 0.95, 0.85)),
    ("plaster", (1.0, 0.95, 0.82)), ("plaster", (1.0, 0.86, 0.66)), ("plaster", (0.86, 0.92, 0.98)),
    ("plaster", (0.97, 0.78, 0.68)), ("plaster", (0.75, 0.75, 0.72)), ("old_brick", (1.05, 0.98, 0.88)),
    ("rubble", (1.0, 0.96, 0.9)), ("ashlar", (1.1, 1.05, 0.95)), ("concrete", (1.0, 1.0, 1.0)))


def dress(rng: np.random.Generator, wet: float) -> dict[str, Finish]:
    """Finishes of the road, the pavement, and of six kinds of house."""
    finishes = {
        "road": Finish(f"road_{rng.integers(1, 7)}", wet=wet, roughness=0.75),
        "pavement": Finish(f"pavement_{rng.integers(1, 5)}", wet=wet * 0.6),
        "kerb": Finish("concrete", tint=(1.05, 1.05, 1.05)), "ground": Finish("soil"), "lawn": Finish("lawn"),
        **paints()}
    for i in range(6):
        wall, tint = WALLS[int(rng.integers(len(WALLS)))]
        base = WALLS[int(rng.integers(len(WALLS)))] if rng.random() < 0.5 else ("cast_concrete", (1.0, 1.0, 1.0))
        trim = float(rng.uniform(0.55, 0.9))
        finishes |= {
            f"wall{i}": Finish(wall, tint=tint), f"base{i}": Finish(base[0], tint=base[1]),
            f"trim{i}": Finish("plaster", tint=(1.2 * trim, 1.2 * trim, 1.15 * trim)),
            f"roof{i}": Finish("shingles", tint=tuple(rng.uniform(0.6, 1.2) * np.array((1, rng.uniform(0.8, 1), 0.9)))),
            f"door{i}": Finish(colour=tuple(rng.uniform(0.05, 0.4, 3)), roughness=0.3, clearcoat=0.5)}
    return finishes


def houses(rng: np.random.Generator, pack: Pack) -> list[Thing]:
    """Two rows of houses, most of them wall to wall."""
    things: list[Thing] = []
    names = pack.names("house")
    for side in (-1, 1):
        z = -HALF
        while z < HALF:
            name = str(rng.choice(names))
            width = pack.about.models[name].size[0]
            kind = int(rng.integers(6))
            clothes = {part: f"{part}{kind}" for part in ("wall", "base", "trim", "roof", "door")}
            # A house's front looks along -z with x from 0: turned so that it faces the road.
            at = standing(WALL, z + width, np.pi / 2) if side > 0 else standing(-WALL, z, -np.pi / 2)
            if rng.random() < 0.93:
                things.append(Thing(name, at, dress=clothes))
            z += width + (0.0 if rng.random() < 0.8 else float(rng.uniform(1, 6)))
    return things


def ground() -> list[tuple[Mesh, str]]:
    """The road, its kerbs and pavements, and soil beyond."""
    pieces = [(strip((-KERB, KERB), (-150, 150), 0.0, 16.0), "road"),
              (geo.quad(500, 500).transformed(geo.translate(0, -0.03, 0)), "lawn")]
    for side in (-1, 1):
        kerb = geo.box(0.22, 0.15, 300).transformed(geo.translate(side * (KERB + 0.11), 0, 0))
        walk = geo.box(WALL - KERB, 0.14, 300).transformed(geo.translate(side * (KERB + WALL + 0.2) / 2, 0, 0))
        pieces += [(kerb, "kerb"), (walk, "pavement")]
    return pieces


def furniture(rng: np.random.Generator, pack: Pack) -> list[Thing]:
    """Trees, lamps, bins, benches, hydrants along both kerbs; cafe tables before some houses."""
    things: list[Thing] = []
    tree = str(rng.choice([n for n in pack.names("tree") if not n.startswith("pine") and not n.endswith("large")]))
    leafy = bool(rng.random() < 0.7)
    for side in (-1, 1):
        for i, about in enumerate(np.arange(-HALF, HALF, 8.5)):
            x, z = side * (KERB + 0.75), float(about + rng.uniform(-1, 1))
            if i % 3 == 0:
                things.append(Thing("street_light", standing(x, z, -side * np.pi / 2 + np.pi, 0.85, 0.14)))
            elif leafy and rng.random() < 0.75:
                things.append(Thing(tree, standing(x, z, rng.uniform(0, 6.28), rng.uniform(0.6, 0.85), 0.14)))
            for _ in range(2):
                if rng.random() < 0.55:
                    name = str(rng.choice(["hydrant", "bin", "bin", "mailbox", "bicycle", "motorbike", "stone_bench"]))
                    turn = float(rng.choice([0, np.pi / 2])) if name != "stone_bench" else side * np.pi / 2
                    things.append(Thing(name, standing(x + side * 0.25, z + float(rng.uniform(2, 6)), turn, 1, 0.14)))
            if rng.random() < 0.25:
                cx, cz = side * (WALL - 1.1), z + 3
                things.append(Thing("cafe_table", standing(cx, cz, 0, 1, 0.14)))
                things += [Thing("cafe_chair", standing(cx, cz + d, a, 1, 0.14))
                           for d, a in ((-0.7, np.pi), (0.7, 0.0))]
                if rng.random() < 0.6:
                    things.append(Thing("parasol", standing(cx, cz, 0, 1.15, 0.14)))
    return things


def traffic(rng: np.random.Generator, pack: Pack, shots: list[Camera]) -> list[Thing]:
    """Parked cars along one or both kerbs, and cars that come past the camera."""
    things: list[Thing] = []
    cars = pack.names("car")
    number = 1
    parked = [side for side in (-1, 1) if rng.random() < 0.7]
    for side in parked:
        z = -HALF + float(rng.uniform(0, 4))
        while z < HALF:
            if rng.random() < 0.65:
                name = str(rng.choice([*cars, *cars, "van"]))
                turn = (0 if side > 0 else np.pi) + float(rng.normal(0, 0.015))
                things.append(Thing(name, standing(side * (KERB - 1.05), z, turn), number,
                                    {"paint": f"paint{rng.integers(len(PAINTS))}"}))
                number += 1
            z += float(rng.uniform(5.4, 6.6))
    for i, shot in enumerate(shots):
        when, eye, _ = entrance(rng, i, shot)
        side = float(rng.choice([-1, 1]))
        lane = side * (1.0 if parked else 1.9)
        path = rounded([(lane, side * 140), (lane, -side * 140)], 1)
        name = str(rng.choice([*cars, *cars, *cars, "van", "city_bus", "lorry"]))
        things.append(Thing(name, Track.meeting(path, float(rng.uniform(7, 13)), eye, when), number,
                            {"paint": f"paint{rng.integers(len(PAINTS))}"}))
        number += 1
    return things


def shots_of(rng: np.random.Generator) -> list[Camera]:
    """Drives, walks along a pavement, and looks across the street."""
    shots: list[Camera] = []
    for i in range(8):
        z, side = float(rng.uniform(-40, 40)), float(rng.choice([-1, 1]))
        way = float(rng.choice([-1, 1]))
        if i % 4 == 1:
            shots.append(along((side * 6.2, 1.75, z), (side * 5.0, 1.7, z + way * 14), (0, 0, way * 1.4), 0.4))
        elif i % 4 == 2:
            shots.append(along((side * 6.6, 1.7, z), (-side * 6, 2.6, z + way * 8), (0, 0, way * 1.0), 0.4))
        elif i % 4 == 3:
            shots.append(orbit((side * 3, 1.4, z), float(rng.uniform(4, 6)), float(rng.uniform(1.5, 4)),
                               float(rng.uniform(0, 6.28)), way * float(rng.uniform(0.06, 0.18))))
        else:
            height = float(rng.uniform(1.3, 2.4))
            aim = float(rng.uniform(-4, 4)), height, z + way * 25
            speed = way * float(rng.uniform(3, 9))
            shots.append(along((float(rng.uniform(-1, 1)), height, z), aim, (0, 0, speed), 0.8))
    return shots


def build(seed: int, pack: Pack) -> Place:
    """The street that belongs to `seed`."""
    rng = np.random.default_rng([seed, 21])
    sky = str(rng.choice(["city", "platz", "platz", "meadow", "sunrise", "autumn", "autumn", "sunset", "dawn"]))
    wet = float(rng.uniform(0.2, 0.5)) if rng.random() < (0.6 if sky in ("platz", "dawn", "sunset") else 0.15) else 0.0
    shots = shots_of(rng)
    things = [*houses(rng, pack), *furniture(rng, pack), *traffic(rng, pack, shots),
              *walkers(rng, pack, shots, ((-6.3, 0.14), (6.3, 0.14)), half=HALF, first_id=60)]
    caption = f"a city street with cars and people, {'wet asphalt' if wet else 'dry'}"
    yaw = float(rng.uniform(0, 6.28))
    return Place(caption, sky, yaw, dress(rng, wet), tuple(ground()), tuple(things), tuple(shots))
