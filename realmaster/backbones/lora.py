"""LoRAs for large backbones, in whatever key layout they come, and the recipe that they were trained by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from diffusers.loaders.lora_pipeline import LTX2LoraLoaderMixin, LTXVideoLoraLoaderMixin, WanLoraLoaderMixin
from safetensors import SafetensorError, safe_open
from torch import Tensor

from realmaster.backbones.in_context import Attention, Reading
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
    """How a LoRA wants to be run, from its metadata; None where the file does not say."""

    reading: Reading | None
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


def as_metadata(reading: Reading) -> dict[str, str]:
    """What a LoRA's file says of how it reads; the scale goes by the name that LTX's trainer gives it."""
    reach = {} if reading.reach is None else {"reference_reach": str(reading.reach)}
    return {"attention": reading.attention, "reference_downscale_factor": str(reading.scale),
            "references": "color guides" if reading.guides else "color", **reach}


def _recipe(path: Path, metadata: dict[str, str]) -> Recipe:
    try:
        alpha = float(metadata["alpha"]) / float(metadata["rank"]) if {"alpha", "rank"} <= metadata.keys() else None
        return Recipe(_reading(path, metadata), metadata.get("expert"), alpha)
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"the recipe in {path} is damaged: {error}") from error


def _reading(path: Path, metadata: dict[str, str]) -> Reading | None:
    """A file that names a `reference_downscale_factor` but no attention mode is LTX's, which are trained in `full`."""
    attention = metadata.get("attention") or ("full" if "reference_downscale_factor" in metadata else None)
    if attention is None:
        return None
    if attention not in {"full", "one_way"}:
        raise UserError(f"{path} was trained with attention mode {attention!r}; known are full and one_way")
    references = metadata.get("references", "color")
    if references not in {"color", "color guides"}:
        raise UserError(f"{path} was trained to read {references!r}; known are 'color' and 'color guides'")
    reach = metadata.get("reference_reach")
    return Reading(cast(Attention, attention), int(float(metadata.get("reference_downscale_factor", "1"))),
                   None if reach is None else int(reach), references == "color guides")


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


def agree(loras: Sequence[Lora]) -> Reading | None:
    """How all LoRAs that read references want to; None if none says. Raises `UserError` if they contradict."""
    found = {lora.recipe.reading: lora.path.name for lora in loras if lora.recipe.reading is not None}
    if len(found) > 1:
        told = "; ".join(f"{name}: {', '.join(f'{k} {v}' for k, v in as_metadata(reading).items())}"
                         for reading, name in found.items())
        raise UserError(f"these LoRAs were trained to read the game's window in different ways ({told}): use one of "
                        "them")
    return next(iter(found), None)


def apply(backbone: Backbone, loras: Sequence[Lora], mode: Literal["merged", "live"] = "merged") -> None:
    """Puts the LoRAs on the transformers, in place; one that names an expert on that one alone.

    `merged` adds them to the weights; `live` keeps them beside these. Raises `UserError` if a LoRA does not fit.
    """
    names: list[list[tuple[str, float]]] = [[] for _ in backbone.experts]
    for number, lora in enumerate(loras):
        chosen = [i for i in range(len(backbone.experts))
                  if lora.recipe.expert in {None, ("transformer", "transformer_2")[i]}]
        if not chosen:
            raise UserError(f"{lora.path} is for {lora.recipe.expert}, which this model has not")
        for i in chosen:
            model, name = backbone.experts[i].model, f"lora_{number}"
            _attach(model, lora, name)
            scale = lora.weight * (1.0 if lora.recipe.alpha is None else lora.recipe.alpha)
            names[i].append((name, scale))
            if mode == "merged":
                model.fuse_lora(lora_scale=scale, adapter_names=[name])
                model.unload_lora()
    if mode == "live":
        for expert, on in zip(backbone.experts, names, strict=True):
            if on:
                expert.model.set_adapters(*(list(column) for column in zip(*on, strict=True)))


def _attach(model: Any, lora: Lora, name: str) -> None:
    # Beside a LoRA that is live already, a layer goes by the name of what is inside its wrapper.
    modules = {module.replace(".base_layer", "") for module, _ in model.named_modules()}
    strange = sorted({key.split(".lora_")[0] for key in lora.weights} - modules)
    if strange:
        raise UserError(f"{lora.path} does not fit this model: it has no {strange[0]} ({len(strange)} such modules)")
    weights = {key: value.to(model.dtype) for key, value in lora.weights.items()}
    try:
        model.load_lora_adapter(weights, prefix=None, adapter_name=name)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{lora.path} does not fit this model: {str(error).splitlines()[0]}") from error
