"""Wan's transformer and Wan2.1's autoencoder in their authors' single-file layout."""

from __future__ import annotations

import math
from collections.abc import Mapping

from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers, convert_wan_vae_to_diffusers
from torch import Tensor

from realmaster.models.families.registry import OriginalLayout
from realmaster.models.large.original import blocks

LATENT_CHANNELS = 16
"""Wan2.1's; the other autoencoder's statistics are not in its file."""
WAN_HEAD = 128
"""The head size, which no weight shows; it is the same in all sizes of Wan."""


def _config(weights: Mapping[str, Tensor], _metadata: Mapping[str, str]) -> dict[str, object]:
    width, channels, *patch = weights["patch_embedding.weight"].shape
    return {"patch_size": tuple(patch), "num_attention_heads": width // WAN_HEAD, "attention_head_dim": WAN_HEAD,
            "in_channels": channels, "out_channels": len(weights["head.head.weight"]) // math.prod(patch),
            "text_dim": weights["text_embedding.0.weight"].shape[1],
            "freq_dim": weights["time_embedding.0.weight"].shape[1],
            "ffn_dim": len(weights["blocks.0.ffn.0.weight"]), "num_layers": blocks(weights, "blocks")}


def _autoencoder(weights: Mapping[str, Tensor]) -> bool:
    last = weights.get("conv2.weight")
    return "encoder.downsamples.0.residual.0.gamma" in weights and last is not None and len(last) == LATENT_CHANNELS


TRANSFORMER = OriginalLayout("Wan", lambda weights: "head.modulation" in weights, _config,
                             convert_wan_transformer_to_diffusers)
AUTOENCODER = OriginalLayout("Wan2.1's autoencoder", _autoencoder,
                             lambda weights, _: {"base_dim": len(weights["encoder.conv1.weight"])},
                             convert_wan_vae_to_diffusers)
