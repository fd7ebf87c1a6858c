"""LTX-2's and LTX-2.3's transformer in its authors' single-file layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from diffusers.loaders.single_file_utils import convert_ltx2_transformer_to_diffusers
from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.families.ltx.original import LTX_HEADS
from realmaster.models.families.registry import OriginalLayout
from realmaster.models.large.original import blocks

LTX2_ROPE = "split"
"""How LTX-2's published weights turn their pairs; a file's own metadata goes before."""
MODULATED = 9
"""Rows of a block's table where the text is modulated by the timestep; 6 where it is not."""
LATER_NAMES = (("audio_prompt_adaln_single.", "audio_prompt_adaln."), ("prompt_adaln_single.", "prompt_adaln."))
"""Names in LTX-2.3 that diffusers' converter, made for 2.0, leaves as they are."""


def _told(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What LTX's authors write into a file of its transformer's configuration."""
    try:
        return msgspec.json.decode(metadata.get("config", "{}"), type=dict[str, Any]).get("transformer", {})
    except msgspec.MsgspecError as error:
        raise UserError(f"LTX-2's configuration in its file is damaged ({error}): copy it again") from error


def _convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for key, value in convert_ltx2_transformer_to_diffusers(weights).items():
        old, new = next((pair for pair in LATER_NAMES if key.startswith(pair[0])), ("", ""))
        out[new + key.removeprefix(old)] = value
    return out


def _config(weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, object]:
    """LTX-2 and 2.3, which has gates, text modulated by the timestep, and no caption projection of its own."""
    told = _told(metadata)
    block = "transformer_blocks.0."
    width, channels = weights["patchify_proj.weight"].shape
    sound, sound_channels = weights["audio_patchify_proj.weight"].shape
    caption = weights.get("caption_projection.linear_1.weight")
    return {
        "in_channels": channels, "out_channels": len(weights["proj_out.weight"]), "num_attention_heads": LTX_HEADS,
        "attention_head_dim": width // LTX_HEADS, "num_layers": blocks(weights, "transformer_blocks"),
        "cross_attention_dim": weights[f"{block}attn2.to_k.weight"].shape[1],
        "gated_attn": f"{block}attn1.to_gate_logits.weight" in weights,
        "cross_attn_mod": len(weights[f"{block}scale_shift_table"]) == MODULATED,
        "audio_in_channels": sound_channels, "audio_out_channels": len(weights["audio_proj_out.weight"]),
        "audio_num_attention_heads": LTX_HEADS, "audio_attention_head_dim": sound // LTX_HEADS,
        "audio_cross_attention_dim": weights[f"{block}audio_attn2.to_k.weight"].shape[1],
        "audio_gated_attn": f"{block}audio_attn1.to_gate_logits.weight" in weights,
        "audio_cross_attn_mod": len(weights[f"{block}audio_scale_shift_table"]) == MODULATED,
        "use_prompt_embeddings": caption is not None, "rope_type": told.get("rope_type", LTX2_ROPE),
        **({} if caption is None else {"caption_channels": caption.shape[1]})}


TRANSFORMER = OriginalLayout("LTX-2", lambda weights: "audio_patchify_proj.weight" in weights, _config, _convert)
