"""Why a LoRA does not fit, in a sentence that says what it was made for and what to take instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from realmaster.models.families.registry import Family, families
from realmaster.models.large.lora.read import Place, some

FOREIGN = (
    (r"(?:^|[._])(?:double_blocks|single_blocks|single_transformer_blocks)[._]", "Flux or HunyuanVideo"),
    (r"(?:^|[._])(?:down_blocks|up_blocks|mid_block|input_blocks|output_blocks|middle_block)[._]", "Stable Diffusion"),
    (r"(?:add_q_proj|img_mlp|txt_mlp)", "Qwen-Image or another picture model"),
    (r"(?:^|[._])(?:vace_blocks|vace_patch)", "Wan VACE"),
    (r"^layers[._]\d+[._]", "a picture or language model"))
"""Names of modules in models that no family here stands for, and whose they are."""
BLOCK = re.compile(r"^(?:transformer_)?blocks[._](\d+)[._]")


def why_unknown(path: Path, strange: Sequence[str], every: Sequence[Place], model: Any, family: Family) -> str:
    """For a file with places that the model has not."""
    if all(any(re.search(f.image_layers, name) for f in families().values()) for name in strange):
        return (f"{path} is an image-to-video LoRA: it changes {some(strange)}, which a text-to-video model has not; "
                "take its text-to-video version")
    title = _maker(strange)
    if title is not None and family.title not in title:
        return f"{path} is a LoRA for {title}, and this model is {family.title}: take one that was trained for it"
    numbers = [int(found[1]) for place in every if (found := BLOCK.match(place.name))]
    count = model.config.num_layers
    if numbers and max(numbers) >= count:
        return (f"{path} is for a model of {max(numbers) + 1} blocks or more{_sizes(family, layers=max(numbers) + 1)}, "
                f"and this one has {count}: take one for this size")
    return (f"{path} does not fit this {family.title} model, which has no {some(strange)} ({len(strange)} such "
            "places): take a LoRA that was trained for it")


def why_size(path: Path, place: str, shape: tuple[int, ...], weight: Tensor | None, family: Family) -> str:
    """For a file whose change of a place has another shape than the place."""
    if weight is None:
        return f"{path} changes a bias of {place}, which this model has not: it was trained for another"
    wide = max(shape)
    return (f"{path} is for another size of {family.title}: at {place} it has {' x '.join(map(str, shape))}"
            f"{_sizes(family, width=wide)}, this model {' x '.join(map(str, weight.shape))}; take one for this size")


def _sizes(family: Family, width: int | None = None, layers: int | None = None) -> str:
    """Known models of that size, in brackets."""
    names = [model.name for model in family.known if model.width == width or model.layers == layers]
    return f" (as {' and '.join(names)})" if names else ""


def _maker(strange: Sequence[str]) -> str | None:
    """Whose names these are: another model's, or those of the families that have most of them."""
    foreign = next((title for pattern, title in FOREIGN if any(re.search(pattern, name) for name in strange)), None)
    if foreign is not None:
        return foreign
    counts = {family.title: sum(bool(re.search(family.layers, name)) for name in strange)
              for family in families().values()}
    most = max(counts.values())
    return " or ".join(title for title, count in counts.items() if count == most) if most else None
