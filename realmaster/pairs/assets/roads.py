"""Roads and pavements painted from photographed grain: no package has a clean photograph of asphalt."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
PIXELS = 96
"""Texels a metre."""
WIDE, LONG = 8.0, 16.0
"""Metres across and along of a road's tile."""


def _fit(grain: F64, height: int, width: int, metres: float, rng: np.random.Generator) -> F64:
    """The photographed grain (S, S), mean 1, over (height, width) texels, its tile `metres` wide, turned at random."""
    side = round(metres * PIXELS)
    tile = np.asarray(cv2.resize(grain, (side, side), interpolation=cv2.INTER_AREA))
    tile = np.rot90(tile, int(rng.integers(4)))
    rows, columns = -(-height // side), -(-width // side)
    return np.asarray(np.tile(tile, (rows, columns))[:height, :width], np.float64)


def _cloud(rng: np.random.Generator, height: int, width: int, cell: float) -> F64:
    """Tiling noise (height, width) about 0, of unit deviation, with features of `cell` metres."""
    spectrum = np.fft.rfft2(rng.normal(size=(height, width)))
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    spectrum *= np.exp(-((fy ** 2 + fx ** 2) * (cell * PIXELS) ** 2) * 2)
    out = np.fft.irfft2(spectrum, (height, width))
    return out / out.std()


def _cracks(rng: np.random.Generator, height: int, width: int, count: int) -> F64:
    """Darkness in [0, 1] of cracks that wander."""
    picture: Any = np.zeros((height, width), np.float32)
    for _ in range(count):
        at, angle = rng.uniform(0, (width, height)), rng.uniform(0, 6.28)
        points = [at]
        for _ in range(int(rng.integers(20, 90))):
            angle += rng.normal(0, 0.45)
            at = at + 9 * np.array([np.cos(angle), np.sin(angle)])
            points.append(at)
        cv2.polylines(picture, [np.round(points).astype(np.int32)], False, 1.0, int(rng.integers(1, 3)), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.float64)


def _patches(rng: np.random.Generator, height: int, width: int, count: int) -> F64:
    """Factors (height, width): where the road was mended, darker with sealed edges."""
    picture: Any = np.ones((height, width), np.float32)
    for _ in range(count):
        w, h = rng.uniform(0.5, 2.2) * PIXELS, rng.uniform(0.6, 4) * PIXELS
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        box = (round(x), round(y)), (round(x + w), round(y + h))
        cv2.rectangle(picture, *box, float(rng.uniform(0.62, 0.9)), -1)
        cv2.rectangle(picture, *box, 0.45, int(rng.integers(2, 5)), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.float64)


def asphalt(grain: F64, rng: np.random.Generator, height: int, width: int, age: float) -> NDArray[np.float64]:
    """Reflectance (height, width, 3) of asphalt: dark and even when new, pale, cracked and mended with `age` 1."""
    base = 0.055 + 0.075 * age
    shade = 0.55 + 0.45 * _fit(grain, height, width, 1.1, rng) ** 1.4
    shade *= 1 + 0.05 * _cloud(rng, height, width, 0.5) + (0.04 + 0.06 * age) * _cloud(rng, height, width, 2.0)
    shade *= _patches(rng, height, width, round(5 * age))
    shade *= 1 - 0.7 * np.clip(_cracks(rng, height, width, round(14 * age)), 0, 1)
    stains = np.clip(_cloud(rng, height, width, 0.25) - 2.2, 0, 1) * 0.5
    tone = np.array((1.03, 1.0, 0.96)) * (1 - age) + np.array((1.06, 1.0, 0.92)) * age
    return base * (shade * (1 - stains))[..., None] * tone


def road(grain: F64, rng: np.random.Generator, age: float, lines: str) -> NDArray[np.float64]:
    """A two-lane road (LONG x WIDE metres): tracks of tyres, and `lines`: "dashed", "solid", "yellow" or "none"."""
    height, width = round(LONG * PIXELS), round(WIDE * PIXELS)
    surface = asphalt(grain, rng, height, width, age)
    x = (np.arange(width) + 0.5) / PIXELS - WIDE / 2
    y = (np.arange(height) + 0.5) / PIXELS
    tracks = sum(np.exp(-((np.abs(x) - at) / 0.28) ** 2) for at in (1.1, 2.7))
    surface *= (1 + (0.16 * age + 0.04) * tracks * (1 + 0.2 * _cloud(rng, height, width, 1.0)))[..., None]
    surface *= (1 - 0.25 * np.exp(-((4 - np.abs(x)) / 0.35) ** 2) * (1 + 0.3 * _cloud(rng, height, width, 0.6))
                )[..., None]  # dirt in the gutters
    if lines == "none":
        return np.clip(surface, 0, 1)
    colour = np.array((0.62, 0.47, 0.08) if lines == "yellow" else (0.66, 0.65, 0.62))
    middle = (np.abs(x) < 0.06)[None] & (((y % 8 < 3) if lines != "solid" else y > -1)[:, None])
    if lines == "yellow":
        middle = ((np.abs(np.abs(x) - 0.11) < 0.05)[None]) & (y > -1)[:, None]
    edges = (np.abs(np.abs(x) - 3.55) < 0.06)[None] & (y > -1)[:, None]
    worn = _fit(grain, height, width, 1.1, rng) + 0.12 * _cloud(rng, height, width, 0.4)
    there = (middle | edges) * np.clip((1.25 - 0.35 * age - worn) * 4 + 0.9, 0.15, 1)
    paint = np.asarray(cv2.GaussianBlur(there, (0, 0), 0.9))[..., None]
    return np.clip(surface * (1 - paint) + colour * (0.75 + 0.25 * worn[..., None]) * paint, 0, 1)


def slabs(grain: F64, rng: np.random.Generator, size: tuple[float, float], tone: tuple[float, float, float]
          ) -> NDArray[np.float64]:
    """A pavement (4 x 4 metres) of concrete slabs of `size` metres, each row shifted by half of one."""
    side = round(4 * PIXELS)
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / PIXELS
    row = np.floor(y / size[1])
    shifted = x + (row % 2) * size[0] / 2
    column = np.floor(shifted / size[0])
    edge = np.minimum(np.minimum(y % size[1], size[1] - y % size[1]),
                      np.minimum(shifted % size[0], size[0] - shifted % size[0]))
    tones = 1 + 0.1 * rng.normal(size=(64, 64))
    shade = tones[row.astype(int) % 64, (column % round(4 / size[0])).astype(int) % 64]
    shade *= 0.6 + 0.4 * _fit(grain, side, side, 1.6, rng)
    shade *= 1 + 0.05 * _cloud(rng, side, side, 0.4) + 0.03 * _cloud(rng, side, side, 1.2)
    joint = np.clip(1.4 - edge * PIXELS / 1.3, 0, 1)
    spots = np.clip(_cloud(rng, side, side, 0.025) - 2.8, 0, 1) * 0.5  # chewing gum
    return np.clip((shade * (1 - 0.65 * joint) * (1 - spots))[..., None] * np.array(tone), 0, 1)
