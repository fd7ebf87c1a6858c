"""A world of cubes, as in block games: hills, ponds, trees and houses of 1 m cubes; people who walk through it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import Finish, Place, Thing, standing
from engine_plugins.demo_game.places.parts import WALKING
from engine_plugins.demo_game.scene import Camera
from engine_plugins.demo_game.worlds.cameras import along, entrance
from engine_plugins.demo_game.worlds.motion import Track

SIZE, TOP = 176, 48
"""Cubes along x and z, and along y."""
HALF = SIZE // 2
SEA, PLAIN = 6, 8
"""Heights of the water and of the village, in cubes."""
AIR, GRASS, EARTH, STONE, SAND, LOG, LEAF, PLANK, WALL, ROOF, ROAD, BRICK = range(12)
NAMES = ("air", "grass", "earth", "stone", "sand", "log", "leaf", "plank", "wall", "roof", "road", "brick")
TURF = 3 / 16
"""How far the grass hangs down a cube's side, in metres: three texels."""

Heights = NDArray[np.int64]
Cubes = NDArray[np.uint8]


def relief(rng: np.random.Generator) -> Heights:
    """Height (SIZE, SIZE) by x and z: a plain in the middle, hills and ponds about it, higher hills at the rim."""
    height = np.zeros((SIZE, SIZE))
    for cells, metres in ((5, 11.0), (10, 5.0), (22, 2.0)):
        grid = rng.normal(0, 0.45, (cells, cells)).astype(np.float32)
        height += metres * np.asarray(cv2.resize(grid, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC))
    x, z = np.mgrid[0:SIZE, 0:SIZE] - HALF + 0.5
    far = np.hypot(x, z)
    height = PLAIN + height * np.clip((far - 14) / 22, 0, 1) + 9 * np.clip((far - 40) / 45, 0, 1.3) ** 2
    return np.clip(np.round(height), 2, TOP - 14).astype(np.int64)


def terrain(height: Heights) -> Cubes:
    """Cubes (SIZE, TOP, SIZE) of the ground."""
    y = np.arange(TOP)[None, :, None]
    top = height[:, None, :]
    steep = np.maximum(*(np.abs(g) for g in np.gradient(height.astype(float))))[:, None, :]
    surface = np.where(top <= SEA, SAND, np.where((steep > 1.4) | (top > 26), STONE, GRASS))
    below = np.where(top <= SEA, SAND, np.where(steep > 1.4, STONE, EARTH))
    ground = np.where(y == top - 1, surface, np.where(y > top - 4, below, STONE))
    return np.where(y >= top, AIR, ground).astype(np.uint8)


def trees(rng: np.random.Generator, cubes: Cubes, height: Heights, taken: NDArray[np.bool_]) -> None:
    """Puts trees in groves on the grass; `taken` (SIZE, SIZE) is where none may stand, and then where one does."""
    grove = np.asarray(cv2.resize(rng.random((12, 12)).astype(np.float32), (SIZE, SIZE)))
    for _ in range(900):
        x, z = (int(v) for v in rng.integers(4, SIZE - 4, 2))
        y = int(height[x, z])
        if y <= SEA or taken[x - 2: x + 3, z - 2: z + 3].any() or rng.random() > grove[x, z] ** 2 * 1.6:
            continue
        trunk = int(rng.integers(4, 7))
        for level, reach in ((-2, 2), (-1, 2), (0, 1), (1, 1)):
            crown = cubes[x - reach: x + reach + 1, y + trunk + level, z - reach: z + reach + 1]
            kept = rng.random(crown.shape) < 0.97
            kept[[0, 0, -1, -1], [0, -1, 0, -1]] = rng.random(4) < (0.5 if reach == 2 else 0.15)
            crown[(crown == AIR) & kept] = LEAF
        cubes[x, y: y + trunk, z] = LOG
        taken[x - 1: x + 2, z - 1: z + 2] = True


