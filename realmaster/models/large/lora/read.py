"""Reads a LoRA: one safetensors file, its shards, or a folder of peft's or diffusers'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.large.folder import read_json
from realmaster.models.large.in_context import Reading
from realmaster.models.large.lora.dialects import Part, elsewhere, other_method, part_of, without_prefix
from realmaster.models.large.lora.recipe import Recipe, as_metadata, recipe_of
from realmaster.models.large.lora.strength import PEFT_CONFIG, Strength, number, strength_of
from realmaster.models.tensor_files import read_tensors

FOLDER_NAMES = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
"""What peft and diffusers call the file in a folder."""
SHARD = re.compile(r"^(.*)-\d+-of-(\d+)\.safetensors$")
UNKNOWN = "nothing that a known LoRA dialect has"
TOLD = 3
"""Keys that a message names, at most."""


class Place(NamedTuple):
    """A place of the model by the file's own name, without prefix, and the expert that the prefix names."""

    expert: str | None
    name: str


@dataclass
class Change:
    """What a file does to one place. `own_alpha` is an alpha for this place alone."""

    parts: dict[Part, Tensor] = field(default_factory=dict)
    own_alpha: float | None = None


@dataclass(frozen=True)
class Lora:
    """A LoRA, read. `weight` is how much of it is added, `left_out` says what is not used and why."""

    path: Path
    changes: dict[Place, Change]
    strength: Strength
    recipe: Recipe
    left_out: tuple[str, ...] = ()
    weight: float = 1.0


def read_lora(path: Path) -> Lora:
    """Reads a LoRA in any dialect. Raises `UserError` if it holds none, or numbers that cannot be meant."""
    files = _files(path)
    changes: dict[Place, Change] = {}
    left_out: dict[str, list[str]] = {}
    metadata: dict[str, str] = {}
    for file in files:
        tensors, told = read_tensors(file)
        metadata |= told
        for key, tensor in tensors.items():
            _take(file, key, tensor, changes, left_out)
    if not changes:
        raise UserError(_nothing(path, left_out))
    return Lora(path, changes, strength_of(files[0], metadata, _config_beside(files)), recipe_of(path, metadata),
                tuple(f"{path.name}: {len(keys)} tensors are left out ({some(keys)}): they are for {why}"
                      for why, keys in left_out.items()))


def agree(loras: Sequence[Lora]) -> Reading | None:
    """How all LoRAs that read references want to; None if none says. Raises `UserError` if they contradict."""
    found = {lora.recipe.reading: lora.path.name for lora in loras if lora.recipe.reading is not None}
    if len(found) > 1:
        told = "; ".join(f"{name}: {', '.join(f'{k} {v}' for k, v in as_metadata(reading).items())}"
                         for reading, name in found.items())
        raise UserError(f"these LoRAs were trained to read the game's window in different ways ({told}): use one of "
                        "them")
    return next(iter(found), None)


def some(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:TOLD]) + (", ..." if len(names) > TOLD else "")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        index = next(iter(sorted(path.glob("*.safetensors.index.json"))), None)
        named = [path / name for name in FOLDER_NAMES if (path / name).is_file()]
        found = named[:1] or sorted(path.glob("*.safetensors"))
        if index is not None:
            found = [path / name for name in sorted(set(read_json(index).get("weight_map", {}).values()))]
        elif len(found) != 1:
            raise UserError(f"{path} holds {len(found)} safetensors files: name the LoRA's own file")
        path = found[0]
    shard = SHARD.match(path.name)
    if shard is None:
        return [path]
    found = sorted(path.parent.glob(f"{_literal(shard[1])}-*-of-{shard[2]}.safetensors"))
    if len(found) != int(shard[2]):
        raise UserError(f"{path} is one of {int(shard[2])} parts, of which {len(found)} are there: copy the others "
                        "beside it")
    return found


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _config_beside(files: Sequence[Path]) -> Path | None:
    """Peft's configuration in the LoRA's folder, if the folder is this LoRA's alone."""
    folder = files[0].parent
    alone = files[0].name.startswith("adapter_model") or set(folder.glob("*.safetensors")) == set(files)
    return folder / PEFT_CONFIG if alone and (folder / PEFT_CONFIG).is_file() else None


def _take(file: Path, key: str, tensor: Tensor, changes: dict[Place, Change], left_out: dict[str, list[str]]) -> None:
    """Puts one tensor where it belongs."""
    where = elsewhere(key)
    if where is not None:
        left_out.setdefault(where, []).append(key)
        return
    method = other_method(key)
    if method is not None:
        raise UserError(f"{file} is an adapter of kind {method} ({key}), which is not read here: take one that was "
                        "trained as a plain LoRA, or have its trainer's tools extract one")
    found = part_of(key)
    if found is None:
        left_out.setdefault(UNKNOWN, []).append(key)
        return
    stem, part = found
    if not bool(torch.isfinite(tensor.float()).all()):
        raise UserError(f"{key} in {file} holds NaN or infinite numbers: the file is damaged, get it again")
    name, expert = without_prefix(stem)
    if part == "diff_modulation":
        name, part = name if name.endswith("modulation") else f"{name}.modulation", "diff"
    change = changes.setdefault(Place(expert, name), Change())
    if part in change.parts or (part == "alpha" and change.own_alpha is not None):
        raise UserError(f"{file} says twice what {name} has for {part} (once as {key}): it was merged wrongly from "
                        "two dialects, get it again")
    if part == "alpha":
        change.own_alpha = number(tensor.item() if tensor.numel() == 1 else "a table", f"{key} in {file}")
    else:
        change.parts[part] = tensor


def _nothing(path: Path, left_out: dict[str, list[str]]) -> str:
    if not left_out:
        return f"{path} is empty: it holds no tensors, get it again"
    unknown = left_out.get(UNKNOWN, [])
    if any(key.endswith((".weight", ".bias")) for key in unknown):
        return (f"{path} is no LoRA but holds whole weights ({some(unknown)}): give a model with --model, and a LoRA "
                "with --lora")
    why, keys = next(iter(left_out.items()))
    return f"{path} holds no LoRA for a video model, but {some(keys)}, for {why}: take another file"
