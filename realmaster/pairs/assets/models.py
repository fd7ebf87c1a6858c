"""Furniture models (OBJ and MTL) and grown trees as the pack's parts: metres, y up, front towards -z, feet on y = 0."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.geometry import Mesh, merge

RGB = tuple[float, float, float]
BADGES = "brand|marca|logo"
"""Materials that are a maker's badge: left out."""
SWATCHES = 8
"""A palette has 8 x 8 colours; its texture gives each 4 x 4 texels."""


@dataclass
class Converted:
    """A model on its way into the pack: `parts` (mesh, material name) and `materials` by name, as in `pack.About`.

    `pictures` maps file names to sRGB (H, W, 3 or 4) u8.
    """

    parts: list[tuple[Mesh, str]] = field(default_factory=list)
    materials: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


def _mtl(path: Path) -> dict[str, dict[str, Any]]:
    """The materials of an MTL file: `Kd`, `Ks` (lists), `Ns`, `d` (numbers) and `map_Kd` (a file name)."""
    found: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] = {}
    for line in path.read_text("latin1").splitlines():
        key, _, value = line.strip().partition(" ")
        if key == "newmtl":
            current = found.setdefault(value.strip(), {"Kd": [0.8] * 3, "Ks": [0.0] * 3, "Ns": 10.0, "d": 1.0})
        elif key in ("Kd", "Ks"):
            current[key] = [float(v) for v in value.split()[:3]]
        elif key in ("Ns", "d"):
            current[key] = float(value.split()[0])
        elif key == "map_Kd":
            current[key] = value.split()[-1].replace("\\", "/").split("/")[-1]
    return found


def _obj(path: Path) -> dict[str, Mesh]:
    """The meshes of an OBJ file by material."""
    trimesh: Any = import_module("trimesh")  # without types
    found = trimesh.load(path, process=False, split_object=False, group_material=True)
    meshes: list[Any] = list(found.geometry.values()) if isinstance(found, trimesh.Scene) else [found]
    out: dict[str, Mesh] = {}
    for mesh in meshes:
        uv = np.asarray(mesh.visual.uv if mesh.visual.uv is not None else np.zeros((len(mesh.vertices), 2)), np.float32)
        length = np.linalg.norm(mesh.vertex_normals, axis=1, keepdims=True)
        normal = np.where(length > 0.5, mesh.vertex_normals, (0.0, 1.0, 0.0))
        solid = mesh.area_faces > 0
        out[mesh.visual.material.name] = Mesh(np.asarray(mesh.vertices, np.float32), normal.astype(np.float32), uv,
                                              np.asarray(mesh.faces[solid], np.uint32))
    return out


def _finish(name: str, m: dict[str, Any], paint: str) -> str:
    """What a material is: glass, paint, chrome, or plain."""
    low = name.lower()
    colourful = max(m["Kd"]) - min(m["Kd"]) > 0.3
    if paint and re.fullmatch(paint, low):
        return "paint"
    if not colourful and (m["d"] < 0.75 or re.search(r"glass|vitre|window|cristal", low)) and "map_Kd" not in m:
        return "glass"
    if re.search(r"chrom|metal|alumi|steel|rim\b|jante|iron|inox|mirror", low) and "map_Kd" not in m:
        return "chrome"
    return "plain"


def _roughness(name: str, m: dict[str, Any]) -> float:
    """GGX roughness from a Phong exponent: alpha = sqrt(2 / (Ns + 2)), Walter et al., 2007; dull without Ks."""
    if re.search(r"rubber|tire|tyre|pneu", name.lower()) or max(m["Ks"]) < 0.05:
        return 0.85
    return float(np.clip((2 / (m["Ns"] + 2)) ** 0.25, 0.18, 0.9))


