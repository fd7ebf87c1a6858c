"""Adds up noisy frames along their motion: so a clip needs fewer samples a pixel, and flickers less.

After Schied et al., "Spatiotemporal Variance-Guided Filtering", 2017: light without the surfaces' colour is carried
along; where depth or normal changed it begins anew; and it is held to what the new frame's neighbourhood allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.geometry import F32

LEAST = 0.2
"""The new frame's share at least: a shadow that moves is six frames late at a twentieth of its strength."""
NEAR_DEPTH, NEAR_NORMAL = 0.1, 0.8
"""Relative change of depth, and cosine between normals, up to which it is the same surface."""
SPREAD = 1.5
"""Standard deviations of the 5 x 5 neighbourhood that the carried light may be off."""


@dataclass
class Accumulator:
    """The light carried from frame to frame: `light` (H, W, 3), `depth` (H, W), `normal` (H, W, 3), `age` (H, W)."""

    light: F32 | None = None
    depth: F32 | None = None
    normal: F32 | None = None
    age: F32 | None = None

    def add(self, radiance: F32, albedo: F32, normal: F32, depth: F32, motion: NDArray[np.floating]) -> F32:
        """The frame's radiance (H, W, 3) with what the frames before knew; `motion` as in the frame contract."""
        base = np.where(albedo.max(-1, keepdims=True) > 0.02, albedo + 0.02, 1.0).astype(np.float32)
        light = (radiance / base).astype(np.float32)
        age = np.ones(depth.shape, np.float32)
        if self.light is not None and self.depth is not None and self.normal is not None and self.age is not None:
            height, width = depth.shape
            y, x = np.mgrid[0:height, 0:width].astype(np.float32)
            at = x + motion[..., 0].astype(np.float32), y + motion[..., 1].astype(np.float32)
            then = [cv2.remap(what, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-1)
                    for what in (self.light, self.depth, self.normal, self.age)]
            inside = (at[0] >= 0) & (at[0] <= width - 1) & (at[1] >= 0) & (at[1] <= height - 1)
            same = inside & (np.abs(then[1] - depth) <= NEAR_DEPTH * np.maximum(depth, 0.1)) & (
                ((then[2] * normal).sum(-1) > NEAR_NORMAL) | (depth <= 0))
            mean = cv2.blur(light, (5, 5))
            spread = SPREAD * np.sqrt(np.maximum(cv2.blur(light * light, (5, 5)) - mean * mean, 0))
            carried = np.clip(then[0], mean - spread, mean + spread)
            age = np.where(same, np.minimum(then[3] + 1, 1 / LEAST), 1).astype(np.float32)
            share = (1 / age)[..., None]
            light = (light * share + carried * (1 - share)).astype(np.float32)
        self.light, self.depth, self.normal, self.age = light, depth, normal, age
        return (light * base).astype(np.float32)
