"""The street as data: meshes, materials, movers, a sun and camera shots, all from one seed.

The game's rasteriser and the path tracer both draw exactly what is described here, which is
what makes a game frame and its path-traced twin line up pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.textures import Texture, facade, paving, plain, speckled

STREET_LENGTH = 150.0
SHOT_SECONDS = 10.0
VERTICAL_FOV = np.deg2rad(52.0)
NEAR, FAR = 0.1, 1000.0


@dataclass(frozen=True)
class Material:
    """A surface: tiling `texture`, `metallic` and `clearcoat` in [0, 1]."""

    texture: Texture
    metallic: float = 0.0
    clearcoat: float = 0.0


@dataclass(frozen=True)
class Part:
    """A mesh drawn with one material. `object_id` is 0 for the static world."""

    mesh: Mesh
    material: str
    object_id: int


@dataclass(frozen=True)
class Mover:
    """Parts that travel along z from `start` at `speed` m/s and wrap at the street's ends."""

    parts: tuple[Part, ...]
    start: tuple[float, float, float]
    speed: float

    def pose(self, t: float) -> F32:
        """Object-to-world matrix (4, 4) at `t` seconds; the object faces the way it drives."""
        x, y, z = self.start
        span = STREET_LENGTH + 60
        z = (z + self.speed * t + span / 2) % span - span / 2
        return geo.translate(x, y, z) @ geo.yaw(0.0 if self.speed < 0 else np.pi)


@dataclass(frozen=True)
class Shot:
    """A camera move: from `eye` along `velocity` (m/s), looking at `target` which moves too."""

    eye: tuple[float, float, float]
    velocity: tuple[float, float, float]
    target: tuple[float, float, float]
    target_velocity: tuple[float, float, float]
    sway: float

    def view(self, t: float) -> F32:
        """World-to-camera matrix (4, 4) at `t` seconds into the shot; the camera looks along -z."""
        eye = np.array(self.eye) + np.array(self.velocity) * t
        eye = eye + self.sway * np.array([0.3 * np.sin(1.3 * t), 0.06 * np.sin(5.1 * t), 0])
        forward = np.array(self.target) + np.array(self.target_velocity) * t - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(right, forward), -forward])
        view = np.eye(4)
        view[:3, :3] = rotation
        view[:3, 3] = -rotation @ eye
        return view.astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """Everything there is to draw. `sun` is the unit vector towards the sun."""

    materials: dict[str, Material]
    static: tuple[Part, ...]
    movers: tuple[Mover, ...]
    sun: tuple[float, float, float]
    turbidity: float
    shots: tuple[Shot, ...]

    def camera(self, t: float) -> tuple[F32, int]:
        """World-to-camera matrix at game time `t`, and the number of the shot it belongs to."""
        shot = int(t // SHOT_SECONDS)
        return self.shots[shot % len(self.shots)].view(t - shot * SHOT_SECONDS), shot

    @cached_property
    def static_by_material(self) -> dict[str, Mesh]:
        """The static world, merged into one mesh for each material."""
        groups: dict[str, list[Mesh]] = {}
        for part in self.static:
            groups.setdefault(part.material, []).append(part.mesh)
        return {name: geo.merge(meshes) for name, meshes in groups.items()}


def projection(aspect: float) -> F32:
    """Perspective matrix (4, 4) for column vectors, depth in [-1, 1] as OpenGL has it."""
    f = 1 / np.tan(VERTICAL_FOV / 2)
    m = np.zeros((4, 4), np.float32)
    m[0, 0], m[1, 1] = f / aspect, f
    m[2, 2], m[2, 3] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
    m[3, 2] = -1
    return m


_CAR_PAINTS = ((0.70, 0.06, 0.05), (0.08, 0.17, 0.45), (0.85, 0.85, 0.84), (0.07, 0.07, 0.08),
               (0.75, 0.55, 0.10), (0.10, 0.33, 0.20), (0.45, 0.46, 0.48))
_WALLS = ((0.62, 0.36, 0.27), (0.72, 0.66, 0.55), (0.55, 0.55, 0.56), (0.66, 0.50, 0.36), (0.80, 0.76, 0.70),
          (0.48, 0.40, 0.38))


def _materials(rng: np.random.Generator) -> dict[str, Material]:
    m = {
        "asphalt": Material(speckled(rng, (0.24, 0.24, 0.25), 0.5, 0.55)),
        "paving": Material(paving(rng, (0.58, 0.56, 0.53))),
        "grass": Material(speckled(rng, (0.26, 0.38, 0.14), 0.8, 0.95)),
        "marking": Material(plain((0.85, 0.84, 0.80), 0.6)),
        "bark": Material(speckled(rng, (0.30, 0.22, 0.15), 0.8, 0.95, 1.5)),
        "leaf": Material(speckled(rng, (0.20, 0.36, 0.10), 1.1, 0.8, 2.5)),
        "roof": Material(speckled(rng, (0.36, 0.33, 0.32), 0.4, 0.9)),
        "rubber": Material(plain((0.05, 0.05, 0.05), 0.8)),
        "glass": Material(plain((0.05, 0.07, 0.09), 0.04), metallic=0.3, clearcoat=1.0),
        "steel": Material(plain((0.55, 0.56, 0.58), 0.3), metallic=0.9),
    }
    for i in range(3):
        wall = _WALLS[rng.integers(len(_WALLS))]
        m[f"facade{i}"] = Material(facade(rng, wall))
    for i, pick in enumerate(rng.choice(len(_CAR_PAINTS), 3, replace=False)):
        m[f"paint{i}"] = Material(plain(_CAR_PAINTS[pick], 0.35), metallic=0.2, clearcoat=1.0)
    return m


def _ground() -> list[Part]:
    """Road, markings, kerbs and lawns."""
    parts = [Part(geo.quad(600, 600).transformed(geo.translate(0, -0.05, 0)), "grass", 0),
             Part(geo.quad(8, 600), "asphalt", 0)]
    for side in (-1, 1):
        parts.append(Part(geo.box(3, 0.15, 600).transformed(geo.translate(side * 5.5, 0, 0)), "paving", 0))
    for z in np.arange(-STREET_LENGTH, STREET_LENGTH, 6.0):
        parts.append(Part(geo.quad(0.18, 3.0).transformed(geo.translate(0, 0.015, float(z))), "marking", 0))
    return parts


def _buildings(rng: np.random.Generator) -> list[Part]:
    parts: list[Part] = []
    for side in (-1, 1):
        z = -STREET_LENGTH
        while z < STREET_LENGTH:
            width, depth = rng.uniform(9, 18), rng.uniform(10, 14)
            height = 3.0 * rng.integers(2, 7)
            if rng.random() < 0.82:
                at = geo.translate(side * (8.5 + depth / 2 + rng.uniform(0, 2.5)), 0, z + width / 2)
                parts.append(Part(geo.box(depth, height, width).transformed(at),
                                  f"facade{rng.integers(3)}", 0))
                parts.append(Part(geo.box(depth + 0.5, 0.35, width + 0.5).transformed(
                    at @ geo.translate(0, height, 0)), "roof", 0))
            z += width + rng.uniform(0.3, 6)
    return parts


def _street_furniture(rng: np.random.Generator) -> list[Part]:
    """Trees and lamp posts on both pavements."""
    parts: list[Part] = []
    for side in (-1, 1):
        for z in np.arange(-STREET_LENGTH, STREET_LENGTH, 11.0):
            spot = geo.translate(side * 6.3, 0.15, float(z + rng.uniform(-2, 2)))
            if rng.random() < 0.6:
                trunk = rng.uniform(1.8, 2.8)
                parts.append(Part(geo.cylinder(0.14, trunk, 8).transformed(spot), "bark", 0))
                for _ in range(3):
                    crown = spot @ geo.translate(*rng.uniform([-0.6, trunk, -0.6], [0.6, trunk + 1.4, 0.6]))
                    parts.append(Part(geo.foliage(rng.uniform(0.9, 1.5), rng).transformed(crown), "leaf", 0))
            elif rng.random() < 0.6:
                parts.append(Part(geo.cylinder(0.07, 4.6, 8).transformed(spot), "steel", 0))
                arm = spot @ geo.translate(-side * 0.5, 4.5, 0)
                parts.append(Part(geo.box(1.1, 0.1, 0.22).transformed(arm), "steel", 0))
    return parts


def _car(paint: str, object_id: int) -> tuple[Part, ...]:
    """A car facing -z, 4.2 m long, standing on y = 0."""
    wheel = geo.cylinder(0.33, 0.24, 14)
    lie = np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32)
    wheels = [wheel.transformed(geo.translate(x, 0.33, z) @ lie)
              for x in (-0.92, 0.68) for z in (-1.3, 1.3)]
    body = geo.superellipsoid((1.78, 0.72, 4.2), 0.35).transformed(geo.translate(0, 0.66, 0))
    cabin = geo.superellipsoid((1.56, 0.95, 2.3), 0.45).transformed(geo.translate(0, 1.05, 0.25))
    top = geo.superellipsoid((1.40, 0.30, 1.7), 0.5).transformed(geo.translate(0, 1.44, 0.25))
    return (Part(geo.merge([body, top]), paint, object_id), Part(cabin, "glass", object_id),
            Part(geo.merge(wheels), "rubber", object_id))


