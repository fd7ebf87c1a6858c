"""Pairs as the tiny model's training reads them: raw frames on disk, mapped into memory, so that thousands fit.

    FOLDER/DIGEST.npy       (T, H, W, 3) u8: a clip's photographs or its game's frames, by the SHA-256 of their file
    FOLDER/DIGEST.aux.npy   (T, H/2, W/2, 4) u8: normals and depth as a picture (`realmaster.guides.packing`), and
                            what is there: 0 the sky, 1 what stands still, 2 what moves by itself

Several games of one truth share its photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture.frame import Kind
from realmaster.errors import UserError
from realmaster.guides.packing import pack_guides
from realmaster.pairs.dataset import Clip, Dataset, Pair
from realmaster.training.data import to_tensor

U8 = NDArray[np.uint8]
KINDS = (Kind.DEPTH, Kind.NORMAL, Kind.OBJECT_ID)


@dataclass(frozen=True)
class Batch:
    """Videos (B, T, 3, H, W) in [-1, 1], the guides at half the height and width; what is there, (B, T, H/2, W/2)."""

    game: Tensor
    photo: Tensor
    guides: Tensor
    what: Tensor


@dataclass(frozen=True)
class Stored:
    """A pair's frames on disk."""

    game: U8
    photo: U8
    aux: U8


class Frames:
    """A split of a dataset. What was unpacked before is taken as it is. Raises `UserError` if there are no clips."""

    def __init__(self, data: Path, folder: Path, split: str = "train") -> None:
        dataset = Dataset(data)
        folder.mkdir(parents=True, exist_ok=True)
        self.clips = dataset.split(split)
        self.stored = [_store(dataset, clip, folder) for clip in self.clips]
        self.by_world: dict[str, list[int]] = {}
        for i, clip in enumerate(self.clips):
            self.by_world.setdefault(clip.world, []).append(i)

    def pick(self, rng: np.random.Generator, batch: int, groups: int, crop: tuple[int, int]) -> Batch:
        """Random windows of 4 * `groups` frames, worlds in equal shares, half of them mirrored.

        `crop` is their height and width; corners lie on multiples of 16 pixels. Raises `UserError` if the clips are too
        small.
        """
        worlds = sorted(self.by_world)
        cuts: list[tuple[U8, U8, U8]] = []
        for _ in range(batch):
            at = self.by_world[worlds[rng.integers(len(worlds))]]
            cuts.append(_cut(self.stored[at[rng.integers(len(at))]], rng, 4 * groups, crop))
        game, photo, aux = (np.stack(side) for side in zip(*cuts, strict=True))
        return Batch(to_tensor(game), to_tensor(photo), to_tensor(aux[..., :3]),
                     torch.from_numpy(np.ascontiguousarray(aux[..., 3])))


def _cut(stored: Stored, rng: np.random.Generator, frames: int, crop: tuple[int, int]) -> tuple[U8, U8, U8]:
    count, height, width, _ = stored.game.shape
    if count < frames or height < crop[0] or width < crop[1]:
        raise UserError(f"the clips have {count} frames of {width}x{height}, training needs {frames} of "
                        f"{crop[1]}x{crop[0]} at least: draw or render longer ones")
    start = int(rng.integers(count - frames + 1))
    y, x = (int(rng.integers((side - want) // 16 + 1)) * 16 for side, want in ((height, crop[0]), (width, crop[1])))
    mirrored = bool(rng.random() < 0.5)

    def cut(video: U8, scale: int) -> U8:
        part = video[start:start + frames, y // scale:(y + crop[0]) // scale, x // scale:(x + crop[1]) // scale]
        return part[:, :, ::-1] if mirrored else part

    return cut(stored.game, 1), cut(stored.photo, 1), cut(stored.aux, 2)


def auxiliary(pair: Pair) -> U8:
    """Guides, and what is there, at half the size: see the top of this file."""
    depth, normal = pair.buffers[Kind.DEPTH], pair.buffers[Kind.NORMAL]
    guides = np.stack([cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
                       for picture in pack_guides(normal, depth)])
    moves = pair.buffers[Kind.OBJECT_ID][:, ::2, ::2] > 0
    what = (depth[:, ::2, ::2] > 0).astype(np.uint8)
    what[moves] = 2
    return np.concatenate([guides, what], -1)


def _store(dataset: Dataset, clip: Clip, folder: Path) -> Stored:
    game, photo = (clip.sha256[name] for name in ("color.mkv", "photo.mkv"))
    paths = folder / f"{game}.npy", folder / f"{photo}.npy", folder / f"{game}.aux.npy"
    if not all(path.exists() for path in paths):
        pair = dataset.load(clip, KINDS)
        made: tuple[Callable[[], U8], ...] = (lambda: pair.rendered, lambda: pair.photoreal, lambda: auxiliary(pair))
        for path, make in zip(paths, made, strict=True):
            if not path.exists():
                _write(path, make())
    return Stored(*(np.load(path, mmap_mode="r") for path in paths))


def _write(path: Path, array: U8) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, array)
    part.rename(path)
