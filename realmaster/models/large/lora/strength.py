"""How strong a LoRA is: its alpha, from wherever a file can say it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from realmaster.errors import UserError
from realmaster.models.large.folder import read_json

MAX_SCALE = 1000.0
"""Alpha by rank, at most. Files in use have a thousandth to a few dozen."""
PEFT_CONFIG = "adapter_config.json"
DIFFUSERS = "lora_adapter_metadata"
"""Metadata key in which diffusers' `save_lora_weights` keeps peft's configuration, as JSON."""
PLAIN = ("alpha", "lora_alpha", "network_alpha", "ss_network_alpha")
"""Metadata keys for one alpha for all modules: ours, other trainers', kohya's."""


@dataclass(frozen=True)
class Strength:
    """Alpha for all modules, or by patterns of names as peft has them. None: a file that says nothing is applied as
    it is, which is alpha = rank.
    """

    alpha: float | None = None
    patterns: dict[str, float] = field(default_factory=dict)
    rank_stabilised: bool = False

    def scale(self, place: str, rank: int, own: float | None) -> float:
        """What a module's product is multiplied by; `own` is an alpha that the file has for this module alone.

        alpha / rank (Hu et al., "LoRA", 2021), or alpha / sqrt(rank) where rank-stabilised (Kalajdzievski, 2023).
        """
        if own is not None:
            return own / rank
        pattern = next((p for p in self.patterns if re.match(rf"(.*\.)?({p})$", place)), None)
        alpha = self.alpha if pattern is None else self.patterns[pattern]
        return 1.0 if alpha is None else alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


def strength_of(path: Path, metadata: Mapping[str, str], beside: Path | None) -> Strength:
    """What a file's metadata says, or peft's configuration `beside` it. The more specific goes before.

    Raises `UserError` if it says something that is no number, or describes another kind of adapter.
    """
    if DIFFUSERS in metadata:
        try:
            config = msgspec.json.decode(metadata[DIFFUSERS], type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise UserError(f"{DIFFUSERS} in {path} is damaged ({error}): copy it again") from error
        return _peft(path, {key.removeprefix("transformer."): value for key, value in config.items()})
    if beside is not None:
        return _peft(beside, read_json(beside))
    for key in PLAIN:
        if metadata.get(key, "None") not in {"None", "", "Dynamic"}:
            return Strength(number(metadata[key], f"{key} in {path}"))
    return Strength()


def number(value: object, what: str) -> float:
    """A finite number. Raises `UserError` if it is none."""
    try:
        result = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise UserError(f"{what} is {str(value)[:40]!r}, which is no finite number: the file is damaged, get it again")
    return result


def check_scale(scale: float, path: Path, place: str) -> float:
    """The scale. Raises `UserError` if it is absurd."""
    if abs(scale) > MAX_SCALE:
        raise UserError(f"{path} would change {place} with {scale:g} times its strength (alpha by rank; at most "
                        f"{MAX_SCALE:g}): its alpha is damaged, get the file again")
    return scale


def _peft(path: Path, config: dict[str, Any]) -> Strength:
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        raise UserError(f"{path} describes a {kind} adapter: take one that was trained as a LoRA")
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise UserError(f"alpha_pattern in {path} is no table of names: the file is damaged, get it again")
    for pattern in patterns:
        _check_pattern(pattern, path)
    alpha = config.get("lora_alpha")
    return Strength(None if alpha is None else number(alpha, f"lora_alpha in {path}"),
                    {key: number(value, f"alpha_pattern {key} in {path}") for key, value in patterns.items()},
                    bool(config.get("use_rslora")))


def _check_pattern(pattern: str, path: Path) -> None:
    """Peft takes these for regular expressions; one that repeats a group could run for ever."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise UserError(f"alpha_pattern {pattern[:60]!r} in {path} is no pattern of names ({error})") from error
    if len(pattern) > 200 or re.search(r"\)[*+{?]", pattern):
        raise UserError(f"alpha_pattern {pattern[:60]!r} in {path} is no plain pattern of names")
