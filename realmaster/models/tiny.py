"""Files of the tiny model: a diffusers folder for the base, a peft LoRA with its recipe beside it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from peft import get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from realmaster.errors import UserError

PROMPT_TOKENS, PROMPT_DIM = 4, 32
VOCABULARY = (("street", "square", "country", "room"), ("noon", "low sun", "overcast", "night"), ("wet",))
"""What each prompt token can say: where, when, and whether it rained. The last token says "guides"."""


def null_prompt(batch: int) -> Tensor:
    """The prompt that says nothing: zeros (B, 4, 32)."""
    return torch.zeros(batch, PROMPT_TOKENS, PROMPT_DIM)


def prompt_of(caption: str) -> Tensor:
    """The words of `caption` that `tiny` knows, one-hot (4, 32); what it does not know says nothing."""
    prompt = null_prompt(1)[0]
    for token, words in enumerate(VOCABULARY):
        for i, word in enumerate(words):
            if word in caption:
                prompt[token, i] = 1
    return prompt


GUIDES_PROMPT = torch.zeros(1, PROMPT_TOKENS, PROMPT_DIM)
"""Marks a reference as packed guides (see `realmaster.guides`), not the game's picture."""
GUIDES_PROMPT[0, -1, 0] = 1


def load_transformer(folder: Path) -> WanTransformer3DModel:
    """The base from a diffusers folder, as fp32."""
    if not (folder / "config.json").exists():
        raise UserError(f"no transformer in {folder}: it needs config.json and a safetensors file beside it")
    model = WanTransformer3DModel.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True,
                                                  use_safetensors=True)
    return model.eval()


def read_recipe(lora: Path) -> dict[str, str]:
    """How a LoRA was trained, from its safetensors metadata."""
    try:
        with safe_open(lora, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise UserError(f"{lora} is not a readable safetensors file: copy it again ({error})") from error


def load_lora(model: WanTransformer3DModel, lora: Path, trainable: bool = False) -> None:
    """Loads an in-context LoRA through peft; merges it into the weights unless `trainable`."""
    recipe = read_recipe(lora)
    if recipe.get("attention") != "one_way":
        raise UserError(f"{lora.name} was trained with attention mode {recipe.get('attention', 'unknown')!r}; "
                        "tiny caches the reference, which is exact for 'one_way' alone")
    weights = {k: v.float() for k, v in load_file(lora).items()}
    model.load_lora_adapter(weights, prefix=cast(str, None), adapter_name="default")  # None: keys have no prefix
    if not trainable:
        model.fuse_lora(adapter_names=["default"])
        model.unload_lora()


def save_lora(model: WanTransformer3DModel, lora: Path, recipe: dict[str, str]) -> None:
    """Writes the adapter's weights as fp16 with its recipe in the metadata."""
    state = {k: v.detach().half().contiguous() for k, v in get_peft_model_state_dict(model).items()}
    save_file(state, lora, metadata=recipe)
