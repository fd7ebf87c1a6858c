"""A pack that has everything the places name, each thing a box and each surface noise: small, and made in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game import pack
from realmaster.pairs.assets.catalogue import HOUSES, MODELS, PAVEMENTS, ROADS, SKIES, SURFACES, TREES

SIZES = {"person": (0.5, 1.7, 0.4), "sitter": (0.6, 1.3, 0.9), "car": (1.9, 1.5, 4.4), "van": (2.4, 2.6, 6.0),
         "house": (10.0, 14.0, 10.0), "tree": (0.6, 9.0, 0.6), "bush": (1.4, 1.4, 1.4)}


def box_pack(folder: Path) -> pack.Pack:
    """Makes the pack in the empty `folder`."""
    for name in (pack.MODELS, pack.PICTURES, pack.ENVIRONMENTS):
        (folder / name).mkdir()
    kinds = {name: "bush" if name.startswith("bush") else "tree" for name in TREES}
    kinds |= {name: model.kind for name, model in MODELS.items()}
    kinds |= {f"house_{i:02d}": "house" for i in range(1, HOUSES + 1)}
    models: dict[str, pack.ModelEntry] = {}
    for i, (name, kind) in enumerate(kinds.items()):
        size = SIZES.get(kind, (0.6, 0.8, 0.6))
        mesh = geo.box(*size)
        if kind == "house":  # its front's left corner is the origin
            mesh = mesh.transformed(geo.translate(size[0] / 2, 0, size[2] / 2))
        arrays = {f"0.{what}": getattr(mesh, what) for what in ("position", "normal", "uv", "index")}
        np.savez(folder / pack.MODELS / f"{name}.npz", allow_pickle=False, **arrays)
        look = "wall" if kind == "house" else "paint"
        colour = 0.2 + 0.6 * (i * 0.37 % 1), 0.2 + 0.6 * (i * 0.61 % 1), 0.4
        models[name] = pack.ModelEntry(kind, [look], {look: pack.Look(colour=colour)}, size)
    noise = np.random.default_rng(5).integers(60, 180, (32, 32, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / pack.PICTURES / "tile.png"), noise)
    surfaces = [*SURFACES, *(f"road_{i + 1}" for i in range(len(ROADS))), *(f"asphalt_{i}" for i in (1, 2, 3)),
                *(f"pavement_{i + 1}" for i in range(len(PAVEMENTS)))]
    sky = np.full((64, 128, 3), 0.5, np.float32)
    for name in SKIES:
        cv2.imwrite(str(folder / pack.ENVIRONMENTS / f"{name}.hdr"), sky)
    tiles = {name: pack.SurfaceEntry("wall", "tile.png", 2.0, 0.8) for name in surfaces}
    about = pack.About(pack.VERSION, models, tiles,
                       {name: pack.EnvironmentEntry(kind, (0.6, 0.8, 0.0)) for name, (_, _, kind) in SKIES.items()})
    (folder / pack.INDEX).write_bytes(msgspec.json.encode(about))
    return pack.Pack(folder)
