"""Wan 2.1 and 2.2: the registry's entry. Imports no torch."""

from __future__ import annotations

from realmaster.models.families.registry import Family, Renamed, TorchFamily
from realmaster.models.large.cost import KnownModel


def _load() -> TorchFamily:
    from realmaster.models.families.wan.family import TORCH
    return TORCH


WAN = Family(
    name="wan", title="Wan", transformer="WanTransformer3DModel", autoencoder="AutoencoderKLWan", load=_load,
    known=(
        KnownModel("wan2.1-1.3b", "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "Apache-2.0", 1.4, 1, 1536, 30, 8960, (4, 8), 2),
        KnownModel("wan2.1-14b", "Wan-AI/Wan2.1-T2V-14B-Diffusers", "Apache-2.0", 14.3, 1, 5120, 40, 13824, (4, 8), 2),
        KnownModel("wan2.2-a14b", "Wan-AI/Wan2.2-T2V-A14B-Diffusers", "Apache-2.0", 14.3, 2, 5120, 40, 13824, (4, 8),
                   2),
        KnownModel("wan2.2-5b", "Wan-AI/Wan2.2-TI2V-5B-Diffusers", "Apache-2.0", 5.0, 1, 3072, 30, 14336, (4, 16), 2)),
    lora_targets=("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"),
    top_names=(Renamed("proj_out.", "head.head."), Renamed("scale_shift_table.", "head.modulation.")),
    inner_names=(
        Renamed("condition_embedder.text_embedder.linear_1.", "text_embedding.0."),
        Renamed("condition_embedder.text_embedder.linear_2.", "text_embedding.2."),
        Renamed("condition_embedder.time_embedder.linear_1.", "time_embedding.0."),
        Renamed("condition_embedder.time_embedder.linear_2.", "time_embedding.2."),
        Renamed("condition_embedder.time_proj.", "time_projection.1."),
        Renamed("condition_embedder.image_embedder.norm1.", "img_emb.proj.0."),
        Renamed("condition_embedder.image_embedder.ff.net.0.proj.", "img_emb.proj.1."),
        Renamed("condition_embedder.image_embedder.ff.net.2.", "img_emb.proj.3."),
        Renamed("condition_embedder.image_embedder.norm2.", "img_emb.proj.4."),
        Renamed(".attn1.", ".self_attn."), Renamed(".attn2.", ".cross_attn."), Renamed(".to_out.0.", ".o."),
        Renamed(".to_q.", ".q."), Renamed(".to_k.", ".k."), Renamed(".to_v.", ".v."),
        Renamed(".add_k_proj.", ".k_img."), Renamed(".add_v_proj.", ".v_img."),
        Renamed(".norm_added_k.", ".norm_k_img."), Renamed(".ffn.net.0.proj.", ".ffn.0."),
        Renamed(".ffn.net.2.", ".ffn.2."), Renamed(".norm2.", ".norm3."),
        Renamed(".scale_shift_table.", ".modulation.")),
    layers=r"^blocks[._]\d+[._](?:self_attn|cross_attn|attn[12]|ffn)[._]",
    image_layers=r"k_img|v_img|img_emb|add_[kv]_proj|image_embedder|norm_added_k")
"""Its image-to-video models read the first frame's CLIP embedding through layers of their own."""
