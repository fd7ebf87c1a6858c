"""What covers a cube of a block world: photographed material for the truth, 16 x 16 pixels for the game."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from engine_plugins.demo_game.textures import Texture

PIXELS = 16
"""Texels a metre of the game's picture."""
SIDE, CUBES = 96, 4
"""Texels a side of a cube's photograph, and cubes a side of the tile."""


def cubed(texture: Texture) -> Texture:
    """A tile of 4 x 4 cubes of 1 m: each another piece of the photograph, of another tone, with worn dark edges."""
    rng = np.random.default_rng(12)
    size = SIDE * CUBES
    side = round(texture.metres * SIDE)
    photo = np.asarray(cv2.resize(texture.colour, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    photo = np.tile(photo, (size // side + 2, size // side + 2, 1))
    edge = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) + 0.5
    gap = np.minimum(edge[:, None], edge[None])
    wear = 1 - 0.5 * np.exp(-gap / 1.3) - 0.12 * np.exp(-gap / 9)
    colour = np.empty((size, size, 3), np.float32)
    for row in range(0, size, SIDE):
        for column in range(0, size, SIDE):
            y, x = rng.integers(0, side, 2)
            piece = photo[y: y + SIDE, x: x + SIDE]
            colour[row: row + SIDE, column: column + SIDE] = piece * (wear * rng.uniform(0.88, 1.1))[..., None]
    return replace(texture, colour=np.clip(colour, 0, 255).astype(np.uint8), metres=float(CUBES))


def pixelled(texture: Texture) -> Texture:
    """One metre of the photograph as an artist of a block game would draw it: 16 x 16 texels in five shades."""
    rng = np.random.default_rng(13)
    side = max(PIXELS, round(texture.metres * PIXELS))
    small = np.asarray(cv2.resize(texture.colour, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    small = small[:PIXELS, :PIXELS]
    mean, light = small.mean((0, 1)), small.mean(2)
    tone = (light - light.mean()) / (light.std() + 1e-3) + rng.normal(0, 0.7, light.shape)
    shade = np.clip(np.round(tone), -2, 2) * 0.11 + 1
    grey = mean.mean()
    vivid = np.clip(grey + (mean - grey) * 1.35, 0, 255)
    return replace(texture, colour=np.clip(vivid * shade[..., None], 0, 255).astype(np.uint8), metres=1.0)
