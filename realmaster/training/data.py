"""Clip pairs in memory, and random windows of them as tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor

from realmaster.errors import UserError


def load_pairs(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All clips of `folder`: rendered and photoreal, each (N, T, H, W, 3) u8."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"no clips in {folder}: render some with `realmaster pairs --out {folder}`")
    clips = [load_file(f) for f in files]
    return np.stack([c["rendered"] for c in clips]), np.stack([c["photoreal"] for c in clips])


def to_tensor(frames: NDArray[np.uint8]) -> Tensor:
    """(..., H, W, 3) u8 to (..., 3, H, W) f32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).float() / 127.5 - 1


def to_frames(video: Tensor) -> NDArray[np.uint8]:
    """(..., 3, H, W) in [-1, 1] to (..., H, W, 3) u8."""
    return ((video.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(-3, -1).numpy()


def random_crops(rng: np.random.Generator, clips: list[NDArray[np.uint8]],
                 shape: tuple[int, int, int, int]) -> list[Tensor]:
    """The same random windows out of each aligned array of `clips`, mirrored half of the time.

    `shape` is (batch, frames, height, width); returns one tensor (batch, frames, 3, height, width) for
    each array. Offsets are multiples of 16 pixels, the transformer's token.
    """
    batch, frames, height, width = shape
    n, t, h, w, _ = clips[0].shape
    if t < frames or h < height or w < width:
        raise UserError(f"the clips have {t} frames of {w}x{h}, training needs {frames} of {width}x{height} at least: "
                        "render larger ones with `realmaster pairs`")
    picks: list[list[NDArray[np.uint8]]] = [[] for _ in clips]
    for _ in range(batch):
        clip, start = rng.integers(n), rng.integers(t - frames + 1)
        y, x = (int(rng.integers((a - b) // 16 + 1)) * 16 for a, b in ((h, height), (w, width)))
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        for out, array in zip(picks, clips, strict=True):
            out.append(array[clip, start:start + frames, y:y + height, x:x + width][:, :, flip])
    return [to_tensor(np.stack(p)) for p in picks]
