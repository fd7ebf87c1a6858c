"""The pack: photographed skies and surfaces, and modelled things, converted once by `realmaster pairs assets`.

    pack.json               an `About`
    models/NAME.npz         its parts' arrays: "0.position", "0.normal", "0.uv", "0.index", "1.position", ...
    pictures/FILE           sRGB textures, with alpha where something is cut out
    environments/NAME.hdr   skies: radiance, 2:1, rows from the zenith down
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.scene import RGB, Material
from engine_plugins.demo_game.textures import Texture

INDEX, MODELS, PICTURES, ENVIRONMENTS = "pack.json", "models", "pictures", "environments"
VERSION = 1


class PackError(Exception):
    """There is no pack, or not this thing in it; the message says what to do."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How a part of a model looks: a `picture`, or one sRGB `colour`; the rest as in `scene.Material`."""

    picture: str = ""
    roughness_picture: str = ""
    colour: RGB = (0.5, 0.5, 0.5)
    roughness: float = 0.8
    metallic: float = 0.0
    clearcoat: float = 0.0
    clear: bool = False
    leaf: bool = False
    thin: bool = True


class ModelEntry(msgspec.Struct, frozen=True):
    """A model: its `parts` name their looks; `size` is width, height and depth in metres."""

    kind: str
    parts: list[str]
    looks: dict[str, Look]
    size: tuple[float, float, float]


class SurfaceEntry(msgspec.Struct, frozen=True):
    """A tiling surface, `metres` wide."""

    kind: str
    picture: str
    metres: float
    roughness: float


class EnvironmentEntry(msgspec.Struct, frozen=True):
    """A sky: its `kind` ("day", "overcast", "dusk", "night", "indoor") and the direction of its brightest spot."""

    kind: str
    sun: tuple[float, float, float]


class About(msgspec.Struct, frozen=True):
    """What is in the pack."""

    version: int
    models: dict[str, ModelEntry]
    surfaces: dict[str, SurfaceEntry]
    environments: dict[str, EnvironmentEntry]


@dataclass(frozen=True)
class Model:
    """A thing's meshes with the names of their materials, and those materials."""

    parts: tuple[tuple[Mesh, str], ...]
    materials: dict[str, Material]


class Pack:
    """A pack's folder. Raises `PackError` if there is none, or one of another version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.about = msgspec.json.decode((folder / INDEX).read_bytes(), type=About)
        except (OSError, msgspec.MsgspecError) as error:
            raise PackError(f"{folder} is no pack of models and surfaces: `realmaster pairs assets` makes one "
                            f"({error})") from error
        if self.about.version != VERSION:
            raise PackError(f"{folder} is a pack of version {self.about.version}, this is version {VERSION}: "
                            "make it anew with `realmaster pairs assets`")
        self.model = lru_cache(maxsize=None)(self._model)
        self.surface = lru_cache(maxsize=None)(self._surface)

    def names(self, kind: str) -> list[str]:
        """The models of a kind ("car", "person", "tree", ...), sorted."""
        return sorted(name for name, entry in self.about.models.items() if entry.kind == kind)

    def _picture(self, file: str) -> Any:
        found = cv2.imread(str(self.folder / PICTURES / file), cv2.IMREAD_UNCHANGED)
        if found is None:
            raise PackError(f"{self.folder} lacks {file}: make the pack anew with `realmaster pairs assets`")
        return found

    def _model(self, name: str) -> Model:
        entry = self.about.models.get(name)
        if entry is None:
            raise PackError(f"{self.folder} has no model {name}: make the pack anew with `realmaster pairs assets`")
        with np.load(self.folder / MODELS / f"{name}.npz", allow_pickle=False) as arrays:
            meshes = [Mesh(*(arrays[f"{i}.{what}"] for what in ("position", "normal", "uv", "index")))
                      for i in range(len(entry.parts))]
        parts = tuple((mesh, f"{name}/{look}") for mesh, look in zip(meshes, entry.parts, strict=True))
        return Model(parts, {f"{name}/{key}": self._material(look) for key, look in entry.looks.items()})

    def _material(self, look: Look) -> Material:
        alpha = None
        if look.picture:
            found = self._picture(look.picture)
            colour = np.ascontiguousarray(found[..., 2::-1])
            alpha = np.ascontiguousarray(found[..., 3]) if found.shape[2] == 4 else None
        else:
            colour = np.full((4, 4, 3), np.round(np.array(look.colour) * 255), np.uint8)
        rough = np.full((1, 1), look.roughness, np.float32)
        if look.roughness_picture:
            rough = self._picture(look.roughness_picture)[..., 0].astype(np.float32) / 255
        texture = Texture(colour, rough, 1.0, alpha)
        return Material(texture, look.metallic, look.clearcoat, clear=look.clear, leaf=look.leaf, thin=look.thin)

    def _surface(self, name: str) -> Texture:
        entry = self.about.surfaces.get(name)
        if entry is None:
            raise PackError(f"{self.folder} has no surface {name}: make the pack anew with `realmaster pairs assets`")
        colour = np.ascontiguousarray(self._picture(entry.picture)[..., 2::-1])
        return Texture(colour, np.full((1, 1), entry.roughness, np.float32), entry.metres)

    def environment(self, name: str) -> F32:
        """Radiance (H, W, 3) of a sky."""
        found: Any = cv2.imread(str(self.folder / ENVIRONMENTS / f"{name}.hdr"), cv2.IMREAD_UNCHANGED)
        if found is None:
            raise PackError(f"{self.folder} has no sky {name}: make the pack anew with `realmaster pairs assets`")
        return np.ascontiguousarray(found[..., ::-1], np.float32)
