"""Names of a transformer's places: diffusers' own, its authors', and kohya's, which has underscores for dots."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from realmaster.models.families.registry import Family


def original(name: str, family: Family) -> str:
    """What the family's authors call a place that diffusers calls `name`."""
    name += "."
    for ours, theirs in family.top_names:
        if name.startswith(ours):
            return (theirs + name.removeprefix(ours)).removesuffix(".")
    for ours, theirs in family.inner_names:
        name = name.replace(ours, theirs)
    return name.removesuffix(".")


def spellings(model: Any, family: Family) -> dict[str, str]:
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


def comfyui_keys(state: dict[str, Tensor], family: Family) -> dict[str, Tensor]:
    """A LoRA in diffusers' layout (`transformer.` keys) by the names of the original code, as ComfyUI reads it."""
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        place, dot, part = key.removeprefix("transformer.").partition(".lora_")
        out[f"diffusion_model.{original(place, family)}{dot}{part}"] = value
    return out
