"""Opens a backbone from a folder in diffusers' layout."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from realmaster.errors import UserError
from realmaster.models.families.registry import Family, families, family_of
from realmaster.models.large.folder import check_folder, read_json
from realmaster.models.large.in_context import Attention
from realmaster.models.large.original import load_original, load_original_vae, original_file
from realmaster.models.large.tiny_video import TinyVideo
from realmaster.models.large.tokens import TokenTransformer
from realmaster.models.large.video import Autoencoder, LatentVideo


@dataclass(frozen=True)
class Expert:
    """A transformer, and the lowest timestep in [0, 1000] that is its own."""

    model: Any
    tokens: TokenTransformer
    lowest: float


@dataclass(frozen=True)
class Backbone:
    """A video diffusion model: its transformers, from the noisiest timesteps down, and its autoencoder."""

    folder: Path
    family: Family
    experts: tuple[Expert, ...]
    video: Autoencoder
    schedule: dict[str, Any]
    """The configuration of its scheduler."""

    @property
    def step(self) -> int:
        """Pixels that a token covers in width and height."""
        return self.video.grid[1] * max(self.experts[0].tokens.patch[1:])

    def window_tokens(self, width: int, height: int, length: int) -> int:
        """Tokens of a window of so many pixels and frames."""
        return ((length - 1) // self.video.grid[0] + 1) * (width // self.step) * (height // self.step)

    def shift(self, tokens: int) -> float:
        """Of the noise schedule for windows of so many tokens: see `realmaster.models.sampler.sigmas`.

        LTX's grows with the sequence (`use_dynamic_shifting`, as `FlowMatchEulerDiscreteScheduler` has it).
        """
        config = self.schedule
        if not config.get("use_dynamic_shifting"):
            return float(config.get("flow_shift") or config.get("shift") or 1.0)
        low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
        start, end = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
        return math.exp(start + (end - start) * (tokens - low) / (high - low))

    def check_attention(self, attention: Attention) -> None:
        """Raises `UserError` if the model cannot run in that attention mode."""
        if attention == "one_way" and not all(expert.tokens.cacheable for expert in self.experts):
            raise UserError(f"{self.folder.name} lets the timestep into its text, so a reference is never the same "
                            "from step to step: it can be run in attention mode full alone")

    def place(self, device: str, low_memory: bool = False) -> None:
        """Moves the weights to `device`; with `low_memory` each layer only while it works, and frames in tiles."""
        self.video.vae.to(device)
        if low_memory:
            self.video.tile()
        for expert in self.experts:
            if low_memory:
                expert.model.enable_group_offload(torch.device(device), offload_type="block_level",
                                                  num_blocks_per_group=1)
            else:
                expert.model.to(device)

    @property
    def parameters(self) -> int:
        """Numbers in all transformers."""
        return sum(p.numel() for expert in self.experts for p in expert.model.parameters())


def load_backbone(folder: Path, dtype: torch.dtype, tiny_vae: Path | None = None) -> Backbone:
    """Loads transformers and autoencoder, or `tiny_vae` in its place, into main memory.

    Raises `UserError` saying what is wrong with the folder.
    """
    check_folder(folder)
    own = _video(_vae(folder / "vae", dtype))
    video = own if tiny_vae is None else TinyVideo(tiny_vae, dtype)
    if video.grid != own.grid:
        raise UserError(f"--tiny-vae {tiny_vae} is for another model: {video.grid} frames and pixels a latent, this "
                        f"one has {own.grid}")
    parts = [part for part in ("transformer", "transformer_2") if (folder / part).is_dir()]
    index = read_json(folder / "model_index.json") if (folder / "model_index.json").is_file() else {}
    boundary = index.get("boundary_ratio")
    if len(parts) == 2 and boundary is None:
        raise UserError(f"{folder} has two transformers, but its model_index.json no boundary_ratio between them")
    experts: list[Expert] = []
    family: Family | None = None
    for part in parts:
        family, model = _transformer(folder / part, dtype)
        if model.config.in_channels != video.channels:
            raise UserError(f"{folder}: the autoencoder makes latents of {video.channels} channels, {part} takes "
                            f"{model.config.in_channels}: they are of different models")
        lowest = 1000.0 * float(boundary) if boundary is not None and len(parts) == 2 and not experts else 0.0
        experts.append(Expert(model, family.load().tokens(model, video.grid), lowest))
    assert family is not None  # `check_folder` wants a transformer
    return Backbone(folder, family, tuple(experts), video, _schedule(folder))


def _video(vae: Any) -> LatentVideo:
    """The wrapper of the first family whose autoencoders are of that class."""
    return next(half.video(vae) for half in (family.load() for family in families().values())
                if isinstance(vae, half.autoencoder))


def _vae(part: Path, dtype: torch.dtype) -> Any:
    single = original_file(part)
    if single is not None:
        return load_original_vae(single, dtype)
    name = read_json(part / "config.json").get("_class_name", "")
    known = {family.autoencoder: family for family in families().values()}
    if name not in known:
        raise UserError(f"{part} is a {name or 'model without a class name'}; known are {', '.join(known)}")
    return open_part(known[name].load().autoencoder, part, dtype)


def _transformer(part: Path, dtype: torch.dtype) -> tuple[Family, Any]:
    """The transformer in a part of the folder, and its family."""
    single = original_file(part)
    if single is not None:
        return load_original(single, dtype)
    name = read_json(part / "config.json").get("_class_name", "")
    family = family_of(name)
    if family is None:
        known = ", ".join(family.transformer for family in families().values())
        raise UserError(f"{part} is a {name or 'model without a class name'}; known are {known}")
    return family, open_part(family.load().transformer, part, dtype)


def open_part(kind: Any, part: Path, dtype: torch.dtype) -> Any:
    """A model of a diffusers class from a folder. Raises `UserError` if weights are missing.

    diffusers itself would fill these with random numbers.
    """
    try:
        model, report = kind.from_pretrained(part, torch_dtype=dtype, local_files_only=True, use_safetensors=True,
                                             output_loading_info=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{part} does not load as {kind.__name__}: {str(error).splitlines()[0]}") from error
    missing, unknown = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    if missing:
        raise UserError(f"{part} does not load as {kind.__name__}: it lacks {len(missing)} weights ({missing[0]}, "
                        "...): copy its files again")
    if unknown:
        print(f"{part}: {len(unknown)} weights are left out ({unknown[0]}, ...): {kind.__name__} has no place for them",
              file=sys.stderr)
    return model.eval().requires_grad_(False)


def _schedule(folder: Path) -> dict[str, Any]:
    path = folder / "scheduler" / "scheduler_config.json"
    return read_json(path) if path.is_file() else {}
