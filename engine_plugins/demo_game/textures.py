"""Procedural tiling textures: sRGB colour (H, W, 3) u8 and linear roughness (H, W) f32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIZE = 256


@dataclass(frozen=True)
class Texture:
    """One tile, `metres` wide and high in the world; repeats in both directions.

    `alpha` (H, W) u8, where there is one, cuts the surface out: it is there from 128 on.
    """

    colour: NDArray[np.uint8]
    roughness: NDArray[np.float32]
    metres: float
    alpha: NDArray[np.uint8] | None = None


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


def puddled(rng: np.random.Generator, rgb: tuple[float, float, float], wetness: float) -> Texture:
    """Wet ground: smooth and darker where water stands. `wetness` in [0, 1] is about the share of puddles."""
    shade = 1 + 0.5 * (0.6 * _noise(rng, 64) + 0.4 * _noise(rng, 16) - 0.5)
    depth = 0.6 * _noise(rng, 5) + 0.3 * _noise(rng, 11) + 0.1 * _noise(rng, 32)
    wet = np.clip((depth - np.quantile(depth, 1 - wetness)) * 12 + 0.5, 0, 1)
    return _texture(np.array(rgb), shade * (1 - 0.45 * wet), 0.6 - 0.55 * wet, 9.0)


def planks(rng: np.random.Generator, rgb: tuple[float, float, float], rough: float = 0.45) -> Texture:
    """Floor boards, eight on 1.2 m, with grain along them."""
    board = SIZE // 8
    tone = np.repeat(rng.uniform(0.75, 1.1, 8), board)[:, None]
    grain = np.stack([np.roll(_noise(rng, 4)[i], 37 * i) for i in range(SIZE)])
    streak = np.repeat(_noise(rng, 64)[:, :1], SIZE, 1)
    joint = (np.arange(SIZE) % board < 1)[:, None]
    shade = np.where(joint, 0.4, tone + 0.12 * (grain - 0.5) + 0.25 * (streak - 0.5))
    return _texture(np.array(rgb), shade, rough, 1.2)


def weave(rng: np.random.Generator, rgb: tuple[float, float, float], stripes: float) -> Texture:
    """Cloth on 0.5 m: a fine weave, with broad checks of strength `stripes`."""
    thread = 0.5 + 0.5 * np.sin(np.arange(SIZE) * np.pi / 2)
    fine = 0.08 * (thread[:, None] * thread[None, :] - 0.5)
    band = np.repeat(rng.random(8) < 0.5, SIZE // 8).astype(float) - 0.5
    check = stripes * 0.5 * (band[:, None] + band[None, :])
    return _texture(np.array(rgb), 1 + fine + check + 0.1 * (_noise(rng, 16) - 0.5), 0.95, 0.5)


def tiles(rng: np.random.Generator, a: tuple[float, float, float], b: tuple[float, float, float]) -> Texture:
    """Glazed tiles in two colours, 4 x 4 on 1.6 m, with pale joints."""
    cell = SIZE // 4
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    joint = (y % cell < 3) | (x % cell < 3)
    pick = ((y // cell + x // cell) % 2)[..., None]
    colour = np.where(pick == 0, np.array(a), np.array(b)) * np.kron(
        rng.uniform(0.92, 1.05, (4, 4)), np.ones((cell, cell)))[..., None]
    colour[joint] = (0.72, 0.70, 0.66)
    return Texture((np.clip(colour, 0, 1) * 255).astype(np.uint8),
                   np.where(joint, 0.8, 0.12).astype(np.float32), 1.6)


def patches(rng: np.random.Generator, columns: int, rows: int, metres: float) -> Texture:
    """A grid of random colours: book spines, a painting, a shop's display."""
    wide = np.diff(np.sort(rng.choice(np.arange(2, SIZE - 2), columns - 1, replace=False)), prepend=0, append=SIZE)
    hue = rng.uniform(0.08, 0.75, (rows, columns, 3)) * rng.uniform(0.5, 1.0, (rows, columns, 1))
    line = np.repeat(hue, wide, axis=1)
    colour = np.repeat(line, -(-SIZE // rows), axis=0)[:SIZE]
    shade = 1 + 0.15 * (_noise(rng, 32) - 0.5)
    return _texture(colour, shade, 0.5, metres)
