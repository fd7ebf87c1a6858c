"""What the keys of LoRA files mean, in every dialect: which place of the model, and which part of its change.

    diffusers, peft     transformer.blocks.0.attn1.to_q.lora_A.weight, base_model.model.X.lora_A.default.weight
    authors, ComfyUI    diffusion_model.blocks.0.self_attn.q.lora_down.weight, X.alpha, X.diff, X.diff_b, X.diff_m
    kohya, musubi       lora_unet_blocks_0_self_attn_q.lora_down.weight, X.alpha, X.dora_scale
    DiffSynth           pipe.dit.blocks.0.self_attn.q.lora_A.default.weight
"""

from __future__ import annotations

import re
from typing import Literal

Part = Literal["down", "up", "up_bias", "alpha", "magnitude", "diff", "diff_bias", "diff_modulation"]

PARTS: tuple[tuple[str, Part], ...] = (
    (r"\.(?:lora_B|lora_up|lora\.up)(?:\.\w+)?\.bias$", "up_bias"),
    (r"\.(?:lora_A|lora_down|lora\.down)(?:\.\w+)?(?:\.weight)?$", "down"),
    (r"\.(?:lora_B|lora_up|lora\.up)(?:\.\w+)?(?:\.weight)?$", "up"),
    (r"\.(?:lora_)?alpha$", "alpha"),
    (r"\.(?:dora_scale|lora_magnitude_vector(?:\.\w+)?(?:\.weight)?)$", "magnitude"),
    (r"\.(?:diff|w_norm)$", "diff"),
    (r"\.(?:diff_b|b_norm)$", "diff_bias"),
    (r"\.diff_m$", "diff_modulation"))
"""How a key ends. A word after lora_A is the adapter's name in peft."""
OTHER_METHODS = ((r"\.lokr_", "LoKr"), (r"\.hada_", "LoHa"), (r"\.(?:oft_|boft_)", "OFT"),
                 (r"\.lora_mid\.", "Tucker LoCon"), (r"\.(?:a1|a2|b1|b2)\.weight$", "GLoRA"), (r"\.on_input$", "IA3"),
                 (r"\.(?:set_weight|reshape_weight)$", "reshaping"))
"""Kinds of adapters that are no sum of low-rank products, by their keys."""
ELSEWHERE = (
    (r"^(?:lora_te\d*_|text_encoders?(?:_\d)?\.|te\d*\.|cond_stage_model\.|lora_clip_)",
     "the text encoder, which stays as it is"),
    (r"^(?:text_embedding_projection\.|connectors\.|(?:model\.)?(?:diffusion_model\.)?\w*embeddings_connector\.)",
     "the text connectors, which stay as they are"),
    (r"^(?:vae\.|first_stage_model\.|lora_vae_)", "the autoencoder, which stays as it is"))
"""Keys of what is not the denoising transformer."""
PREFIXES = ("base_model.model.", "base_model.", "model.diffusion_model.", "diffusion_model.", "transformer.",
            "pipe.dit.", "dit.", "model.", "module.", "_orig_mod.", "lora_unet__", "lora_unet_", "lora_transformer_",
            "lycoris_")
SECOND = ("transformer_2.", "pipe.dit2.", "dit2.")
"""Prefixes that name Wan2.2's expert for low noise."""


def part_of(key: str) -> tuple[str, Part] | None:
    """The key without its ending, and the part that the ending names; None if no dialect has such a key."""
    for pattern, part in PARTS:
        found = re.search(pattern, key)
        if found:
            return key[:found.start()], part
    return None


def without_prefix(stem: str) -> tuple[str, str | None]:
    """A place without what dialects write before it, and the expert that a prefix names."""
    expert = None
    while True:
        prefix = next((p for p in (*SECOND, *PREFIXES) if stem.startswith(p)), None)
        if prefix is None:
            return stem, expert
        expert = "transformer_2" if prefix in SECOND else expert
        stem = stem.removeprefix(prefix)


def other_method(key: str) -> str | None:
    """The kind of adapter that the key is of, if that is no LoRA."""
    return next((name for pattern, name in OTHER_METHODS if re.search(pattern, key)), None)


def elsewhere(key: str) -> str | None:
    """What the key is for, if that is not the denoising transformer."""
    return next((where for pattern, where in ELSEWHERE if re.search(pattern, key)), None)
