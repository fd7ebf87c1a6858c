"""Opens a backbone from a folder in diffusers' layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

from realmaster.backbones.folder import check_folder, read_json
from realmaster.backbones.in_context import Attention
from realmaster.backbones.ltx import LTX2Tokens, LTXTokens
from realmaster.backbones.tokens import TokenTransformer
from realmaster.backbones.video import LatentVideo
from realmaster.backbones.wan import WanTokens
from realmaster.errors import UserError

TRANSFORMERS: dict[str, tuple[str, Any, Any]] = {
    "WanTransformer3DModel": ("wan", WanTransformer3DModel, AutoencoderKLWan),
    "LTXVideoTransformer3DModel": ("ltx", LTXVideoTransformer3DModel, AutoencoderKLLTXVideo),
    "LTX2VideoTransformer3DModel": ("ltx2", LTX2VideoTransformer3DModel, AutoencoderKLLTX2Video)}
"""By the class that transformer/config.json names: family, transformer and autoencoder classes."""


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
    family: str
    experts: tuple[Expert, ...]
    video: LatentVideo
    shift: float
    """Of the noise schedule: see `realmaster.sampler.sigmas`."""

    def check_attention(self, attention: Attention) -> None:
        """Raises `UserError` if the model cannot run in that attention mode."""
        if attention == "one_way" and not all(expert.tokens.cacheable for expert in self.experts):
            raise UserError(f"{self.folder.name} lets the timestep into its text, so a reference is never the same "
                            "from step to step: it can be run in attention mode full alone")

    @property
    def parameters(self) -> int:
        """Numbers in all transformers."""
        return sum(p.numel() for expert in self.experts for p in expert.model.parameters())


def load_backbone(folder: Path, dtype: torch.dtype, device: str) -> Backbone:
    """Loads transformers and autoencoder, ready to run. Raises `UserError` saying what is wrong with the folder."""
    check_folder(folder)
    name = read_json(folder / "transformer" / "config.json").get("_class_name", "")
    if name not in TRANSFORMERS:
        raise UserError(f"{folder}/transformer is a {name or 'model without a class name'}; known are "
                        f"{', '.join(TRANSFORMERS)}")
    family, transformer_class, vae_class = TRANSFORMERS[name]
    video = LatentVideo(_open(vae_class, folder / "vae", dtype, device))
    parts = [part for part in ("transformer", "transformer_2") if (folder / part).is_dir()]
    index = read_json(folder / "model_index.json") if (folder / "model_index.json").is_file() else {}
    boundary = index.get("boundary_ratio")
    if len(parts) == 2 and boundary is None:
        raise UserError(f"{folder} has two transformers, but its model_index.json no boundary_ratio between them")
    experts: list[Expert] = []
    for part in parts:
        model = _open(transformer_class, folder / part, dtype, device)
        lowest = 1000.0 * float(boundary) if boundary is not None and len(parts) == 2 and not experts else 0.0
        experts.append(Expert(model, _tokens(family, model, video), lowest))
    return Backbone(folder, family, tuple(experts), video, _shift(folder))


def _tokens(family: str, model: Any, video: LatentVideo) -> TokenTransformer:
    if family == "wan":
        return WanTokens(model)
    return LTX2Tokens(model) if family == "ltx2" else LTXTokens(model, video.grid)


def _open(kind: Any, part: Path, dtype: torch.dtype, device: str) -> Any:
    try:
        model = kind.from_pretrained(part, torch_dtype=dtype, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise UserError(f"{part} does not load as {kind.__name__}: {error}") from error
    return model.to(device).eval().requires_grad_(False)


def _shift(folder: Path) -> float:
    """The schedule's shift, by whatever name the scheduler keeps it; 1 if it has none."""
    path = folder / "scheduler" / "scheduler_config.json"
    config = read_json(path) if path.is_file() else {}
    return float(config.get("flow_shift") or config.get("shift") or 1.0)
