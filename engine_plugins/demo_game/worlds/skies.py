"""Skies and times of day, and the game's colours for each."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game.scene import RGB, Point, Sky


def _direction(azimuth: float, elevation: float) -> Point:
    return (float(np.cos(elevation) * np.sin(azimuth)), float(np.sin(elevation)),
            float(np.cos(elevation) * np.cos(azimuth)))


_GAME: dict[str, tuple[RGB, RGB, RGB, RGB]] = {  # zenith, horizon, sunlight, ambient
    "noon": ((0.25, 0.48, 0.86), (0.70, 0.80, 0.92), (0.65, 0.65, 0.62), (0.45, 0.45, 0.47)),
    "low sun": ((0.35, 0.50, 0.80), (0.93, 0.80, 0.65), (0.75, 0.58, 0.38), (0.46, 0.45, 0.50)),
    "overcast": ((0.66, 0.69, 0.73), (0.78, 0.80, 0.82), (0.12, 0.12, 0.12), (0.62, 0.63, 0.65)),
    "night": ((0.02, 0.03, 0.08), (0.08, 0.09, 0.15), (0.03, 0.03, 0.06), (0.17, 0.18, 0.26)),
}
TIMES = ("noon", "low sun", "overcast", "night")


def sky(rng: np.random.Generator, time: str) -> Sky:
    """A sky of one of `TIMES`: the sun high, or low; clouds from side to side; or a dark sky with a faint glow."""
    low, high = {"noon": (28, 62), "low sun": (7, 18)}.get(time, (35, 60))
    sun = _direction(rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(low, high)))
    kind = {"noon": "clear", "low sun": "clear"}.get(time, time)
    return Sky(kind, sun, float(rng.uniform(2.5, 5.0)), *_GAME[time])


def pick_time(rng: np.random.Generator) -> str:
    """A time of day: mostly by daylight."""
    return str(rng.choice(TIMES, p=(0.42, 0.24, 0.18, 0.16)))
