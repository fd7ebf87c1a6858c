"""The pairs as a large model sees them: cut to its grid, encoded once, kept on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from safetensors import safe_open
from torch import Tensor, nn

from capture.frame import Kind
from realmaster.errors import UserError
from realmaster.guides.packing import pack_guides
from realmaster.models.large.in_context import Reading
from realmaster.models.large.load import Backbone
from realmaster.models.large.text import prompts_for
from realmaster.models.large.tokens import Prompt
from realmaster.models.tensor_files import save_tensors
from realmaster.pairs.dataset import Clip, Dataset
from realmaster.training.data import U8, to_tensor
from realmaster.training.settings import Train


@dataclass(frozen=True)
class Clips:
    """Latents (N, C, L, h, w) f16 of both halves of every pair, of its guides if asked for, and each one's prompt."""

    rendered: Tensor
    photoreal: Tensor
    guides: Tensor | None
    prompts: list[Prompt]

    def references(self, at: int) -> list[Tensor]:
        """What the model reads of a clip, each (1, C, L, h, w) f32."""
        return [half[at:at + 1].float() for half in (self.rendered, self.guides) if half is not None]


def on_grid(frames: U8, backbone: Backbone, scale: int) -> U8:
    """As many of the frames (T, H, W, 3) as the model's grid takes, and of their pixels, from the middle."""
    time, step = backbone.video.grid[0], backbone.step * scale
    count = (len(frames) - 1) // time * time + 1
    height, width = (n // step * step for n in frames.shape[1:3])
    if not height or not width:
        raise UserError(f"the clips are {frames.shape[2]}x{frames.shape[1]}, this model needs {step}x{step} at least: "
                        "render larger ones with `realmaster pairs render`")
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return frames[:count, top:top + height, left:left + width]


def load_pair(dataset: Dataset, clip: Clip, backbone: Backbone, reading: Reading) -> tuple[U8, U8, U8 | None]:
    """Rendered and photoreal frames of a clip, and its guides if the model reads them, each (T, H, W, 3), on grid."""
    pair = dataset.load(clip, (Kind.NORMAL, Kind.DEPTH) if reading.guides else ())
    guides = pack_guides(pair.buffers[Kind.NORMAL], pair.buffers[Kind.DEPTH]) if reading.guides else None
    rendered, photoreal = (on_grid(half, backbone, reading.scale) for half in (pair.rendered, pair.photoreal))
    return rendered, photoreal, None if guides is None else on_grid(guides, backbone, reading.scale)


def encode_clips(settings: Train, backbone: Backbone, reading: Reading, device: str) -> Clips:
    """Every training clip through the autoencoder, once: kept on disk for the next run."""
    dataset, scale = Dataset(settings.data), reading.scale
    clips = dataset.split("train")
    facts = f"{scale} {reading.guides} {backbone.folder.resolve()} " + "".join(
        digest for clip in clips for digest in clip.sha256.values())
    key, path = hashlib.sha256(facts.encode()).hexdigest(), settings.checkpoint / "latents.safetensors"
    prompts = prompts_for(backbone.folder, backbone.family, [clip.caption for clip in clips], torch.float32)
    if path.exists():
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("of") == key:
                return Clips(file.get_tensor("rendered"), file.get_tensor("photoreal"),
                             file.get_tensor("guides") if reading.guides else None, prompts)

    def encode(frames: U8, shrink: int) -> Tensor:
        video = to_tensor(frames[None])
        small = nn.functional.avg_pool3d(video, (1, shrink, shrink)) if shrink > 1 else video
        return backbone.video.encode(small.to(device)).half().cpu()

    halves: dict[str, list[Tensor]] = {"rendered": [], "photoreal": [], "guides": []}
    for clip in clips:
        rendered, photoreal, guides = load_pair(dataset, clip, backbone, reading)
        halves["rendered"].append(encode(rendered, scale))
        halves["photoreal"].append(encode(photoreal, 1))
        if guides is not None:
            halves["guides"].append(encode(guides, scale))
    latents = {name: torch.cat(parts) for name, parts in halves.items() if parts}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(latents, path, {"of": key})
    return Clips(latents["rendered"], latents["photoreal"], latents.get("guides"), prompts)
