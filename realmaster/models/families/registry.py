"""The registry of model families: one entry for each, and what an entry must say. Imports no torch.

A family is a `Family` of light facts, whose `load` gives the half that needs torch, a `TorchFamily`. The commands that
only list models, and a game's machine, never call `load`. Another package adds a family with an entry point in the
group `realmaster.families` that names a `Family`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from realmaster.errors import UserError
from realmaster.models.large.cost import KnownModel

if TYPE_CHECKING:
    from diffusers.models.modeling_utils import ModelMixin
    from torch import Tensor

    from realmaster.models.large.tokens import Grid, Prompt, TokenTransformer
    from realmaster.models.large.video import LatentVideo

ENTRY_POINTS = "realmaster.families"
"""The group of entry points in which other packages name their families."""


class Renamed(NamedTuple):
    """A part of a module's name: as diffusers writes it, and as the family's authors write it."""

    diffusers: str
    authors: str


@dataclass(frozen=True)
class OriginalLayout:
    """How the family's authors keep a model's weights: one safetensors file without a config.json.

    `recognises` says whether weights, by name, are in this layout. `config` gives the configuration of the diffusers
    class from the weights' shapes and the file's metadata. `convert` renames the weights as diffusers does.
    """

    title: str
    recognises: Callable[[Mapping[str, Tensor]], bool]
    config: Callable[[Mapping[str, Tensor], Mapping[str, str]], Mapping[str, object]]
    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class TorchFamily:
    """The half of a family that needs torch and diffusers.

    `transformer` and `autoencoder` are diffusers' classes. `tokens` wraps a transformer of that class, for an
    autoencoder with the given grid; `video` wraps an autoencoder. `text_encoder` opens the text encoder in a model's
    folder and returns the function from a text to its embeddings; it may raise `UserError`, `OSError` or `ValueError`.
    A layout of the authors' own is None if single files cannot be read.
    """

    transformer: type[ModelMixin]
    autoencoder: type[ModelMixin]
    tokens: Callable[[ModelMixin, Grid], TokenTransformer]
    video: Callable[[ModelMixin], LatentVideo]
    text_encoder: Callable[[Path], Callable[[str], Prompt]]
    original_transformer: OriginalLayout | None = None
    original_autoencoder: OriginalLayout | None = None


@dataclass(frozen=True)
class Family:
    """A family of large models, as the registry holds it.

    `transformer` and `autoencoder` are the `_class_name` in the config.json of a model's parts. `known` are the models
    that `realmaster models` lists. `lora_targets` are the layers that training adapts, by the ends of their names.
    `top_names` and `inner_names` say what the authors call modules: at the start of a name, and anywhere in it.
    `layers` is a pattern of the names by which a LoRA of this family is recognised; `image_layers` of the layers that
    only image-to-video models have.
    """

    name: str
    title: str
    transformer: str
    autoencoder: str
    load: Callable[[], TorchFamily]
    known: tuple[KnownModel, ...] = ()
    lora_targets: tuple[str, ...] = ()
    top_names: tuple[Renamed, ...] = ()
    inner_names: tuple[Renamed, ...] = ()
    layers: str = r"(?!)"
    image_layers: str = r"(?!)"


def families() -> dict[str, Family]:
    """Every family by name: RealMaster's own, then those of other packages.

    Raises:
        UserError: A family of another package does not load, or has the name or the transformer of one before it.
    """
    return dict(_families())


def family_of(transformer: str) -> Family | None:
    """The family whose transformer has that `_class_name`; None if there is none."""
    return next((family for family in families().values() if family.transformer == transformer), None)


def known_models() -> list[KnownModel]:
    """The models that the families know, in the families' order."""
    return [model for family in families().values() for model in family.known]


@cache
def _families() -> dict[str, Family]:
    from realmaster.models.families.ltx import LTX
    from realmaster.models.families.ltx2 import LTX2
    from realmaster.models.families.wan import WAN
    found = {family.name: family for family in (WAN, LTX, LTX2)}
    for point in entry_points(group=ENTRY_POINTS):
        family = _from_package(point)
        if family.name in found or any(family.transformer == other.transformer for other in found.values()):
            raise UserError(f"{_origin(point)} adds the family {family.name!r} for {family.transformer}, which is "
                            "there already: uninstall one of the two packages")
        found[family.name] = family
    return found


def _from_package(point: EntryPoint) -> Family:
    try:
        family: object = point.load()
    except (ImportError, AttributeError) as error:
        raise UserError(f"{_origin(point)} adds a family of models that does not load ({error}): update the package or "
                        "uninstall it") from error
    if not isinstance(family, Family):
        raise UserError(f"{_origin(point)} names {point.value} in {ENTRY_POINTS}, which is no Family: update the "
                        "package or uninstall it")
    return family


def _origin(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist is not None else f"the entry point {point.name}"
