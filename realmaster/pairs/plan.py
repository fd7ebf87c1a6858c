"""Which clips a preset has, and where in its world each begins. Splits share no world: seeds tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine_plugins.demo_game.raster import GBuffer
from engine_plugins.demo_game.scene import SHOT_SECONDS
from realmaster.pairs.settings import PresetName

WORLD_CYCLE = ("street", "square", "country", "room", "street", "country")
"""Clip i of a split shows this world; streets and country, where the games are, come twice."""
FIRST_SEED = {"train": 0, "validation": 90_000, "test": 100_000}
"""Split to the seed of its first world."""
FPS = 24.0


@dataclass(frozen=True)
class Preset:
    """How much to render. `samples` are path-tracing samples a pixel, before denoising."""

    clips: dict[str, int]
    frames: int
    samples: int
    size: tuple[int, int] = (256, 144)


PRESETS: dict[PresetName, Preset] = {
    "smoke": Preset({"train": 2, "validation": 1, "test": 1}, frames=13, samples=4, size=(128, 96)),
    "small": Preset({"train": 10, "validation": 2, "test": 4}, frames=13, samples=8),
    "full": Preset({"train": 720, "validation": 6}, frames=13, samples=6),
    "test": Preset({"test": 12}, frames=29, samples=16),
}


@dataclass(frozen=True)
class ClipPlan:
    """One clip to render."""

    name: str
    split: str
    world: str
    seed: int
    preset: Preset


def plan(preset: Preset) -> list[ClipPlan]:
    """The clips of `preset`, the held-out ones first."""
    clips: list[ClipPlan] = []
    for split in ("test", "validation", "train"):
        for i in range(preset.clips.get(split, 0)):
            world, seed = WORLD_CYCLE[i % len(WORLD_CYCLE)], FIRST_SEED[split] + i
            clips.append(ClipPlan(f"{world}_{seed:06d}", split, world, seed, preset))
    return clips


TOO_NEAR, NEAR_SHARE = 1.3, 0.2
"""Metres, and share of the picture: a camera with more than that nearer than this has its view blocked."""
MOST_FRESH = 0.4
"""A newcomer that covers more than this share of the picture has come too near."""
CANDIDATES = 16
ENOUGH = 0.01
"""Share of the picture that newcomers should cover in a clip's last frame."""


def choose_start(draw: Callable[[float], GBuffer], shots: int, seconds: float, seed: int,
                 candidates: int = CANDIDATES) -> float:
    """Game time at which a clip of `seconds` begins: a clear view, and three times in four one that something enters.

    `draw` renders the game at a time. The clip never spans a cut.
    """
    rng = np.random.default_rng([seed, 7])
    best, most = 0.0, -1.0
    enough = ENOUGH if rng.random() < 0.75 else 0.0
    for _ in range(candidates):
        start = int(rng.integers(shots)) * SHOT_SECONDS + float(rng.uniform(0.3, SHOT_SECONDS - 0.3 - seconds))
        first, middle, last = (draw(start + seconds * part) for part in (0, 0.5, 1))
        near = max(float((view.inverse_depth > 1 / TOO_NEAR).mean()) for view in (first, middle, last))
        known = np.unique(first.object_id)
        fresh = [float((~np.isin(view.object_id, known)).mean()) for view in (middle, last)]
        clear = near < NEAR_SHARE and max(fresh) < MOST_FRESH
        score = clear * (1 + min(fresh[1], enough))
        if score > most:
            best, most = start, score
        if score >= 1 + enough:
            break
    return best
