"""Procedural tiling textures: sRGB colour (H, W, 3) u8 and linear roughness (H, W) f32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIZE = 256


@dataclass(frozen=True)
class Texture:
    """One tile, `metres` wide and high in the world; repeats in both directions."""

    colour: NDArray[np.uint8]
    roughness: NDArray[np.float32]
    metres: float


def _noise(rng: np.random.Generator, cells: int) -> NDArray[np.float64]:
    """Tiling value noise (SIZE, SIZE) in [0, 1] with `cells` cells a side, smooth between them."""
    grid = rng.random((cells, cells))
    t = np.arange(SIZE) / SIZE * cells
    low = t.astype(int)
    f = t - low
    f = f * f * (3 - 2 * f)
    high = (low + 1) % cells
    rows = grid[low] * (1 - f)[:, None] + grid[high] * f[:, None]
    return rows[:, low] * (1 - f) + rows[:, high] * f


def _texture(
    base: NDArray[np.float64], shade: NDArray[np.float64], roughness: NDArray[np.float64] | float, metres: float
) -> Texture:
    colour = np.clip(base * shade[..., None], 0, 1)
    rough = np.broadcast_to(np.asarray(roughness, np.float32), (SIZE, SIZE))
    return Texture((colour * 255).astype(np.uint8), np.ascontiguousarray(rough, np.float32), metres)


def speckled(rng: np.random.Generator, rgb: tuple[float, float, float], contrast: float, rough: float,
             metres: float = 6.0) -> Texture:
    """Fine and coarse noise over one colour: asphalt, concrete, grass, leaves, bark."""
    shade = 1 + contrast * (0.5 * _noise(rng, 64) + 0.3 * _noise(rng, 16) + 0.2 * _noise(rng, 4) - 0.5)
    return _texture(np.array(rgb), shade, rough, metres)


def plain(rgb: tuple[float, float, float], rough: float) -> Texture:
    """One flat colour: paint, metal, rubber."""
    return _texture(np.array(rgb), np.ones((SIZE, SIZE)), rough, 1.0)


def paving(rng: np.random.Generator, rgb: tuple[float, float, float]) -> Texture:
    """Square slabs with dark joints."""
    cell = np.arange(SIZE) % (SIZE // 4)
    joint = (cell[:, None] < 3) | (cell[None, :] < 3)
    slab = np.kron(rng.uniform(0.85, 1.05, (4, 4)), np.ones((SIZE // 4, SIZE // 4)))
    shade = np.where(joint, 0.55, slab) + 0.1 * (_noise(rng, 64) - 0.5)
    return _texture(np.array(rgb), shade, 0.85, 3.0)


def facade(rng: np.random.Generator, wall: tuple[float, float, float]) -> Texture:
    """A wall with 4 x 4 windows on 12 x 12 m; the panes are dark and smooth, so they mirror the sky."""
    step = SIZE // 4
    y, x = np.mgrid[0:SIZE, 0:SIZE] % step
    width, height = rng.integers(26, 44), rng.integers(30, 46)
    inside = (np.abs(x - step / 2) < width / 2) & (np.abs(y - step / 2) < height / 2)
    frame = (np.abs(x - step / 2) < width / 2 + 3) & (np.abs(y - step / 2) < height / 2 + 3) & ~inside
    bars = inside & ((np.abs(x - step / 2) < 1.5) | (np.abs(y - step / 2) < 1.5))
    brick = 1 + 0.18 * (_noise(rng, 64) - 0.5) + 0.12 * (_noise(rng, 8) - 0.5)
    brick[np.arange(SIZE) % 8 < 1] *= 0.88
    colour = np.array(wall) * brick[..., None]
    colour[frame | bars] = (0.82, 0.8, 0.76)
    pane = np.kron(rng.uniform(0.7, 1.3, (4, 4)), np.ones((step, step)))[..., None]
    glass = inside & ~bars
    colour[glass] = (np.array([0.13, 0.17, 0.22]) * pane)[glass]
    rough = np.where(glass, 0.08, 0.8)
    return Texture((np.clip(colour, 0, 1) * 255).astype(np.uint8), rough.astype(np.float32), 12.0)
