"""LTX-Video: the registry's entry. Imports no torch."""

from __future__ import annotations

from realmaster.models.families.registry import Family, Renamed, TorchFamily
from realmaster.models.large.cost import KnownModel

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
"""The layers that LTX-2's published IC-LoRA configuration adapts."""
TOP_NAMES = (Renamed("proj_in.", "patchify_proj."), Renamed("time_embed.", "adaln_single."))
INNER_NAMES = (Renamed(".norm_q.", ".q_norm."), Renamed(".norm_k.", ".k_norm."))
LAYERS = r"^transformer_blocks[._]\d+[._](?:attn[12]|ff)[._]"


def _load() -> TorchFamily:
    from realmaster.models.families.ltx.family import TORCH
    return TORCH


LTX = Family(
    name="ltx", title="LTX-Video", transformer="LTXVideoTransformer3DModel", autoencoder="AutoencoderKLLTXVideo",
    load=_load,
    known=(KnownModel("ltx-video-2b", "Lightricks/LTX-Video", "Lightricks' own", 1.9, 1, 2048, 28, 8192, (8, 32), 1),),
    lora_targets=TARGETS, top_names=TOP_NAMES, inner_names=INNER_NAMES, layers=LAYERS)
