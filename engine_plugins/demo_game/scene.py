"""What a world is made of: meshes, materials, movers, a sky, lamps and camera shots. Nothing but data.

The game's rasteriser and the path tracer both draw exactly what is described here, which is
what makes a game frame and its path-traced twin line up pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.textures import Texture

SHOT_SECONDS = 10.0
VERTICAL_FOV = np.deg2rad(52.0)
NEAR, FAR = 0.1, 1000.0

RGB = tuple[float, float, float]
Point = tuple[float, float, float]
K = TypeVar("K")


@dataclass(frozen=True)
class Material:
    """A surface: tiling `texture`; `metallic`, `clearcoat` and `sheen` (of cloth) in [0, 1].

    A `clear` surface is a thin pane of glass; a `leaf` lets light through. `thin` things are seen from both sides.
    The game draws `drawn`, without a filter, instead of `texture` where there is one.
    """

    texture: Texture
    metallic: float = 0.0
    clearcoat: float = 0.0
    sheen: float = 0.0
    clear: bool = False
    leaf: bool = False
    thin: bool = False
    drawn: Texture | None = None


@dataclass(frozen=True)
class Part:
    """A mesh drawn with one material. `object_id` is 0 for the static world."""

    mesh: Mesh
    material: str
    object_id: int = 0


class Motion(Protocol):
    """How something moves."""

    def pose(self, t: float) -> F32:
        """Object-to-world matrix (4, 4), rigid, at `t` seconds."""
        ...


@dataclass(frozen=True)
class Mover:
    """Parts that move together."""

    parts: tuple[Part, ...]
    motion: Motion


@dataclass(frozen=True)
class Lamp:
    """A glowing mesh. `centre` and `power` (RGB) are the point light that the game makes of it."""

    mesh: Mesh
    centre: Point
    radiance: RGB
    power: RGB


@dataclass(frozen=True)
class Sky:
    """What lights a world from afar: a `clear` sky with its sun, `overcast`, or `night`.

    `sun` is the unit vector towards it. The colours are what the game draws with: sRGB in [0, 1].
    A `photo` sky is a photograph: radiance (H, W, 3) f32, rows from the zenith down, its left edge turned by `yaw`.
    """

    kind: str
    sun: Point
    turbidity: float
    zenith: RGB
    horizon: RGB
    sunlight: RGB
    ambient: RGB
    photo: F32 | None = None
    yaw: float = 0.0


class Camera(Protocol):
    """A camera's way through a shot."""

    def view(self, t: float) -> F32:
        """World-to-camera matrix (4, 4) at `t` seconds into the shot; the camera looks along -z."""
        ...


@dataclass(frozen=True)
class Shot:
    """A camera move over `SHOT_SECONDS`: positions `eyes` and what it looks at, both (K, 3), evenly spaced in time.

    `sway` adds a walker's or a rig's unrest, in units of about 0.3 m.
    """

    eyes: F32
    targets: F32
    sway: float = 0.0

    def view(self, t: float) -> F32:
        """World-to-camera matrix (4, 4) at `t` seconds into the shot; the camera looks along -z."""
        eye = _spline(self.eyes, t) + self.sway * np.array([0.3 * np.sin(1.3 * t), 0.06 * np.sin(5.1 * t), 0])
        forward = _spline(self.targets, t) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(right, forward), -forward])
        view = np.eye(4)
        view[:3, :3] = rotation
        view[:3, 3] = -rotation @ eye
        return view.astype(np.float32)


def _spline(keys: F32, t: float) -> NDArray[np.float64]:
    """Catmull-Rom through the keys (Catmull and Rom, 1974); straight on at the ends."""
    at = np.clip(t / SHOT_SECONDS, 0, 1) * (len(keys) - 1)
    i = min(int(at), len(keys) - 2)
    f = at - i
    p1, p2 = keys[i].astype(np.float64), keys[i + 1].astype(np.float64)
    p0 = keys[i - 1] if i else 2 * p1 - p2
    p3 = keys[i + 2] if i + 2 < len(keys) else 2 * p2 - p1
    return p1 + 0.5 * f * (p2 - p0 + f * (2 * p0 - 5 * p1 + 4 * p2 - p3 + f * (3 * (p1 - p2) + p3 - p0)))


@dataclass(frozen=True)
class Scene:
    """Everything there is to draw, and in a sentence what it shows."""

    caption: str
    materials: dict[str, Material]
    static: tuple[Part, ...]
    movers: tuple[Mover, ...]
    lamps: tuple[Lamp, ...]
    sky: Sky
    shots: tuple[Camera, ...]

    def camera(self, t: float) -> tuple[F32, int]:
        """World-to-camera matrix at game time `t`, and the number of the shot it belongs to."""
        shot = int(t // SHOT_SECONDS)
        return self.shots[shot % len(self.shots)].view(t - shot * SHOT_SECONDS), shot

    @cached_property
    def static_by_material(self) -> dict[str, Mesh]:
        """The static world, merged into one mesh for each material."""
        return _merged((part.material, part.mesh) for part in self.static)

    @cached_property
    def glowing(self) -> dict[RGB, Mesh]:
        """The lamps' meshes, merged into one for each radiance."""
        return _merged((lamp.radiance, lamp.mesh) for lamp in self.lamps)


def _merged(meshes: Iterable[tuple[K, Mesh]]) -> dict[K, Mesh]:
    groups: dict[K, list[Mesh]] = {}
    for key, mesh in meshes:
        groups.setdefault(key, []).append(mesh)
    return {key: geo.merge(group) for key, group in groups.items()}


def projection(aspect: float) -> F32:
    """Perspective matrix (4, 4) for column vectors, depth in [-1, 1] as OpenGL has it."""
    f = 1 / np.tan(VERTICAL_FOV / 2)
    m = np.zeros((4, 4), np.float32)
    m[0, 0], m[1, 1] = f / aspect, f
    m[2, 2], m[2, 3] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
    m[3, 2] = -1
    return m