def house(rng: np.random.Generator, cubes: Cubes, at: tuple[int, int], size: tuple[int, int]) -> None:
    """A house of `size` in x and z from `at` on the plain: corners of logs, a door, windows, a roof of steps."""
    (x, z), (wide, deep) = at, size
    high, wall = int(rng.integers(3, 5)), int(rng.choice([PLANK, WALL, BRICK]))
    shell = cubes[x: x + wide, PLAIN: PLAIN + high, z: z + deep]
    shell[:] = wall
    shell[:, 0] = WALL
    shell[1:-1, :, 1:-1] = AIR
    shell[[0, 0, -1, -1], :, [0, -1, 0, -1]] = LOG
    for i in range(2, wide - 2, 2):
        shell[i, 1, [0, -1]] = AIR
    for i in range(2, deep - 2, 2):
        shell[[0, -1], 1, i] = AIR
    shell[[wide // 2, wide // 2], [0, 1], 0 if z > HALF else -1] = AIR
    for step in range((deep + 3) // 2):
        a, b = z - 1 + step, z + deep - step
        cubes[x - 1: x + wide + 1, PLAIN + high + step, [a, b]] = ROOF
        if b - a > 1:
            cubes[[x, x + wide - 1], PLAIN + high + step, a + 1: b] = wall


def village(rng: np.random.Generator, cubes: Cubes) -> NDArray[np.bool_]:
    """Roads that cross on the plain and houses along them; returns where trees must not stand, (SIZE, SIZE)."""
    taken = np.zeros((SIZE, SIZE), bool)
    for across in (slice(HALF - 24, HALF + 24), slice(HALF - 1, HALF + 2)):
        along_z = slice(HALF - 1, HALF + 2) if across.stop - across.start > 3 else slice(HALF - 24, HALF + 24)
        ground = cubes[across, PLAIN - 1, along_z]
        ground[(ground == GRASS) & (cubes[across, PLAIN, along_z] == AIR)] = ROAD
        taken[across, along_z] = True
    for side in (-1, 1):
        x = HALF - 22
        while x < HALF + 16:
            wide, deep = int(rng.integers(6, 10)), int(rng.integers(5, 8))
            z = HALF + 4 if side > 0 else HALF - 3 - deep
            if rng.random() < 0.75 and not HALF - wide - 2 < x < HALF + 3:
                spot = cubes[x - 1: x + wide + 1, PLAIN - 1: PLAIN + 1, z - 1: z + deep + 1]
                if (spot[:, 0] != AIR).all() and (spot[:, 1] == AIR).all():
                    house(rng, cubes, (x, z), (wide, deep))
                    taken[x - 2: x + wide + 2, z - 2: z + deep + 2] = True
            x += wide + int(rng.integers(2, 5))
    return taken


def faces(cubes: Cubes) -> list[tuple[Mesh, str]]:
    """What can be seen of the cubes, one mesh a finish; grass hangs over the sides of its cubes."""
    found: dict[str, list[Mesh]] = {}
    solid = np.pad(cubes != AIR, 1)
    inside = solid[1:-1, 1:-1, 1:-1]
    for axis in range(3):
        for sign in (-1, 1):
            bare = inside & ~np.roll(solid, -sign, axis)[1:-1, 1:-1, 1:-1]
            bare[:, 0] = False
            for kind in np.unique(cubes[bare]):
                cells = np.argwhere(bare & (cubes == kind))
                grassy = kind == GRASS and not (axis == 1 and sign > 0)
                name = "earth" if grassy else NAMES[kind]
                if grassy and axis != 1:
                    found.setdefault("grass", []).append(_squares(cells, axis, sign, 1 - TURF, 1))
                    found.setdefault(name, []).append(_squares(cells, axis, sign, 0, 1 - TURF))
                else:
                    found.setdefault(name, []).append(_squares(cells, axis, sign, 0, 1))
    return [(geo.merge(meshes), name) for name, meshes in found.items()]


def _squares(cells: NDArray[np.int64], axis: int, sign: int, low: float, high: float) -> Mesh:
    """The faces of `cells` (N, 3) towards `sign` along `axis`, between two heights within the cube if upright."""
    normal = np.eye(3, dtype=np.float32)[axis] * sign
    up = np.eye(3)[1 if axis != 1 else 2]
    right = np.cross(up, normal)
    corner = np.array([(0, low), (1, low), (1, high), (0, high)])
    start = np.maximum(-right, 0) + max(sign, 0) * np.eye(3)[axis]
    square = start + corner[:, :1] * right + corner[:, 1:] * up
    position = cells[:, None] + square - np.array([HALF, PLAIN, HALF])
    uv = np.stack([position @ np.abs(right), position @ up], -1)
    first = 4 * np.arange(len(cells))[:, None, None]
    index = (first + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    flat = position.reshape(-1, 3).astype(np.float32)
    return Mesh(flat, np.tile(normal, (len(flat), 1)), uv.reshape(-1, 2).astype(np.float32), index.astype(np.uint32))


def clearance(cubes: Cubes, x: F32, z: F32) -> F32:
    """Height in metres, of the world, up to which something stands within a cube of each point."""
    top = TOP - np.argmax(cubes[:, ::-1] != AIR, axis=1)
    wide = np.asarray(cv2.dilate(top.astype(np.float32), np.ones((3, 3))))
    i, k = (np.clip(np.floor(v).astype(int) + HALF, 0, SIZE - 1) for v in (x, z))
    return np.maximum(wide[i, k], SEA) - PLAIN


def shots_of(rng: np.random.Generator, cubes: Cubes) -> list[Camera]:
    """Walks and low flights over open ground; the first half are through the village."""
    shots: list[Camera] = []
    steps = np.linspace(0, 1, 40).astype(np.float32)
    tries = 0
    while len(shots) < 8:
        tries += 1
        inner = len(shots) % 2 == 0
        near = 20.0 if inner else 50.0
        x, z = (float(v) for v in rng.uniform(-near, near, 2))
        if inner and tries % 3:
            z = float(rng.uniform(-1, 2))
        toward = float(np.arctan2(-z, -x) + rng.normal(0, 0.9)) if not inner else float(rng.uniform(0, 6.28))
        if inner and tries % 3:
            toward = float(rng.normal(0, 0.12) + (0 if x < 0 else np.pi))
        speed = float(rng.uniform(1.2, 2.6))
        way = speed * np.array([np.cos(toward), 0, np.sin(toward)])
        floor = clearance(cubes, x + steps * float(way[0]) * 10, z + steps * float(way[2]) * 10)
        if floor.max() - floor.min() > 2.5 + tries / 300 or floor.max() > 16:
            continue
        eye = float(floor.max()) + (1.65 if rng.random() < 0.7 else float(rng.uniform(2.5, 5)))
        ahead = way / speed * 12
        down = -1.2 if eye - floor.max() > 2 else float(rng.uniform(-0.6, 0.6))
        aim = x + float(ahead[0]), eye + down, z + float(ahead[2])
        shots.append(along((x, eye, z), aim, (float(way[0]), 0.0, float(way[2])), 0.3))
    return shots


def people(rng: np.random.Generator, pack: Pack, cubes: Cubes, shots: list[Camera]) -> list[Thing]:
    """Some who stand on the roads, and up to three in every shot who walk over the ground before the camera."""
    names = pack.names("person")
    things: list[Thing] = []
    for i in range(10):
        a, b = float(rng.uniform(-20, 20)), float(rng.choice([-0.9, 1.9]))
        x, z = (a, b) if i % 2 else (b, a)
        if clearance(cubes, np.array([x], np.float32), np.array([z], np.float32))[0] < 0.5:
            things.append(Thing(str(rng.choice(names)), standing(x, z, float(rng.uniform(0, 6.28))), 10 + i))
    for i, shot in enumerate(shots):
        when, eye, forward = entrance(rng, i, shot)
        met = 0
        for _ in range(40):
            place = eye + forward * float(rng.uniform(4, 13))
            turn = float(rng.uniform(0, 6.28))
            line = np.linspace(-14, 14, 57)[:, None] * np.array([np.cos(turn), 0, np.sin(turn)]) + place
            at = [np.clip(np.floor(line[:, k]).astype(int) + HALF, 0, SIZE - 1) for k in (0, 2)]
            ground = (TOP - np.argmax(cubes[:, ::-1] != AIR, axis=1))[at[0], at[1]] - PLAIN
            if met == 3 or np.ptp(ground) > 3:
                continue
            line[:, 1] = ground
            motion = Track.meeting(line.astype(np.float32), float(rng.uniform(1, 1.7)), place.astype(np.float32), when)
            things.append(Thing(str(rng.choice(WALKING)), motion, 30 + 3 * i + met))
            met += 1
    return things


def dress(rng: np.random.Generator) -> dict[str, Finish]:
    """Finishes of the cubes: of the pack's material in the photograph."""
    green = float(rng.uniform(0.95, 1.15))
    return {
        "grass": Finish("lawn", tint=(1.15, 1.15 * green, 1.0), cubes=True), "earth": Finish("soil", cubes=True),
        "stone": Finish(str(rng.choice(["rock", "mossy_rock", "cast_concrete"])), cubes=True),
        "sand": Finish("sand", cubes=True), "log": Finish("oak_bark", cubes=True),
        "leaf": Finish("lawn", tint=(0.8, 0.85 * green, 0.65), metres=2.5, cubes=True),
        "plank": Finish(str(rng.choice(["planks", "old_wood"])), cubes=True),
        "wall": Finish(str(rng.choice(["rubble", "ashlar", "cast_concrete"])), cubes=True),
        "roof": Finish(str(rng.choice(["shingles", "old_wood", "planks"])), tint=(0.85, 0.75, 0.7), cubes=True),
        "road": Finish(str(rng.choice(["setts", "slab", "sand"])), cubes=True),
        "brick": Finish(str(rng.choice(["red_brick", "grey_brick"])), cubes=True),
        "water": Finish(colour=(0.10, 0.22, 0.26), roughness=0.06)}


def build(seed: int, pack: Pack) -> Place:
    """The block world that belongs to `seed`."""
    rng = np.random.default_rng([seed, 23])
    height = relief(rng)
    cubes = terrain(height)
    trees(rng, cubes, height, village(rng, cubes))
    shots = shots_of(rng, cubes)
    sky = str(rng.choice(["meadow", "sunrise", "autumn", "sunset", "dawn"]))
    water = geo.quad(SIZE, SIZE).transformed(geo.translate(0, SEA - 0.125 - PLAIN, 0))
    return Place("a world of cubes with hills, trees and houses", sky, float(rng.uniform(0, 6.28)), dress(rng),
                 (*faces(cubes), (water, "water")), tuple(people(rng, pack, cubes, shots)), tuple(shots))
