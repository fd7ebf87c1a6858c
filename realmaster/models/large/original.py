"""Weights in their original single-file layout: FOLDER/transformer/ANY.safetensors without a config.json, and vae/.

That is how the models' authors and ComfyUI keep them. What diffusers' configuration would say is read from the shapes
of the weights; each family says how, and by which of diffusers' own converters the names are changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.families.registry import Family, OriginalLayout, families
from realmaster.models.tensor_files import read_tensors

PREFIX = "model.diffusion_model."
TOLD = 3
"""Weights that a message names, at most."""


def original_file(part: Path) -> Path | None:
    """The single file of a part in original layout; None if the part is in diffusers' layout."""
    files = sorted(part.glob("*.safetensors"))
    return files[0] if len(files) == 1 and not (part / "config.json").is_file() else None


def load_original(file: Path, dtype: torch.dtype) -> tuple[Family, Any]:
    """The family of a transformer in its authors' layout, and the transformer.

    LTX's files hold the other parts as well, under other prefixes; these are left out.

    Raises:
        UserError: The file is of no family that reads such files, or it does not load whole.
    """
    weights, metadata = read_tensors(file, dtype)
    if any(key.startswith(PREFIX) for key in weights):
        weights = {key.removeprefix(PREFIX): value for key, value in weights.items() if key.startswith(PREFIX)}
    layouts: list[OriginalLayout] = []
    for family in families().values():
        half = family.load()
        if half.original_transformer is None:
            continue
        layouts.append(half.original_transformer)
        if not half.original_transformer.recognises(weights):
            continue
        model = _built(half.transformer, half.original_transformer, weights, metadata, file)
        keep = tuple(model._keep_in_fp32_modules or ())
        for name, parameter in model.named_parameters():
            parameter.data = parameter.data.to(torch.float32 if any(word in name for word in keep) else dtype)
        return family, model.eval().requires_grad_(False)
    raise UserError(f"{file} is no {_titles(layouts)} transformer in its authors' layout: for any other, use one in "
                    "diffusers' layout")


def load_original_vae(file: Path, dtype: torch.dtype) -> Any:
    """An autoencoder in its authors' layout.

    Raises:
        UserError: No family reads it. Most cannot, since the statistics of its latents are not in the file.
    """
    weights, metadata = read_tensors(file, dtype)
    layouts: list[OriginalLayout] = []
    for family in families().values():
        half = family.load()
        if half.original_autoencoder is not None:
            layouts.append(half.original_autoencoder)
            if half.original_autoencoder.recognises(weights):
                model = _built(half.autoencoder, half.original_autoencoder, weights, metadata, file)
                return model.to(dtype).eval().requires_grad_(False)
    raise UserError(f"{file} is not {_titles(layouts)} in its authors' layout: any other needs vae/config.json, as "
                    "diffusers has it")


def _titles(layouts: Sequence[OriginalLayout]) -> str:
    *front, last = [layout.title for layout in layouts]
    return f"{', '.join(front)} or {last}" if front else last


def _built(kind: Any, layout: OriginalLayout, weights: dict[str, Tensor], metadata: Mapping[str, str],
           file: Path) -> Any:
    model = kind.from_config(dict(layout.config(weights, metadata)))
    return _fill(model, layout.convert(weights), file)


def _fill(model: Any, state: dict[str, Tensor], file: Path) -> Any:
    kind, wanted = type(model).__name__, model.state_dict()
    lacking, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if lacking or extra:
        parts = [f"{word} {len(names)} weights ({', '.join(names[:TOLD])}{', ...' if len(names) > TOLD else ''})"
                 for word, names in (("it lacks", lacking), ("the model has no place for", extra)) if names]
        raise UserError(f"{file} does not load as {kind}: {' and '.join(parts)}. It is of a variant that is not known "
                        "here, or quantised: take the text-to-video model in fp16, bf16 or fp8")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{file} does not load as {kind}: {str(error).splitlines()[1].strip()}") from error
    return model


def blocks(weights: Mapping[str, Tensor], stem: str) -> int:
    """How many blocks the weights have, by the numbers in names that begin with `stem`."""
    return 1 + max(int(key.split(".")[1]) for key in weights if key.startswith(f"{stem}."))
