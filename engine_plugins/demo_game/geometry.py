"""Triangle meshes built from numbers: boxes, cylinders, spheres and rounded blocks.

World space is right-handed, y up, in metres. Texture coordinates are in metres too,
so that one tiling texture fits every size of box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Mesh:
    """Indexed triangles: `position`, `normal` (V, 3) f32, `uv` (V, 2) f32, `index` (T, 3) u32."""

    position: F32
    normal: F32
    uv: F32
    index: NDArray[np.uint32]

    def transformed(self, matrix: Matrix) -> Mesh:
        """The mesh under a rigid or uniformly scaled 4x4 `matrix` (column vectors)."""
        position = self.position @ matrix[:3, :3].T + matrix[:3, 3]
        normal = self.normal @ matrix[:3, :3].T
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return Mesh(position.astype(np.float32), normal.astype(np.float32), self.uv, self.index)


def merge(meshes: list[Mesh]) -> Mesh:
    """One mesh that holds all of `meshes`."""
    starts = np.cumsum([0] + [len(m.position) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.position for m in meshes]),
        np.concatenate([m.normal for m in meshes]),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.index + np.uint32(s) for m, s in zip(meshes, starts, strict=True)]),
    )


def _grid_index(rows: int, columns: int) -> NDArray[np.uint32]:
    """Triangles of a (rows + 1) x (columns + 1) vertex grid."""
    r, c = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    a = (r * (columns + 1) + c).ravel()
    b, d, e = a + 1, a + columns + 1, a + columns + 2
    return np.stack([a, d, b, b, d, e], 1).reshape(-1, 3).astype(np.uint32)


def quad(width: float, depth: float) -> Mesh:
    """A horizontal rectangle around the origin, facing up."""
    x, z = width / 2, depth / 2
    position = np.array([[-x, 0, -z], [x, 0, -z], [x, 0, z], [-x, 0, z]], np.float32)
    uv = position[:, [0, 2]].copy()
    normal = np.tile(np.array([[0, 1, 0]], np.float32), (4, 1))
    return Mesh(position, normal, uv, np.array([[0, 2, 1], [0, 3, 2]], np.uint32))


def box(width: float, height: float, depth: float) -> Mesh:
    """A box standing on y = 0, centred in x and z, with flat faces."""
    faces: list[Mesh] = []
    half = np.array([width / 2, height / 2, depth / 2], np.float32)
    for axis in range(3):
        for sign in (-1.0, 1.0):
            n = np.zeros(3, np.float32)
            n[axis] = sign
            # `up` runs along y on walls, so that window textures stand upright.
            up = np.array([0, 1, 0] if axis != 1 else [0, 0, 1], np.float32)
            right = np.cross(up, n).astype(np.float32)
            corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            p = np.array([n * half + a * right * half + b * up * half for a, b in corners])
            size = np.array([abs(right @ half), abs(up @ half)], np.float32)
            uv = (np.array(corners, np.float32) + 1) * size
            p[:, 1] += half[1]
            index = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
            faces.append(Mesh(p.astype(np.float32), np.tile(n, (4, 1)), uv, index))
    return merge(faces)


def cylinder(radius: float, height: float, sides: int = 14) -> Mesh:
    """A capped cylinder standing on y = 0."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), np.zeros_like(angle), -np.sin(angle)], 1)
    low, high = ring * radius, ring * radius + [0, height, 0]
    around = angle * radius
    wall = Mesh(
        np.concatenate([low, high]).astype(np.float32),
        np.tile(ring, (2, 1)).astype(np.float32),
        np.concatenate([np.stack([around, around * 0 + y], 1) for y in (0, height)]).astype(np.float32),
        _grid_index(1, sides)[:, ::-1].copy(),
    )
    caps: list[Mesh] = [wall]
    for y, up in ((0.0, -1.0), (height, 1.0)):
        p = np.concatenate([[[0, y, 0]], ring * radius + [0, y, 0]]).astype(np.float32)
        n = np.tile(np.array([[0, up, 0]], np.float32), (len(p), 1))
        i = np.arange(1, sides + 1)
        fan = np.stack([i * 0, i, i + 1] if up > 0 else [i * 0, i + 1, i], 1).astype(np.uint32)
        caps.append(Mesh(p, n, p[:, [0, 2]].copy(), fan))
    return merge(caps)


