"""A place: a world made of things of the pack. Nothing but data, and little of it: it names what it does not hold.

`resolve` turns it into a `Scene` that both renderers draw.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.cubes import cubed, pixelled
from engine_plugins.demo_game.geometry import Mesh
from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.scene import RGB, Camera, Lamp, Material, Motion, Mover, Part, Scene, Sky
from engine_plugins.demo_game.textures import Texture
from engine_plugins.demo_game.worlds.motion import Still


@dataclass(frozen=True)
class Finish:
    """How a mesh of the place looks: a `surface` of the pack, or one sRGB `colour`.

    `tint` multiplies the surface; `metres` is its tile's size, 0 for the pack's; `wet` in [0, 1] is the share of
    puddles; with `cubes` it is cubes of 1 m of that surface, which have pixels in the game (see `cubes.py`); the rest
    as in `scene.Material`.
    """

    surface: str = ""
    colour: RGB = (0.5, 0.5, 0.5)
    tint: RGB = (1.0, 1.0, 1.0)
    metres: float = 0.0
    roughness: float = 0.0
    metallic: float = 0.0
    clearcoat: float = 0.0
    wet: float = 0.0
    clear: bool = False
    thin: bool = True
    cubes: bool = False


@dataclass(frozen=True)
class Thing:
    """A model of the pack that moves, or stands where its motion is `Still`; `dress` maps its looks to finishes."""

    model: str
    motion: Motion
    object_id: int = 0
    dress: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Everything there is. `pieces` are meshes with the names of their finishes; `sky` is one of the pack's."""

    caption: str
    sky: str
    yaw: float
    finishes: dict[str, Finish]
    pieces: tuple[tuple[Mesh, str], ...]
    things: tuple[Thing, ...]
    shots: tuple[Camera, ...]
    lamps: tuple[Lamp, ...] = ()
    exposure: float = field(default=1.0)


def standing(x: float, z: float, yaw: float = 0.0, size: float = 1.0, y: float = 0.0) -> Still:
    """Stands at (x, y, z), turned by `yaw` radians, `size` times as big."""
    c, s = float(np.cos(yaw)) * size, float(np.sin(yaw)) * size
    return Still(np.array([[c, 0, s, x], [0, size, 0, y], [-s, 0, c, z], [0, 0, 0, 1]], np.float32))


def resolve(place: Place, pack: Pack) -> Scene:
    """The place as meshes, materials, movers and a sky. Raises `PackError` if the pack lacks something."""
    materials = {name: _material(finish, pack) for name, finish in place.finishes.items()}
    movers: list[Mover] = []
    for thing in place.things:
        model = pack.model(thing.model)
        names = {name: thing.dress.get(name.split("/")[1], name) for name in model.materials}
        materials |= {name: material for name, material in model.materials.items() if names[name] == name}
        parts = tuple(Part(mesh, names[name], thing.object_id) for mesh, name in model.parts)
        movers.append(Mover(parts, thing.motion))
    static = tuple(Part(mesh, name) for mesh, name in place.pieces)
    return Scene(place.caption, materials, static, tuple(movers), place.lamps, sky_of(place, pack), place.shots)


def _flat(colour: RGB) -> NDArray[np.uint8]:
    return np.full((4, 4, 3), np.round(np.array(colour) * 255), np.uint8)


def _material(finish: Finish, pack: Pack) -> Material:
    if finish.surface:
        texture = pack.surface(finish.surface)
        if finish.tint != (1.0, 1.0, 1.0):
            tinted = np.clip(texture.colour * np.array(finish.tint), 0, 255)
            texture = replace(texture, colour=tinted.astype(np.uint8))
        texture = replace(texture, metres=finish.metres or texture.metres)
        if finish.roughness:
            texture = replace(texture, roughness=np.full((1, 1), finish.roughness, np.float32))
    else:
        texture = Texture(_flat(finish.colour), np.full((1, 1), finish.roughness or 0.7, np.float32), 1.0)
    drawn = None
    if finish.cubes:
        texture, drawn = cubed(texture), pixelled(texture)
    if finish.wet:
        texture = wetted(texture, finish.wet)
    return Material(texture, finish.metallic, finish.clearcoat, clear=finish.clear, thin=finish.thin, drawn=drawn)


def wetted(texture: Texture, wet: float) -> Texture:
    """The texture after rain: darker and smooth, smoothest where water stands on a share `wet` of it."""
    rng = np.random.default_rng(11)
    height, width = texture.colour.shape[:2]
    depth = np.zeros((height, width))
    for cells, weight in ((3, 0.6), (7, 0.3), (19, 0.1)):
        depth += weight * _noise(rng, cells, height, width)
    water = np.clip((depth - np.quantile(depth, 1 - wet)) * 10 + 0.5, 0, 1)
    dark = (0.78 - 0.2 * water)[..., None]
    return replace(texture, colour=(texture.colour * dark).astype(np.uint8),
                   roughness=(0.42 - 0.38 * water).astype(np.float32))


def _noise(rng: np.random.Generator, cells: int, height: int, width: int) -> NDArray[np.float64]:
    """Tiling value noise (height, width) in [0, 1], smooth between `cells` x `cells` values."""
    grid = rng.random((cells, cells))

    def along(size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        t = np.arange(size) / size * cells
        low = t.astype(np.int64)
        f = t - low
        return low, f * f * (3 - 2 * f)

    (row, fy), (column, fx) = along(height), along(width)
    rows = grid[row] * (1 - fy)[:, None] + grid[(row + 1) % cells] * fy[:, None]
    return rows[:, column] * (1 - fx) + rows[:, (column + 1) % cells] * fx


def sky_of(place: Place, pack: Pack) -> Sky:
    """The photographed sky, and what a game makes of it: its mean colours, and a light where it is brightest."""
    photo, entry = pack.environment(place.sky), pack.about.environments[place.sky]
    c, s = float(np.cos(place.yaw)), float(np.sin(place.yaw))
    x, y, z = entry.sun
    sun = (c * x + s * z, max(y, 0.25), -s * x + c * z)
    length = float(np.linalg.norm(sun))
    rows = len(photo)
    up = np.sin((np.arange(rows // 2) + 0.5) / rows * np.pi)[:, None, None]
    mean = (photo[: rows // 2] * up).mean((0, 1)) / up.mean()

    def shown(light: NDArray[np.float32], key: float) -> RGB:
        """A colour as a game's artist would pick it from the photograph: as bright as `key` at its strongest."""
        colour = np.median(light.reshape(-1, 3), axis=0) / float(np.median(light) + 1e-6)
        colour = np.clip(colour, 0.4, 1.6) / max(1.0, float(np.clip(colour, 0.4, 1.6).max()))
        return float(colour[0] * key), float(colour[1] * key), float(colour[2] * key)

    dark = entry.kind == "night"
    overcast = entry.kind in ("overcast", "dusk", "indoor", "forest")
    warm = mean / float(mean.max())
    sunlight = 0.1 if dark else 0.25 if overcast else 0.6
    ambient = 0.22 if dark else 0.6 if overcast else 0.45
    return Sky(
        "night" if dark else "overcast" if overcast else "clear",
        (sun[0] / length, sun[1] / length, sun[2] / length), 3.0,
        shown(photo[rows // 8: rows // 4], 0.12 if dark else 0.85),
        shown(photo[rows * 7 // 16: rows * 31 // 64], 0.15 if dark else 0.9),
        (sunlight * float(warm[0]), sunlight * float(warm[1]), sunlight * float(warm[2])), (ambient, ambient, ambient),
        photo, place.yaw)
