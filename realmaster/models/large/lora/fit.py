"""Whether a LoRA fits a model: finds each place that the file names, and says in one sentence why it does not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from realmaster.errors import UserError
from realmaster.models.families.registry import Family
from realmaster.models.large.lora.names import spellings, target
from realmaster.models.large.lora.read import Change, Lora, Place
from realmaster.models.large.lora.recipe import EXPERTS, expert_by_name
from realmaster.models.large.lora.strength import check_scale
from realmaster.models.large.lora.unfit import why_size, why_unknown


@dataclass(frozen=True)
class Fitted:
    """One place's change in the shapes that the model has. `down` and `up` are f32 or as stored, their product times
    `scale` is added to the weight; `diff` and `bias` are added as they are; `magnitude` (rows,) is a DoRA's.
    """

    scale: float
    down: Tensor | None = None
    up: Tensor | None = None
    magnitude: Tensor | None = None
    diff: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True)
class Fit:
    """A LoRA and, for each expert of the model, its changes by diffusers' name of the place."""

    lora: Lora
    experts: tuple[dict[str, Fitted], ...]
    notes: tuple[str, ...]


def fit(lora: Lora, models: Sequence[Any], family: Family) -> Fit:
    """Fits a LoRA to a model's transformers. Raises `UserError` if it was made for another model."""
    notes = list(lora.left_out)
    unnamed = _experts(lora, len(models), notes)
    experts: list[dict[str, Fitted]] = []
    for i, model in enumerate(models):
        mine = {place: change for place, change in lora.changes.items()
                if (i in unnamed if place.expert is None else place.expert == EXPERTS[i])}
        experts.append(_fit_expert(lora, mine, model, family))
    if all(change.scale == 0 and change.diff is None and change.bias is None
           for expert in experts for change in expert.values()):
        raise UserError(f"{lora.path} would change nothing, for its alpha is 0: get the file again, or train it with "
                        "an alpha")
    return Fit(lora, tuple(experts), tuple(notes))


def _experts(lora: Lora, count: int, notes: list[str]) -> range | tuple[int]:
    """Which of `count` experts the places are for whose prefix names none."""
    named = {place.expert for place in lora.changes} - {None}
    for expert in [lora.recipe.expert, *named]:
        if expert not in {None, *EXPERTS[:count]}:
            raise UserError(f"{lora.path} is for {expert}, which this model has not: give it to one with two experts")
    if lora.recipe.expert is not None:
        return (EXPERTS.index(lora.recipe.expert),)
    if count == 1 or named:
        return (0,)
    expert = expert_by_name(lora.path)
    if expert is None:
        notes.append(f"{lora.path.name}: it does not say which of the two experts it is for, and goes on both")
        return range(count)
    number = EXPERTS.index(expert)
    notes.append(f"{lora.path.name}: taken by its name for the expert of {('high', 'low')[number]} noise")
    return (number,)


def _fit_expert(lora: Lora, mine: dict[Place, Change], model: Any, family: Family) -> dict[str, Fitted]:
    known = spellings(model, family)
    strange = [place.name for place in mine if place.name not in known]
    if strange:
        raise UserError(why_unknown(lora.path, strange, list(mine), model, family))
    found: dict[str, Fitted] = {}
    for place, change in mine.items():
        name = known[place.name]
        if name in found:
            raise UserError(f"{lora.path} says twice how {name} changes (once as {place.name}): it was merged wrongly "
                            "from two dialects, get it again")
        found[name] = _fitted(lora, place.name, change, target(model, name), family)
    return found


def _fitted(lora: Lora, place: str, change: Change, to: tuple[Tensor, Tensor | None], family: Family) -> Fitted:
    parts, (weight, bias) = change.parts, to
    down, up, magnitude = parts.get("down"), parts.get("up"), parts.get("magnitude")
    own_bias, up_bias = parts.get("diff_bias"), parts.get("up_bias")
    if (down is None) != (up is None) or (down is None and (magnitude is not None or up_bias is not None)):
        raise UserError(f"{lora.path} holds half of what {place} needs ({', '.join(parts)}): the file was cut short or "
                        "filtered, get it again")
    scale = 1.0
    if down is not None and up is not None:
        scale = check_scale(lora.strength.scale(place, len(down), change.own_alpha), lora.path, place)
        if (down.ndim < 2 or up.ndim < 2 or up.shape[1] != len(down) or len(up) != len(weight)
                or math.prod(down.shape[1:]) != math.prod(weight.shape[1:])
                or math.prod(up.shape[2:]) != 1):
            raise UserError(why_size(lora.path, place, (len(up), math.prod(down.shape[1:])), weight, family))
        down, up = down.reshape(len(down), *weight.shape[1:]), up.reshape(*up.shape[:2], *[1] * (weight.ndim - 2))
    elif not parts:
        raise UserError(f"{lora.path} has an alpha for {place} and nothing else: the file was filtered, get it again")
    diff = parts.get("diff")
    rows = weight.flatten(1)[:, 0] if weight.ndim > 1 else weight
    for added, place_of_it in ((diff, weight), (own_bias, bias), (up_bias, bias), (magnitude, rows)):
        if added is not None and (place_of_it is None or added.numel() != place_of_it.numel()):
            raise UserError(why_size(lora.path, place, tuple(added.shape), place_of_it, family))
    if up_bias is not None:
        own_bias = up_bias * scale if own_bias is None else own_bias + up_bias * scale
    return Fitted(scale, down, up, None if magnitude is None else magnitude.flatten(),
                  None if diff is None else diff.reshape(weight.shape), own_bias)
