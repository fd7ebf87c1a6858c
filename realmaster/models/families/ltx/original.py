"""LTX-Video's transformer in its authors' single-file layout."""

from __future__ import annotations

from collections.abc import Mapping

from diffusers.loaders.single_file_utils import convert_ltx_transformer_checkpoint_to_diffusers
from torch import Tensor

from realmaster.models.families.registry import OriginalLayout
from realmaster.models.large.original import blocks

LTX_HEADS = 32
"""Number of attention heads, which no weight shows; it is the same in all sizes of LTX."""


def _config(weights: Mapping[str, Tensor], _metadata: Mapping[str, str]) -> dict[str, object]:
    width, channels = weights["patchify_proj.weight"].shape
    return {"in_channels": channels, "out_channels": len(weights["proj_out.weight"]), "num_attention_heads": LTX_HEADS,
            "attention_head_dim": width // LTX_HEADS, "num_layers": blocks(weights, "transformer_blocks"),
            "cross_attention_dim": weights["transformer_blocks.0.attn2.to_k.weight"].shape[1],
            "caption_channels": weights["caption_projection.linear_1.weight"].shape[1]}


def _recognises(weights: Mapping[str, Tensor]) -> bool:
    return "patchify_proj.weight" in weights and "audio_patchify_proj.weight" not in weights


TRANSFORMER = OriginalLayout("LTX-Video", _recognises, _config, convert_ltx_transformer_checkpoint_to_diffusers)