def superellipsoid(
    size: tuple[float, float, float], squareness: float, rows: int = 12, columns: int = 20
) -> Mesh:
    """A rounded block around the origin; `squareness` 1 is an ellipsoid, 0.3 a soft box.

    Formula: Barr, "Superquadrics and Angle-Preserving Transformations", 1981.
    """
    lat = np.linspace(-np.pi / 2, np.pi / 2, rows + 1)[:, None]
    lon = np.linspace(-np.pi, np.pi, columns + 1)[None, :]

    def power(v: NDArray[np.float64], e: float) -> NDArray[np.float64]:
        return np.sign(v) * np.abs(v) ** e

    def surface(e: float) -> NDArray[np.float64]:
        x = power(np.cos(lat), e) * power(np.cos(lon), e)
        y = power(np.sin(lat), e) * np.ones_like(lon)
        z = -power(np.cos(lat), e) * power(np.sin(lon), e)
        return np.stack([x, y, z], -1).reshape(-1, 3)

    half = np.array(size) / 2
    position = surface(squareness) * half
    normal = surface(2 - squareness) / half
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    uv = np.stack(np.broadcast_arrays(lon * half[0], lat * half[1]), -1).reshape(-1, 2)
    index = _grid_index(rows, columns)[:, ::-1].copy()
    return Mesh(position.astype(np.float32), normal.astype(np.float32), uv.astype(np.float32), index)


def lump(radius: float, rng: np.random.Generator, roughness: float = 0.07, flat: float = 1.0) -> Mesh:
    """A lumpy ball (foliage, a rock): a sphere pushed in and out by a few random waves, `flat` times as high."""
    ball = superellipsoid((2 * radius, 2 * radius * flat, 2 * radius), 1.0, rows=9, columns=14)
    direction = ball.position / radius
    bump = np.zeros(len(direction))
    for _ in range(6):
        wave = rng.normal(0, 4.0, 3)
        bump += roughness * np.sin(direction @ wave + rng.uniform(0, 6.28))
    position = (ball.position * (1 + bump)[:, None]).astype(np.float32)
    return Mesh(position, ball.normal, ball.uv, ball.index)


def lathe(profile: list[tuple[float, float]], sides: int = 20) -> Mesh:
    """A surface of revolution about y. `profile`: (radius, height) points from the bottom up."""
    radius, height = np.array(profile, np.float64).T
    slope = np.gradient(np.array(profile, np.float64), axis=0)
    outward = np.stack([slope[:, 1], -slope[:, 0]], 1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-9
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(angle), -np.sin(angle)], 1)

    def spin(r: NDArray[np.float64], y: NDArray[np.float64]) -> F32:
        around = r[:, None, None] * ring
        full = np.stack([around[..., 0], np.broadcast_to(y[:, None], around.shape[:2]), around[..., 1]], -1)
        return full.reshape(-1, 3).astype(np.float32)

    uv = np.stack(np.broadcast_arrays(angle[None] * radius.max(), height[:, None]), -1).reshape(-1, 2)
    index = _grid_index(len(profile) - 1, sides)[:, ::-1].copy()
    return Mesh(spin(radius, height), spin(outward[:, 0], outward[:, 1]), uv.astype(np.float32), index)


def sheet(x: NDArray[np.float64], z: NDArray[np.float64], y: NDArray[np.float64]) -> Mesh:
    """A surface over a grid of points: `x`, `z` and the height `y`, each (R, C); z grows with the row."""
    position = np.stack([x, y, z], -1).astype(np.float32)
    along, across = np.gradient(position.astype(np.float64), axis=(0, 1))
    normal = np.cross(along, across)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12
    uv = position[..., [0, 2]].reshape(-1, 2).copy()
    rows, columns = x.shape
    return Mesh(position.reshape(-1, 3), normal.reshape(-1, 3).astype(np.float32), uv,
                _grid_index(rows - 1, columns - 1))


def translate(x: float, y: float, z: float) -> F32:
    """4x4 translation."""
    m = np.eye(4, dtype=np.float32)
    m[:3, 3] = (x, y, z)
    return m


def scale(factor: float) -> F32:
    """4x4 uniform scaling."""
    return np.diag([factor, factor, factor, 1]).astype(np.float32)


def pitch(angle: float) -> F32:
    """4x4 rotation about x by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    m = np.eye(4, dtype=np.float32)
    m[1, 1], m[1, 2], m[2, 1], m[2, 2] = c, -s, s, c
    return m


def roll(angle: float) -> F32:
    """4x4 rotation about z by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    m = np.eye(4, dtype=np.float32)
    m[0, 0], m[0, 1], m[1, 0], m[1, 1] = c, -s, s, c
    return m


def yaw(angle: float) -> F32:
    """4x4 rotation about y by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    m = np.eye(4, dtype=np.float32)
    m[0, 0], m[0, 2], m[2, 0], m[2, 2] = c, s, -s, c
    return m
