"""Files of the tiny model: a diffusers folder for the base, a peft LoRA with its recipe beside it."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from peft import get_peft_model_state_dict
from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.families.wan import WAN
from realmaster.models.large.folder import check_part
from realmaster.models.large.load import open_part
from realmaster.models.large.lora.apply import apply, attach
from realmaster.models.large.lora.fit import fit
from realmaster.models.large.lora.read import read_lora
from realmaster.models.tensor_files import read_tensors, save_tensors

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
"""Marks a reference as packed guides (see `realmaster.guides.packing`), not the game's picture."""
GUIDES_PROMPT[0, -1, 0] = 1


def load_transformer(folder: Path) -> WanTransformer3DModel:
    """The base from a diffusers folder, as fp32. Raises `UserError` if it does not load whole."""
    missing = check_part(folder)
    if missing:
        raise UserError(f"no transformer in {folder}: it lacks {', '.join(missing)}; copy it again")
    return open_part(WanTransformer3DModel, folder, torch.float32).requires_grad_(True)


def read_recipe(lora: Path) -> dict[str, str]:
    """How a LoRA was trained, from its safetensors metadata."""
    return read_tensors(lora)[1]


def load_lora(model: WanTransformer3DModel, lora: Path, trainable: bool = False) -> None:
    """Loads an in-context LoRA; merges it into the weights unless `trainable`.

    Raises `UserError` if it does not fit, or was trained in a way that tiny cannot run.
    """
    recipe = read_recipe(lora)
    if recipe.get("attention") != "one_way":
        raise UserError(f"{lora.name} was trained with attention mode {recipe.get('attention', 'unknown')!r}; "
                        "tiny caches the reference, which is exact for 'one_way' alone")
    found = fit(read_lora(lora), [model], WAN)
    if trainable:
        attach(model, found, "default")
    else:
        apply([model], [found])


def save_lora(model: WanTransformer3DModel, lora: Path, recipe: dict[str, str]) -> None:
    """Writes the adapter's weights as fp16 with its recipe in the metadata."""
    save_tensors({k: v.detach().half() for k, v in get_peft_model_state_dict(model).items()}, lora, recipe)
