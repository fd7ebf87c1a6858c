"""Pairs in memory, and random windows of them as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture.frame import Kind
from realmaster.errors import UserError
from realmaster.guides.packing import pack_guides
from realmaster.models.tiny.files import prompt_of
from realmaster.pairs.dataset import Dataset, Pair

U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Pairs:
    """All clips of a split: `rendered`, `photoreal` and, if asked for, `guides`, each (N, T, H, W, 3) u8.

    `prompts` (N, 4, 32) are the clips' captions as the base reads them.
    """

    rendered: U8
    photoreal: U8
    guides: U8 | None
    prompts: Tensor


def load_pairs(folder: Path, with_guides: bool = False, split: str = "train") -> Pairs:
    """Reads a split into memory. Raises `UserError` if there is none."""
    dataset = Dataset(folder)
    kinds = (Kind.DEPTH, Kind.NORMAL) if with_guides else ()
    pairs: list[Pair] = [dataset.load(clip, kinds) for clip in dataset.split(split)]
    guides = None
    if with_guides:
        guides = np.stack([pack_guides(p.buffers[Kind.NORMAL], p.buffers[Kind.DEPTH]) for p in pairs])
    return Pairs(np.stack([p.rendered for p in pairs]), np.stack([p.photoreal for p in pairs]), guides,
                 torch.stack([prompt_of(p.clip.caption) for p in pairs]))


def to_tensor(frames: U8) -> Tensor:
    """(..., H, W, 3) u8 to (..., 3, H, W) f32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).float() / 127.5 - 1


def to_frames(video: Tensor) -> U8:
    """(..., 3, H, W) in [-1, 1] to (..., H, W, 3) u8."""
    return ((video.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(-3, -1).numpy()


@dataclass(frozen=True)
class Place:
    """Where a training window lies: clip, first frame, corner (multiples of 16 pixels, the transformer's token)."""

    clip: int
    start: int
    y: int
    x: int
    mirrored: bool


def pick_places(rng: np.random.Generator, clips: U8, batch: int, frames: int, crop: tuple[int, int]) -> list[Place]:
    """`batch` random windows. Raises `UserError` if the clips are too small for them."""
    n, t, h, w, _ = clips.shape
    if t < frames or h < crop[0] or w < crop[1]:
        raise UserError(f"the clips have {t} frames of {w}x{h}, training needs {frames} of {crop[1]}x{crop[0]} at "
                        "least: render larger ones with `realmaster pairs render`")
    rows, columns = (h - crop[0]) // 16 + 1, (w - crop[1]) // 16 + 1
    return [Place(int(rng.integers(n)), int(rng.integers(t - frames + 1)), int(rng.integers(rows)) * 16,
                  int(rng.integers(columns)) * 16, bool(rng.random() < 0.5)) for _ in range(batch)]


def windows(places: list[Place], clips: U8, frames: int, crop: tuple[int, int]) -> Tensor:
    """The windows (B, frames, 3, h, w) in [-1, 1] that lie at `places` in `clips`."""
    cut = [clips[p.clip, p.start:p.start + frames, p.y:p.y + crop[0], p.x:p.x + crop[1]] for p in places]
    return to_tensor(np.stack([c[:, :, ::-1] if p.mirrored else c for c, p in zip(cut, places, strict=True)]))
