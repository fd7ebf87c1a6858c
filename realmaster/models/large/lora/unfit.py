"""Why a LoRA does not fit, in a sentence that says what it was made for and what to take instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from realmaster.models.large.known import MODELS
from realmaster.models.large.lora.names import TITLES
from realmaster.models.large.lora.read import Place, some

IMAGE = re.compile(r"k_img|v_img|img_emb|add_[kv]_proj|image_embedder|norm_added_k")
"""Places that read a first frame's CLIP embedding, which text-to-video models have not."""
MAKERS = (
    (r"(?:^|[._])(?:double_blocks|single_blocks|single_transformer_blocks)[._]", "Flux or HunyuanVideo"),
    (r"(?:^|[._])(?:down_blocks|up_blocks|mid_block|input_blocks|output_blocks|middle_block)[._]", "Stable Diffusion"),
    (r"(?:add_q_proj|img_mlp|txt_mlp)", "Qwen-Image or another picture model"),
    (r"(?:^|[._])(?:vace_blocks|vace_patch)", "Wan VACE"),
    (r"^audio_|[._]audio_|audio_to_video|video_to_audio", "LTX-2"),
    (r"^transformer_blocks[._]\d+[._](?:attn[12]|ff)[._]", "LTX-Video or LTX-2"),
    (r"^blocks[._]\d+[._](?:self_attn|cross_attn|attn[12]|ffn)[._]", "Wan"),
    (r"^layers[._]\d+[._]", "a picture or language model"))
"""Whose names these are."""
BLOCK = re.compile(r"^(?:transformer_)?blocks[._](\d+)[._]")


def why_unknown(path: Path, strange: Sequence[str], every: Sequence[Place], model: Any, family: str) -> str:
    """For a file with places that the model has not."""
    if all(IMAGE.search(name) for name in strange):
        return (f"{path} is an image-to-video LoRA: it changes {some(strange)}, which a text-to-video model has not; "
                "take its text-to-video version")
    title = next((title for pattern, title in MAKERS if any(re.search(pattern, name) for name in strange)), None)
    if title is not None and TITLES[family] not in title:
        return f"{path} is a LoRA for {title}, and this model is {TITLES[family]}: take one that was trained for it"
    numbers = [int(found[1]) for place in every if (found := BLOCK.match(place.name))]
    count = model.config.num_layers
    if numbers and max(numbers) >= count:
        return (f"{path} is for a model of {max(numbers) + 1} blocks or more{_sizes(family, layers=max(numbers) + 1)}, "
                f"and this one has {count}: take one for this size")
    return (f"{path} does not fit this {TITLES[family]} model, which has no {some(strange)} ({len(strange)} such "
            "places): take a LoRA that was trained for it")


def why_size(path: Path, place: str, shape: tuple[int, ...], weight: Tensor | None, family: str) -> str:
    """For a file whose change of a place has another shape than the place."""
    if weight is None:
        return f"{path} changes a bias of {place}, which this model has not: it was trained for another"
    wide = max(shape)
    return (f"{path} is for another size of {TITLES[family]}: at {place} it has {' x '.join(map(str, shape))}"
            f"{_sizes(family, width=wide)}, this model {' x '.join(map(str, weight.shape))}; take one for this size")


def _sizes(family: str, width: int | None = None, layers: int | None = None) -> str:
    """Known models of that size, in brackets."""
    names = [m.name for m in MODELS if m.name.startswith({"wan": "wan", "ltx": "ltx-v", "ltx2": "ltx-2"}[family])
             and (m.width == width or m.layers == layers)]
    return f" (as {' and '.join(names)})" if names else ""
