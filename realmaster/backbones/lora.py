"""LoRAs for large backbones, in whatever key layout they come, and the recipe that they were trained by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from diffusers.loaders.lora_pipeline import LTX2LoraLoaderMixin, LTXVideoLoraLoaderMixin, WanLoraLoaderMixin
from safetensors import SafetensorError, safe_open
from torch import Tensor

from realmaster.backbones.in_context import Attention
from realmaster.backbones.load import Backbone
from realmaster.errors import UserError

CONVERTERS: dict[str, Any] = {"wan": WanLoraLoaderMixin, "ltx": LTXVideoLoraLoaderMixin, "ltx2": LTX2LoraLoaderMixin}
"""Turn the original and ComfyUI key layouts into diffusers' own."""
WAN_ORIGINAL = ((".attn1.", ".self_attn."), (".attn2.", ".cross_attn."), (".to_out.0.", ".o."), (".to_q.", ".q."),
                (".to_k.", ".k."), (".to_v.", ".v."), (".ffn.net.0.proj.", ".ffn.0."), (".ffn.net.2.", ".ffn.2."))
"""Module names of diffusers' Wan, and what Wan's own code calls them."""
PREFIXES = ("base_model.model.", "transformer.")


@dataclass(frozen=True)
class Recipe:
    """How a LoRA wants to be run, from its metadata; None where the file does not say.

    A file that names a `reference_downscale_factor` but no attention mode is LTX's, which are all trained in `full`.
    """

    attention: Attention | None
    scale: int | None
    expert: str | None
    alpha: float | None


@dataclass(frozen=True)
class Lora:
    """A LoRA file, read: weights by module name, without prefix; `weight` is how much of it is added."""

    path: Path
    weights: dict[str, Tensor]
    recipe: Recipe
    weight: float = 1.0


def read_lora(path: Path, family: str) -> Lora:
    """Reads a LoRA in peft, diffusers, original or ComfyUI layout. Raises `UserError` if it is none for `family`."""
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a readable safetensors file: copy it again ({error})") from error
    if any(key.startswith(("blocks.", "transformer_blocks.")) and ".lora_" in key for key in weights):
        weights = {f"transformer.{key}": value for key, value in weights.items()}
    try:
        converted = CONVERTERS[family].lora_state_dict(weights)
    except (ValueError, KeyError) as error:
        raise UserError(f"{path} is no LoRA for this {family} model: {error}") from error
    plain = {_bare(key): value for key, value in cast(dict[str, Tensor], converted).items()}
    if not any(".lora_A." in key for key in plain):
        raise UserError(f"{path} holds no LoRA weights in a known layout (peft, diffusers, original, ComfyUI)")
    return Lora(path, plain, _recipe(path, metadata))


def _bare(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key


def _recipe(path: Path, metadata: dict[str, str]) -> Recipe:
    attention = metadata.get("attention") or ("full" if "reference_downscale_factor" in metadata else None)
    if attention not in {"full", "one_way", None}:
        raise UserError(f"{path} was trained with attention mode {attention!r}; known are full and one_way")
    try:
        scale = int(float(metadata["reference_downscale_factor"])) if "reference_downscale_factor" in metadata else None
        alpha = float(metadata["alpha"]) / float(metadata["rank"]) if {"alpha", "rank"} <= metadata.keys() else None
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"the recipe in {path} is damaged: {error}") from error
    return Recipe(cast(Attention | None, attention), scale, metadata.get("expert"), alpha)


def comfyui_keys(state: dict[str, Tensor], family: str) -> dict[str, Tensor]:
    """A LoRA in diffusers' layout (`transformer.` keys) by the names of the original code, as ComfyUI reads it."""
    renames = WAN_ORIGINAL if family == "wan" else ()
    out: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.replace("transformer.", "diffusion_model.", 1)
        for ours, original in renames:
            name = name.replace(ours, original)
        out[name] = value
    return out


def agree(loras: Sequence[Lora]) -> tuple[Attention | None, int]:
    """Attention mode and reference scale that all LoRAs can run with. Raises `UserError` if they contradict."""
    modes = {lora.recipe.attention: lora.path.name for lora in loras if lora.recipe.attention is not None}
    scales = {lora.recipe.scale: lora.path.name for lora in loras if lora.recipe.scale is not None}
    for what, found in (("attention mode", modes), ("reference scale", scales)):
        if len(found) > 1:
            told = ", ".join(f"{name}: {value}" for value, name in found.items())
            raise UserError(f"these LoRAs were trained with different {what}s ({told}): use one of them")
    mode: Attention | None = next((r.recipe.attention for r in loras if r.recipe.attention is not None), None)
    return mode, next((lora.recipe.scale for lora in loras if lora.recipe.scale is not None), 1)


def merge(backbone: Backbone, loras: Sequence[Lora]) -> None:
    """Adds the LoRAs to the weights, in place; one that names an expert to that one alone.

    Raises `UserError` if a LoRA does not fit.
    """
    for lora in loras:
        chosen = [e for i, e in enumerate(backbone.experts)
                  if lora.recipe.expert in {None, ("transformer", "transformer_2")[i]}]
        if not chosen:
            raise UserError(f"{lora.path} is for {lora.recipe.expert}, which this model has not")
        for expert in chosen:
            _merge(expert.model, lora)


def _merge(model: Any, lora: Lora) -> None:
    modules = {name for name, _ in model.named_modules()}
    strange = sorted({key.split(".lora_")[0] for key in lora.weights} - modules)
    if strange:
        raise UserError(f"{lora.path} does not fit this model: it has no {strange[0]} ({len(strange)} such modules)")
    weights = {key: value.to(model.dtype) for key, value in lora.weights.items()}
    try:
        model.load_lora_adapter(weights, prefix=None, adapter_name="lora")
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{lora.path} does not fit this model: {str(error).splitlines()[0]}") from error
    scale = lora.weight * (1.0 if lora.recipe.alpha is None else lora.recipe.alpha)
    model.fuse_lora(lora_scale=scale, adapter_names=["lora"])
    model.unload_lora()
