"""Pairs of twins: one world, rasterised as a game and path-traced as a photograph."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.raster import GBuffer, Rasteriser
from engine_plugins.demo_game.worlds import WORLDS
from realmaster.errors import UserError
from realmaster.pairs import align
from realmaster.pairs.dataset import CLIPS, Card, Clip, Refused, checksums
from realmaster.pairs.make import PairPlan
from realmaster.pairs.pathtrace import PathTracer
from realmaster.pairs.plan import FPS, PRESETS, ClipPlan, choose_start, plan
from realmaster.pairs.settings import PairsRender
from realmaster.pairs.write import newcomers, write_pair

R = TypeVar("R")
GENERATOR = "realmaster worlds 1"


def render_clip(clip: ClipPlan, folder: Path) -> Clip | Refused:
    """Draws both halves of a clip and writes them to `folder`/NAME, unless they do not line up."""
    width, height = clip.preset.size
    scene = WORLDS[clip.world](clip.seed)
    game = Rasteriser(scene, width, height)
    seconds = clip.preset.frames / FPS
    start = choose_start(lambda t: game.render(t, 0.0), len(scene.shots), seconds, clip.seed)
    tracer = PathTracer(scene, width, height, clip.preset.samples, start + seconds / 2)
    drawn: list[GBuffer] = []
    photos: list[NDArray[np.uint8]] = []
    depths: list[NDArray[np.float32]] = []
    for i in range(clip.preset.frames):
        drawn.append(game.render(start + i / FPS, 1 / FPS))
        photo, depth = tracer.render(start + i / FPS, seed=i)
        photos.append(photo)
        depths.append(depth)
    figures = align.measure(photos, [b.motion for b in drawn],
                            list(zip([b.inverse_depth for b in drawn], depths, strict=True)))
    try:
        figures.check()
    except UserError as error:
        return Refused(name=clip.name, why=str(error))
    path = folder / clip.name
    write_pair(path, f"{clip.world} {clip.seed}", start, drawn, photos)
    return Clip(name=clip.name, split=clip.split, world=clip.world, seed=clip.seed, start=round(start, 4),
                frames=clip.preset.frames, caption=scene.caption, alignment=figures,
                newcomers=newcomers([b.object_id for b in drawn]), sha256=checksums(path))


def twins(settings: PairsRender) -> PairPlan:
    """The clips of the preset, each rendered as a game and as a photograph."""
    preset = PRESETS[settings.preset]
    width, height = preset.size
    card = Card(width=width, height=height, frames=preset.frames, fps=FPS, samples=preset.samples,
                generator=GENERATOR)
    return PairPlan(card, {clip.name: partial(render_clip, clip, settings.out / CLIPS) for clip in plan(preset)})
