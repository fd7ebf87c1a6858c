"""Pairs of a truth that is there: the game's halves of its clips, drawn in several styles."""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path

import numpy as np

from engine_plugins.demo_game.pack import Pack, PackError
from engine_plugins.demo_game.place import resolve
from engine_plugins.demo_game.raster import GBuffer, Rasteriser
from engine_plugins.demo_game.style import pick_style
from realmaster.errors import UserError
from realmaster.pairs import align, frozen
from realmaster.pairs.dataset import CLIPS, Card, Clip, Refused, checksums
from realmaster.pairs.make import PairPlan
from realmaster.pairs.settings import PairsDraw
from realmaster.pairs.truth import Truth, TruthClip
from realmaster.pairs.write import newcomers, write_pair

GENERATOR = "realmaster places 1"


def draw_pair(truth_folder: Path, clip: TruthClip, number: int, assets: Path, folder: Path) -> Clip | Refused:
    """Draws a clip's game half in its style `number` and writes the pair, unless it does not line up."""
    name = f"{clip.name}_{number}"
    truth = Truth(truth_folder)
    try:
        photos = list(truth.photos(clip))
        place = frozen.load(truth_folder / CLIPS / f"{clip.name}.npz")
        game = Rasteriser(resolve(place, Pack(assets)), truth.card.width, truth.card.height,
                          pick_style(zlib.crc32(name.encode())))
        drawn: list[GBuffer] = [game.render(i / truth.card.fps, 1 / truth.card.fps) for i in range(len(photos))]
        # The truth's own depth was compared when it was rendered and is not kept: the game's stands in for it.
        inverse = [b.inverse_depth for b in drawn]
        depth = [np.divide(1, i, out=np.zeros(i.shape, np.float32), where=i > 0, dtype=np.float32) for i in inverse]
        align.measure(photos, [b.motion for b in drawn], list(zip(inverse, depth, strict=True))).check()
    except UserError as error:
        return Refused(name=name, why=str(error))
    path = folder / name
    write_pair(path, f"{clip.world} {clip.seed}", clip.start, drawn, photos)
    return Clip(name=name, split=clip.split, world=clip.world, seed=clip.seed, start=clip.start, frames=len(photos),
                caption=clip.caption, alignment=clip.alignment, newcomers=newcomers([b.object_id for b in drawn]),
                sha256=checksums(path))


def drawn_twins(settings: PairsDraw) -> PairPlan:
    """Every clip of the truth in each of its styles. Raises `UserError` if there is no truth or no pack."""
    try:
        Pack(settings.assets)
    except PackError as error:
        raise UserError(str(error)) from error
    truth = Truth(settings.truth)
    card = Card(width=truth.card.width, height=truth.card.height, frames=truth.card.frames, fps=truth.card.fps,
                samples=0, generator=GENERATOR)
    return PairPlan(card, {
        f"{clip.name}_{number}": partial(draw_pair, settings.truth, clip, number, settings.assets, settings.out / CLIPS)
        for clip in truth.clips for number in range(settings.styles)})
