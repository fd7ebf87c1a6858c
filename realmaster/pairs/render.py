"""Renders aligned clip pairs to disk: the game's frames and their path-traced twins.

One safetensors file a clip: `rendered` and `photoreal`, both (T, H, W, 3) u8 sRGB, with the
seed, the start time and the measured alignment in its metadata. A clip that exists is skipped,
so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from engine_plugins.demo_game.raster import Rasteriser
from engine_plugins.demo_game.scene import SHOT_SECONDS, build_street
from realmaster.config import Pairs
from realmaster.errors import UserError
from realmaster.pairs.pathtrace import PathTracer
from realmaster.progress import Progress

MAX_HIT_MISMATCH = 0.03
"""Share of pixels where one renderer sees sky and the other does not; more means a wrong camera."""


def render_clip(seed: int, settings: Pairs) -> tuple[dict[str, NDArray[np.uint8]], dict[str, str]]:
    """One pair and its metadata. Raises `UserError` if the two renderers do not line up."""
    scene = build_street(seed)
    rng = np.random.default_rng([seed, 1])
    shot = int(rng.integers(len(scene.shots)))
    start = shot * SHOT_SECONDS + float(rng.uniform(0.5, SHOT_SECONDS - 0.5 - settings.frames / settings.fps))
    raster = Rasteriser(scene, settings.width, settings.height)
    tracer = PathTracer(scene, settings.width, settings.height, settings.samples)
    rendered, photoreal, mismatch = [], [], []
    for i in range(settings.frames):
        t = start + i / settings.fps
        buffers = raster.render(t, 1 / settings.fps)
        photo, distance = tracer.render(t, seed=i)
        rendered.append(buffers.colour[..., :3])
        photoreal.append(photo)
        mismatch.append(float(((distance > 0) != (buffers.inverse_depth > 0)).mean()))
    worst = max(mismatch)
    if worst > MAX_HIT_MISMATCH:
        raise UserError(f"seed {seed}: {worst:.1%} of the pixels hit different things in the two renderers; "
                        "the scene is drawn differently, do not train on it")
    metadata = {"seed": str(seed), "start": f"{start:.4f}", "fps": str(settings.fps),
                "samples": str(settings.samples), "hit_mismatch": f"{worst:.5f}"}
    return {"rendered": np.stack(rendered), "photoreal": np.stack(photoreal)}, metadata


def render_pairs(settings: Pairs) -> None:
    """Renders every missing clip of `settings`."""
    settings.out.mkdir(parents=True, exist_ok=True)
    progress = Progress("pairs", settings.clips, "clips", clock=time.monotonic)
    for seed in range(settings.first_seed, settings.first_seed + settings.clips):
        path = settings.out / f"clip_{seed:05d}.safetensors"
        if not path.exists():
            arrays, metadata = render_clip(seed, settings)
            part = path.with_suffix(".part")
            save_file(arrays, part, metadata=metadata)
            part.rename(path)
        progress.step()
    progress.close()
