"""Names of a transformer's places: diffusers' own, its authors', and kohya's, which has underscores for dots."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

WAN = (("condition_embedder.text_embedder.linear_1.", "text_embedding.0."),
       ("condition_embedder.text_embedder.linear_2.", "text_embedding.2."),
       ("condition_embedder.time_embedder.linear_1.", "time_embedding.0."),
       ("condition_embedder.time_embedder.linear_2.", "time_embedding.2."),
       ("condition_embedder.time_proj.", "time_projection.1."),
       ("condition_embedder.image_embedder.norm1.", "img_emb.proj.0."),
       ("condition_embedder.image_embedder.ff.net.0.proj.", "img_emb.proj.1."),
       ("condition_embedder.image_embedder.ff.net.2.", "img_emb.proj.3."),
       ("condition_embedder.image_embedder.norm2.", "img_emb.proj.4."),
       (".attn1.", ".self_attn."), (".attn2.", ".cross_attn."), (".to_out.0.", ".o."), (".to_q.", ".q."),
       (".to_k.", ".k."), (".to_v.", ".v."), (".add_k_proj.", ".k_img."), (".add_v_proj.", ".v_img."),
       (".norm_added_k.", ".norm_k_img."), (".ffn.net.0.proj.", ".ffn.0."), (".ffn.net.2.", ".ffn.2."),
       (".norm2.", ".norm3."), (".scale_shift_table.", ".modulation."))
WAN_HEAD = (("proj_out.", "head.head."), ("scale_shift_table.", "head.modulation."))
LTX = ((".norm_q.", ".q_norm."), (".norm_k.", ".k_norm."))
LTX_HEAD = (("proj_in.", "patchify_proj."), ("time_embed.", "adaln_single."))
LTX2_HEAD = (*LTX_HEAD, ("audio_proj_in.", "audio_patchify_proj."), ("audio_time_embed.", "audio_adaln_single."),
             ("av_cross_attn_video_scale_shift.", "av_ca_video_scale_shift_adaln_single."),
             ("av_cross_attn_video_a2v_gate.", "av_ca_a2v_gate_adaln_single."),
             ("av_cross_attn_audio_scale_shift.", "av_ca_audio_scale_shift_adaln_single."),
             ("av_cross_attn_audio_v2a_gate.", "av_ca_v2a_gate_adaln_single."),
             ("audio_prompt_adaln.", "audio_prompt_adaln_single."), ("prompt_adaln.", "prompt_adaln_single."))
LTX2 = (*LTX, (".video_a2v_cross_attn_scale_shift_table.", ".scale_shift_table_a2v_ca_video."),
        (".audio_a2v_cross_attn_scale_shift_table.", ".scale_shift_table_a2v_ca_audio."))
RENAMES = {"wan": (WAN_HEAD, WAN), "ltx": (LTX_HEAD, LTX), "ltx2": (LTX2_HEAD, LTX2)}
"""By family: what diffusers and the authors call a place at the top, and within names."""
TITLES = {"wan": "Wan", "ltx": "LTX-Video", "ltx2": "LTX-2"}


def original(name: str, family: str) -> str:
    """What the family's authors call a place that diffusers calls `name`."""
    heads, inner = RENAMES[family]
    name += "."
    for ours, theirs in heads:
        if name.startswith(ours):
            return (theirs + name.removeprefix(ours)).removesuffix(".")
    for ours, theirs in inner:
        name = name.replace(ours, theirs)
    return name.removesuffix(".")


def spellings(model: Any, family: str) -> dict[str, str]:
    """Every spelling of every layer with weights, and of every bare parameter, with diffusers' name for it."""
    found: dict[str, str] = {}
    for parameter, _ in model.named_parameters():
        name = re.sub(r"\.(?:weight|bias)$", "", parameter)
        for spelling in (name, original(name, family)):
            found[spelling] = found[spelling.replace(".", "_")] = name
    return found


def target(model: Any, name: str) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a layer, whatever peft wraps around it; or a bare parameter and None."""
    owner, _, last = name.rpartition(".")
    layer = getattr(model.get_submodule(owner), last)
    if isinstance(layer, Tensor):
        return layer, None
    layer = getattr(layer, "base_layer", layer)
    return layer.weight, getattr(layer, "bias", None)


def comfyui_keys(state: dict[str, Tensor], family: str) -> dict[str, Tensor]:
    """A LoRA in diffusers' layout (`transformer.` keys) by the names of the original code, as ComfyUI reads it."""
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        place, dot, part = key.removeprefix("transformer.").partition(".lora_")
        out[f"diffusion_model.{original(place, family)}{dot}{part}"] = value
    return out
