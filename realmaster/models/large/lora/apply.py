"""Puts LoRAs on a model's transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.large.lora.fit import Fit, Fitted
from realmaster.models.large.lora.names import target


def apply(models: Sequence[Any], fits: Sequence[Fit], mode: Literal["merged", "live"] = "merged") -> None:
    """Puts fitted LoRAs on the transformers, in place.

    `merged` adds them to the weights; `live` keeps low-rank products beside these, in their own precision. Whole
    differences, which no layer can keep beside, are added in either mode. Raises `UserError` if one is no longer a
    number, or cannot be kept beside.
    """
    for number, found in enumerate(fits):
        for model, changes in zip(models, found.experts, strict=True):
            if mode == "live":
                _attach(model, found, changes, f"lora_{number}")
            for name, change in changes.items():
                _add(model, name, change, found, low_rank=mode == "merged")
    if mode == "live":
        for i, model in enumerate(models):
            _set_scales(model, {f"lora_{n}": (found.experts[i], found.lora.weight) for n, found in enumerate(fits)})


def attach(model: Any, found: Fit, name: str) -> None:
    """Keeps a LoRA beside one transformer's weights as the peft adapter `name`, which can then be trained."""
    _attach(model, found, found.experts[0], name)
    _set_scales(model, {name: (found.experts[0], found.lora.weight)})


@torch.no_grad()
def _add(model: Any, name: str, change: Fitted, found: Fit, *, low_rank: bool) -> None:
    """Adds one place's change to its weight and bias."""
    weight, bias = target(model, name)
    by, old = found.lora.weight, weight.float()
    new = old if change.diff is None else old + by * change.diff.float()
    if low_rank and change.down is not None and change.up is not None:
        product = (change.up.flatten(1).float() @ change.down.flatten(1).float()).reshape(weight.shape)
        if change.magnitude is None:
            new = new + by * change.scale * product
        else:
            new = new + by * (_decomposed(new + change.scale * product, change.magnitude) - new)
    if new is not old:
        weight.copy_(new)
    if change.bias is not None and bias is not None:
        bias.add_(by * change.bias.to(bias))
    if not bool(torch.isfinite(weight).all()):
        raise UserError(f"{found.lora.path}: with it, the weights of {name} are no longer finite numbers: give it less "
                        "weight (FILE:0.5), or get it again")


def _decomposed(weight: Tensor, magnitude: Tensor) -> Tensor:
    """Each row of the weight at its trained length (Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", 2024).
    """
    length = weight.flatten(1).norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    return weight * (magnitude.float() / length).reshape(-1, *[1] * (weight.ndim - 1))


def _attach(model: Any, found: Fit, changes: dict[str, Fitted], name: str) -> None:
    state: dict[str, Tensor] = {}
    for place, change in changes.items():
        if change.magnitude is not None:
            raise UserError(f"{found.lora.path} is a DoRA, which cannot be kept beside the weights: leave --lora-mode "
                            "live out")
        if change.down is not None and change.up is not None:
            state[f"{place}.lora_A.weight"] = change.down.to(model.dtype)
            state[f"{place}.lora_B.weight"] = change.up.to(model.dtype)
    if state:
        model.load_lora_adapter(state, prefix=None, adapter_name=name)


def _set_scales(model: Any, on: dict[str, tuple[dict[str, Fitted], float]]) -> None:
    """Peft's own alpha is the rank here, so that a scale is all of the strength."""
    for place, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            layer.set_adapter(list(on))
            for name, (changes, weight) in on.items():
                if place in changes:
                    layer.set_scale(name, changes[place].scale * weight)