def _traffic(rng: np.random.Generator) -> list[Mover]:
    movers: list[Mover] = []
    for i in range(9):
        parked = i >= 5
        side = -1 if i % 2 else 1
        speed = 0.0 if parked else -side * rng.uniform(4, 10)
        lane = side * (3.2 if parked else 1.9)
        z = float(rng.uniform(-STREET_LENGTH / 2, STREET_LENGTH / 2))
        movers.append(Mover(_car(f"paint{rng.integers(3)}", i + 1), (lane, 0.0, z), float(speed)))
    return movers


def _shots(rng: np.random.Generator) -> tuple[Shot, ...]:
    shots: list[Shot] = []
    for i in range(8):
        z = float(rng.uniform(0, STREET_LENGTH / 2))
        speed = float(rng.uniform(3, 8))
        drift = float(rng.uniform(-4, 4))
        height = float(rng.uniform(1.4, 3.2))
        if i % 3 == 2:  # a walk along the pavement, looking across the street
            side = float(rng.choice([-1, 1]))
            shots.append(Shot((side * 5.5, 1.75, z), (0, 0, -1.4), (-side * 6, 1.8, z - 9), (0, 0, -1.4), 0.4))
        else:
            shots.append(Shot((float(rng.uniform(-2.5, 2.5)), height, z), (0, 0, -speed),
                              (drift, height - 0.4, z - 25), (0, 0, -speed), 1.0))
    return tuple(shots)


def build_street(seed: int) -> Scene:
    """The street that belongs to `seed`; the same seed gives the same street everywhere."""
    rng = np.random.default_rng(seed)
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(25, 60))
    sun = (np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth))
    materials = _materials(rng)
    static = (*_ground(), *_buildings(rng), *_street_furniture(rng))
    return Scene(materials, static, tuple(_traffic(rng)), (float(sun[0]), float(sun[1]), float(sun[2])),
                 float(rng.uniform(2.5, 5.0)), _shots(rng))
