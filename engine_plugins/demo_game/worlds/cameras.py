"""Camera moves: along a line, round a centre, through points."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game.geometry import F32
from engine_plugins.demo_game.scene import SHOT_SECONDS, Camera, Point, Shot

_KEYS = 11


def along(eye: Point, target: Point, velocity: Point, sway: float) -> Shot:
    """Moves and looks ahead at a steady `velocity` in m/s: a drive, a walk, a dolly."""
    way = np.array(velocity) * np.linspace(0, SHOT_SECONDS, _KEYS)[:, None]
    return Shot((np.array(eye) + way).astype(np.float32), (np.array(target) + way).astype(np.float32), sway)


def orbit(centre: Point, radius: float, height: float, start: float, speed: float) -> Shot:
    """Round `centre` at `radius` and `height` metres above the ground, from angle `start`, `speed` in rad/s."""
    angle = start + speed * np.linspace(0, SHOT_SECONDS, _KEYS)
    eyes = np.stack([centre[0] + radius * np.cos(angle), np.full(_KEYS, height),
                     centre[2] + radius * np.sin(angle)], 1)
    return Shot(eyes.astype(np.float32), np.tile(np.array(centre, np.float32), (_KEYS, 1)))


def entrance(rng: np.random.Generator, number: int, shot: Camera) -> tuple[float, F32, F32]:
    """A moment of shot `number` at which something may come into the picture: game time, eye (3,), forward (3,)."""
    local = float(rng.uniform(1, SHOT_SECONDS - 1))
    view = shot.view(local)
    eye = -view[:3, :3].T @ view[:3, 3]
    return number * SHOT_SECONDS + local, eye.astype(np.float32), -view[2, :3]
