"""The pairs as a large model sees them: cut to its grid, encoded once, kept on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from realmaster.backbones.load import Backbone
from realmaster.backbones.text import prompts_for
from realmaster.backbones.tokens import Prompt
from realmaster.errors import UserError
from realmaster.pairs.dataset import Dataset
from realmaster.training.data import to_tensor
from realmaster.training.settings import Train


@dataclass(frozen=True)
class Clips:
    """Latents (N, C, L, h, w) f16 of both halves of every pair, and each one's prompt."""

    rendered: Tensor
    photoreal: Tensor
    prompts: list[Prompt]


def on_grid(frames: NDArray[np.uint8], backbone: Backbone, scale: int) -> NDArray[np.uint8]:
    """As many of the frames (T, H, W, 3) as the model's grid takes, and of their pixels, from the middle."""
    time, spatial, _ = backbone.video.grid
    step = spatial * max(backbone.experts[0].tokens.patch[1:]) * scale
    count = (len(frames) - 1) // time * time + 1
    height, width = (n // step * step for n in frames.shape[1:3])
    if not height or not width:
        raise UserError(f"the clips are {frames.shape[2]}x{frames.shape[1]}, this model needs {step}x{step} at least: "
                        "render larger ones with `realmaster pairs render`")
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return frames[:count, top:top + height, left:left + width]


def encode_clips(settings: Train, backbone: Backbone, device: str) -> Clips:
    """Every training clip through the autoencoder, once: kept on disk for the next run."""
    dataset = Dataset(settings.data)
    clips = dataset.split("train")
    facts = f"{settings.reference_scale} {backbone.folder.resolve()} " + "".join(
        digest for clip in clips for digest in clip.sha256.values())
    key, path = hashlib.sha256(facts.encode()).hexdigest(), settings.checkpoint / "latents.safetensors"
    prompts = prompts_for(backbone.folder, backbone.family, [clip.caption for clip in clips], torch.float32)
    if path.exists():
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("of") == key:
                return Clips(file.get_tensor("rendered"), file.get_tensor("photoreal"), prompts)
    halves: dict[str, list[Tensor]] = {"rendered": [], "photoreal": []}
    for clip in clips:
        pair, scale = dataset.load(clip), settings.reference_scale
        rendered = to_tensor(on_grid(pair.rendered, backbone, scale)[None])
        small = nn.functional.avg_pool3d(rendered, (1, scale, scale)) if scale > 1 else rendered
        halves["rendered"].append(backbone.video.encode(small.to(device)).half().cpu())
        photoreal = to_tensor(on_grid(pair.photoreal, backbone, scale)[None]).to(device)
        halves["photoreal"].append(backbone.video.encode(photoreal).half().cpu())
    latents = {name: torch.cat(parts) for name, parts in halves.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(latents, path, metadata={"of": key})
    return Clips(latents["rendered"], latents["photoreal"], prompts)
