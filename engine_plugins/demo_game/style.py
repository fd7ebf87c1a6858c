"""How games of different ages draw: their light, textures, shadows, fog, sky and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Light = Literal["pixel", "vertex", "flat", "none"]


@dataclass(frozen=True)
class GameStyle:
    """A game's way to draw.

    `texels` is the most that a texture has a side, 0 for as many as there are; `smooth` filters them. `blobs` are
    round shadows under things. Fog begins and is thickest at `fog` metres and hides up to `fog_most`. `sky_rows` are
    the rows of a photographed sky, 0 for two colours. `levels` a colour channel has, 0 for all 256.
    """

    light: Light = "pixel"
    texels: int = 0
    smooth: bool = True
    blobs: bool = False
    fog: tuple[float, float] = (30.0, 250.0)
    fog_most: float = 0.75
    sky_rows: int = 64
    levels: int = 0
    gamma: float = 1.0
    saturation: float = 1.0

    def graded(self, colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A drawn picture (H, W, 4) u8 in this game's colours."""
        if self.levels == 0 and self.gamma == 1.0 and self.saturation == 1.0:
            return colour
        rgb = colour[..., :3].astype(np.float32) / 255
        grey = rgb @ np.array((0.299, 0.587, 0.114), np.float32)
        rgb = np.clip(grey[..., None] + (rgb - grey[..., None]) * self.saturation, 0, 1) ** self.gamma
        if self.levels:
            rgb = np.round(rgb * (self.levels - 1)) / (self.levels - 1)
        out = colour.copy()
        out[..., :3] = np.round(rgb * 255).astype(np.uint8)
        return out

    def texture(self, colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A texture (H, W, C) u8 with no more texels than the game has."""
        most = max(colour.shape[:2])
        if not self.texels or most <= self.texels:
            return colour
        width, height = (max(1, side * self.texels // most) for side in (colour.shape[1], colour.shape[0]))
        return np.asarray(cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


PLAIN = GameStyle()
"""What the demo game draws in."""


def pick_style(seed: int) -> GameStyle:
    """The style that belongs to `seed`: from flat light and 32 texels to lit pixels and full textures."""
    rng = np.random.default_rng([seed, 30])
    light: Light = (("pixel", "pixel", "vertex", "flat", "none") * 1)[int(rng.integers(5))]  # type: ignore[assignment]
    texels = int(rng.choice([32, 64, 128, 256, 512]))
    start = float(rng.uniform(10, 60))
    return GameStyle(
        light, texels, smooth=bool(texels > 128 or rng.random() < 0.7), blobs=bool(rng.random() < 0.4),
        fog=(start, start + float(rng.uniform(60, 400))), fog_most=float(rng.choice([0.0, 0.3, 0.7, 0.95])),
        sky_rows=int(rng.choice([0, 16, 64, 128])), levels=int(rng.choice([0, 0, 0, 32, 16])),
        gamma=float(rng.uniform(0.75, 1.3)), saturation=float(rng.uniform(0.75, 1.4)))
