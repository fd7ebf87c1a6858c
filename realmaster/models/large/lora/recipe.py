"""How a LoRA wants to be run: the recipe in its metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from realmaster.errors import UserError
from realmaster.models.large.in_context import Attention, Reading

EXPERTS = ("transformer", "transformer_2")
"""Wan2.2's, for high noise and for low, by diffusers' names."""

MAX_REFERENCE_SCALE = 16
BY_NAME = re.compile(r"(?i:(?:high|low)[-_ ]?noise)|(?<![A-Za-z])(?:HIGH|LOW)(?![A-Za-z])|[-_ ](?:high|low)$")
"""How the names of Wan2.2's LoRAs, which come in pairs, tell them apart."""


@dataclass(frozen=True)
class Recipe:
    """None where the file does not say."""

    reading: Reading | None
    expert: str | None


def as_metadata(reading: Reading) -> dict[str, str]:
    """What a LoRA's file says of how it reads; the scale goes by the name that LTX's trainer gives it."""
    reach = {} if reading.reach is None else {"reference_reach": str(reading.reach)}
    return {"attention": reading.attention, "reference_downscale_factor": str(reading.scale),
            "references": "color guides" if reading.guides else "color", **reach}


def recipe_of(path: Path, metadata: Mapping[str, str]) -> Recipe:
    """The recipe of a file. Raises `UserError` if it is damaged or not known here."""
    try:
        return Recipe(_reading(path, metadata), metadata.get("expert"))
    except (ValueError, OverflowError) as error:
        raise UserError(f"the recipe in {path} is damaged: {error}") from error


def expert_by_name(path: Path) -> str | None:
    """The expert that the file's name, or its folder's, says the LoRA is made for."""
    found = BY_NAME.search(path.stem) or BY_NAME.search(path.parent.name)
    return None if found is None else EXPERTS["low" in found[0].lower()]


def _reading(path: Path, metadata: Mapping[str, str]) -> Reading | None:
    """A file that names a `reference_downscale_factor` but no attention mode is LTX's, which are trained in `full`."""
    attention = metadata.get("attention") or ("full" if "reference_downscale_factor" in metadata else None)
    if attention is None:
        return None
    if attention not in {"full", "one_way"}:
        raise UserError(f"{path} was trained with attention mode {attention!r}; known are full and one_way")
    references = metadata.get("references", "color")
    if references not in {"color", "color guides"}:
        raise UserError(f"{path} was trained to read {references!r}; known are 'color' and 'color guides'")
    scale, reach = int(float(metadata.get("reference_downscale_factor", "1"))), metadata.get("reference_reach")
    if not 1 <= scale <= MAX_REFERENCE_SCALE:
        raise UserError(f"{path} was trained with references {scale} times smaller; known are 1 to "
                        f"{MAX_REFERENCE_SCALE}")
    return Reading(cast(Attention, attention), scale, None if reach is None else int(reach),
                   references == "color guides")
