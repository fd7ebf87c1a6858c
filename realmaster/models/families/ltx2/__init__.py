"""LTX-2 and LTX-2.3, picture alone: the registry's entry. Imports no torch."""

from __future__ import annotations

from realmaster.models.families.ltx import INNER_NAMES, LAYERS, TARGETS, TOP_NAMES
from realmaster.models.families.registry import Family, Renamed, TorchFamily
from realmaster.models.large.cost import KnownModel


def _load() -> TorchFamily:
    from realmaster.models.families.ltx2.family import TORCH
    return TORCH


LTX2 = Family(
    name="ltx2", title="LTX-2", transformer="LTX2VideoTransformer3DModel", autoencoder="AutoencoderKLLTX2Video",
    load=_load,
    known=(KnownModel("ltx-2", "Lightricks/LTX-2", "Lightricks' own", 19.0, 1, 4096, 48, 16384, (8, 32), 1),),
    lora_targets=TARGETS,
    top_names=(
        *TOP_NAMES, Renamed("audio_proj_in.", "audio_patchify_proj."),
        Renamed("audio_time_embed.", "audio_adaln_single."),
        Renamed("av_cross_attn_video_scale_shift.", "av_ca_video_scale_shift_adaln_single."),
        Renamed("av_cross_attn_video_a2v_gate.", "av_ca_a2v_gate_adaln_single."),
        Renamed("av_cross_attn_audio_scale_shift.", "av_ca_audio_scale_shift_adaln_single."),
        Renamed("av_cross_attn_audio_v2a_gate.", "av_ca_v2a_gate_adaln_single."),
        Renamed("audio_prompt_adaln.", "audio_prompt_adaln_single."),
        Renamed("prompt_adaln.", "prompt_adaln_single.")),
    inner_names=(
        *INNER_NAMES, Renamed(".video_a2v_cross_attn_scale_shift_table.", ".scale_shift_table_a2v_ca_video."),
        Renamed(".audio_a2v_cross_attn_scale_shift_table.", ".scale_shift_table_a2v_ca_audio.")),
    layers=rf"{LAYERS}|^audio_|[._]audio_|audio_to_video|video_to_audio")