def furniture(path: Path, size: tuple[float, float, float], paint: str = "", turn: float = 0.0) -> Converted:
    """The OBJ model at `path`, `size` (width, depth, height) metres, its front turned to -z.

    `paint` is a pattern of the materials that are a car's paint; `turn` more degrees about y.
    """
    meshes, about = _obj(path), _mtl(next(path.parent.glob("*.mtl")))
    out = Converted()
    palette = np.full((SWATCHES, SWATCHES, 3), 128, np.uint8)
    gloss = np.full((SWATCHES, SWATCHES), 0.8, np.float32)
    used = 0
    groups: dict[str, list[Mesh]] = {}
    for name, mesh in meshes.items():
        if re.fullmatch(BADGES, name.lower()):
            continue
        m = about.get(name, {"Kd": [0.6] * 3, "Ks": [0.0] * 3, "Ns": 10.0, "d": 1.0})
        picture = path.parent / m["map_Kd"] if "map_Kd" in m else None
        kind = _finish(name, m, paint)
        if picture is not None and picture.exists():
            key = f"picture {picture.stem}"
            out.materials[key] = {"picture": f"{path.stem}_{picture.stem}.png", "roughness": _roughness(name, m)}
            out.pictures[f"{path.stem}_{picture.stem}.png"] = read_picture(picture)
            groups.setdefault(key, []).append(mesh)
        elif kind == "plain":
            row, column = divmod(min(used, SWATCHES * SWATCHES - 1), SWATCHES)
            palette[row, column] = np.clip(np.array(m["Kd"]) * 255, 4, 235)
            gloss[row, column] = _roughness(name, m)
            used += 1
            at = np.array(((column + 0.5) / SWATCHES, 1 - (row + 0.5) / SWATCHES), np.float32)
            swatch = np.broadcast_to(at, mesh.uv.shape).copy()
            groups.setdefault("plain", []).append(Mesh(mesh.position, mesh.normal, swatch, mesh.index))
        else:
            groups.setdefault(kind, []).append(mesh)
            if kind != "glass":
                colour = [float(np.clip(c, 0.02, 0.9)) for c in m["Kd"]]
                out.materials[kind] = {"colour": colour, "roughness": 0.35 if kind == "paint" else 0.22,
                                       "metallic": 0.95 if kind == "chrome" else 0.25 if kind == "paint" else 0.0,
                                       "clearcoat": 1.0 if kind == "paint" else 0.0}
            else:
                out.materials[kind] = {"colour": [0.8, 0.88, 0.86], "clear": True, "roughness": 0.02}
    if "plain" in groups:
        file = f"{path.stem}_palette.png"
        rough = np.round(gloss * 255).astype(np.uint8)
        out.pictures[file] = np.kron(palette, np.ones((4, 4, 1), np.uint8))
        out.pictures[f"{path.stem}_gloss.png"] = np.kron(np.stack([rough] * 3, -1), np.ones((4, 4, 1), np.uint8))
        out.materials["plain"] = {"picture": file, "roughness_picture": f"{path.stem}_gloss.png"}
    out.parts = [(merge(found), key) for key, found in groups.items()]
    _fit(out, size, turn)
    return out


def _fit(model: Converted, size: tuple[float, float, float], turn: float) -> None:
    """Scales and turns the parts in place: catalogue size, front (the catalogue's +z) to -z, centred, feet on 0."""
    every = np.concatenate([mesh.position for mesh, _ in model.parts])
    low, high = every.min(0), every.max(0)
    factor = size[2] / float(high[1] - low[1])
    angle = np.deg2rad(180 + turn)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
    centre = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2], np.float32)
    model.parts = [(Mesh(((m.position - centre) * factor @ rotation.T).astype(np.float32),
                         (m.normal @ rotation.T).astype(np.float32), m.uv, m.index), k) for m, k in model.parts]


def read_picture(path: Path, most: int = 512) -> NDArray[np.uint8]:
    """A picture as sRGB (H, W, 3 or 4) u8, at most `most` pixels a side."""
    found: Any = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise OSError(f"{path} is no picture that OpenCV can read")
    if found.dtype == np.uint16:
        found = (found >> 8).astype(np.uint8)
    if found.ndim == 2:
        found = np.stack([found] * 3, -1)
    found = found[..., [2, 1, 0, 3]] if found.shape[2] == 4 else found[..., ::-1]
    scale = most / max(found.shape[:2])
    if scale < 1:
        side = tuple(max(1, round(n * scale)) for n in found.shape[1::-1])
        found = cv2.resize(np.ascontiguousarray(found), side, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(found, np.uint8)
