"""Turns the unpacked packages into the pack that `engine_plugins.demo_game.pack` reads; a step that is done is kept."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game import pack
from engine_plugins.demo_game.geometry import F32, Mesh
from realmaster.errors import UserError
from realmaster.pairs.assets import catalogue, houses, roads
from realmaster.pairs.assets.models import Converted, furniture, read_picture

HERE = Path(__file__).parent
GROW_SECONDS = 600.0
"""How long Node.js may take for all trees; on two cores it takes less than one minute."""


def linear(srgb: NDArray[np.uint8]) -> F32:
    """sRGB u8 to linear light in [0, 1] (IEC 61966-2-1)."""
    x = srgb.astype(np.float32) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb(light: NDArray[Any]) -> NDArray[np.uint8]:
    """Linear light to sRGB u8."""
    x = np.clip(light, 0, 1)
    return np.round(np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055) * 255).astype(np.uint8)


def even(picture: NDArray[np.uint8], albedo: float) -> NDArray[np.uint8]:
    """A tile without its broad blotches, which would show as a pattern, and of mean reflectance `albedo`."""
    light = linear(picture[..., :3])
    grey = light.mean(-1)
    small = np.tile(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA), (3, 3))
    broad = cv2.resize(cv2.GaussianBlur(small, (0, 0), 5)[32:64, 32:64], grey.shape[::-1])
    flat = light * (grey.mean() / np.maximum(broad, 1e-3))[..., None] ** 0.7
    return srgb(flat * (albedo / float(flat.mean())))


def brightest(sky: F32) -> tuple[float, float, float]:
    """Unit vector to the brightest spot of a sky, for one whose left edge is at yaw 0 (as Mitsuba's `envmap`)."""
    light = cv2.GaussianBlur(sky.mean(-1), (0, 0), 3)
    row, column = np.unravel_index(int(light[: len(light) // 2].argmax()), light.shape)
    theta, phi = (row + 0.5) / light.shape[0] * np.pi, (column + 0.5) / light.shape[1] * 2 * np.pi
    return float(np.sin(phi) * np.sin(theta)), float(np.cos(theta)), float(-np.cos(phi) * np.sin(theta))


def read_sky(path: Path) -> F32:
    """A sky of radiance (512, 1024, 3); the EXR ones are read by Mitsuba, which knows their compression."""
    if path.suffix == ".exr":
        from realmaster.pairs.pathtrace import load_mitsuba

        mi = load_mitsuba()
        found: Any = np.array(mi.Bitmap(str(path)).convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32))
    else:
        read: Any = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        found = read[..., ::-1]
    found = np.nan_to_num(np.maximum(found, 0)).astype(np.float32)
    return np.asarray(cv2.resize(found, (1024, 512), interpolation=cv2.INTER_AREA), np.float32)


class Converter:
    """Converts from `source`, where each package is unpacked in a folder of its name, into the pack at `out`."""

    def __init__(self, source: Path, out: Path) -> None:
        self.source, self.out = source, out
        self.models: dict[str, pack.ModelEntry] = {}
        self.surfaces: dict[str, pack.SurfaceEntry] = {}
        self.environments: dict[str, pack.EnvironmentEntry] = {}
        self.credits: list[str] = []
        for folder in (pack.MODELS, pack.PICTURES, pack.ENVIRONMENTS):
            (out / folder).mkdir(parents=True, exist_ok=True)

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What there is to do, one thing at a time."""
        for name in catalogue.SKIES:
            yield name, lambda name=name: self._sky(name)
        for name in catalogue.SURFACES:
            yield name, lambda name=name: self._surface(name)
        yield "roads", self._roads
        for i in range(catalogue.HOUSES):
            yield f"house {i + 1}", lambda i=i: self._house(i)
        yield "trees", self._trees
        for name in catalogue.MODELS:
            yield name, lambda name=name: self._furniture(name)

    def finish(self) -> None:
        """Writes the index and the credits."""
        about = pack.About(pack.VERSION, self.models, self.surfaces, self.environments)
        packages = [f"{p.name} {p.version}: {p.licence}" for p in catalogue.PACKAGES.values()]
        (self.out / "CREDITS").write_text("\n".join([*packages, "", *sorted(self.credits)]) + "\n")
        (self.out / pack.INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(about)))

    def _write_picture(self, file: str, picture: NDArray[np.uint8]) -> None:
        order = [2, 1, 0, 3] if picture.shape[2] == 4 else [2, 1, 0]
        cv2.imwrite(str(self.out / pack.PICTURES / file), picture[..., order])

    def _sky(self, name: str) -> None:
        package, path, kind = catalogue.SKIES[name]
        sky = read_sky(self.source / package / path)
        cv2.imwrite(str(self.out / pack.ENVIRONMENTS / f"{name}.hdr"), sky[..., ::-1])
        self.environments[name] = pack.EnvironmentEntry(kind, brightest(sky))

    def _surface(self, name: str) -> None:
        package, path, kind, metres, albedo, roughness = catalogue.SURFACES[name]
        self._write_picture(f"surface_{name}.png", even(read_picture(self.source / package / path, 1024), albedo))
        self.surfaces[name] = pack.SurfaceEntry(kind, f"surface_{name}.png", metres, roughness)

    def _house(self, i: int) -> None:
        parts = houses.build(i)
        looks: dict[str, dict[str, Any]] = {part: dict(houses.LOOKS[part]) for _, part in parts}
        self._write_model(f"house_{i + 1:02d}", "house", Converted(parts, looks))

    def _roads(self) -> None:
        package, path, *_ = catalogue.SURFACES["grain"]
        grey = linear(read_picture(self.source / package / path, 1024)).mean(-1)
        grain = (grey / cv2.GaussianBlur(grey, (0, 0), 60)).astype(np.float64)
        for i, (age, lines) in enumerate(catalogue.ROADS):
            self._painted(f"road_{i + 1}", "road", roads.road(grain, np.random.default_rng([i, 1]), age, lines), 16.0)
        for i, age in enumerate((0.1, 0.5, 0.9)):
            rng = np.random.default_rng([i, 2])
            self._painted(f"asphalt_{i + 1}", "asphalt", roads.asphalt(grain, rng, 768, 768, age), 8.0)
        for i, (size, tone) in enumerate(catalogue.PAVEMENTS):
            paved = roads.slabs(grain, np.random.default_rng([i, 3]), size, tone)
            self._painted(f"pavement_{i + 1}", "pavement", paved, 4.0)

    def _painted(self, name: str, kind: str, reflectance: NDArray[np.float64], metres: float) -> None:
        self._write_picture(f"surface_{name}.png", srgb(reflectance))
        self.surfaces[name] = pack.SurfaceEntry(kind, f"surface_{name}.png", metres, 0.8)

    def _write_model(self, name: str, kind: str, model: Converted) -> None:
        arrays = {f"{i}.{what}": getattr(mesh, what) for i, (mesh, _) in enumerate(model.parts)
                  for what in ("position", "normal", "uv", "index")}
        np.savez_compressed(self.out / pack.MODELS / f"{name}.npz", allow_pickle=False, **arrays)
        for file, picture in model.pictures.items():
            self._write_picture(file, picture)
        every = np.concatenate([mesh.position for mesh, _ in model.parts])
        width, height, depth = (float(round(v, 3)) for v in every.max(0) - every.min(0))
        looks = {key: msgspec.convert(value, pack.Look) for key, value in model.materials.items()}
        self.models[name] = pack.ModelEntry(kind, [key for _, key in model.parts], looks, (width, height, depth))

    def _furniture(self, name: str) -> None:
        item = catalogue.MODELS[name]
        folder = self.source / "furniture" / item.library
        if not folder.exists():
            library = self.source / "furniture/usr/share/sweethome3d/furniture" / f"{item.library}.sh3f"
            with zipfile.ZipFile(library) as archive:
                archive.extractall(folder)
        about = self._catalogue(folder)[item.model]
        size = tuple(float(about[key]) / 100 for key in ("width", "depth", "height"))
        model = furniture(folder / about["model"].lstrip("/"), (size[0], size[1], size[2]), item.paint, item.turn)
        for look in model.materials.values():
            if "picture" in look:
                look["picture"] = re.sub(rf"^{re.escape(item.model)}", name, look["picture"])
            if "roughness_picture" in look:
                look["roughness_picture"] = re.sub(rf"^{re.escape(item.model)}", name, look["roughness_picture"])
        model.pictures = {re.sub(rf"^{re.escape(item.model)}", name, k): v for k, v in model.pictures.items()}
        self._write_model(name, item.kind, model)
        licence, library_credit = catalogue.LIBRARIES[item.library]
        author = about.get("creator", library_credit)
        title = name if item.kind in ("car", "van", "bus", "bike") else about["name"]
        self.credits.append(f"{name}: \"{title}\" by {author} ({library_credit}), {licence}, converted")

    def _catalogue(self, folder: Path) -> dict[str, dict[str, str]]:
        """The library's catalogue, by the model's file name."""
        found: dict[str, dict[str, str]] = {}
        for line in (folder / "PluginFurnitureCatalog.properties").read_text("latin1").splitlines():
            if match := re.match(r"(\w+)#(\d+)=(.*)", line):
                found.setdefault(match[2], {})[match[1]] = match[3]
        return {Path(item["model"]).stem: item for item in found.values()}

    def _trees(self) -> None:
        work = self.source / "grown"
        modules = work / "node_modules"
        for package, place in (("three", modules / "three"), ("ez-tree", modules / "@dgreenheck/ez-tree")):
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(self.source / package / "package", place)
        (work / "trees.mjs").write_bytes((HERE / "trees.mjs").read_bytes())
        try:
            done = subprocess.run(["node", "trees.mjs", ".", *(preset for preset, _ in catalogue.TREES.values())],
                                  cwd=work, capture_output=True, text=True, check=False, timeout=GROW_SECONDS)
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise UserError(f"the trees did not grow ({error}): Node.js 18 or newer is needed (Debian: apt-get install "
                            "nodejs)") from error
        if done.returncode:
            raise UserError(f"the trees did not grow: {done.stderr.strip().splitlines()[-1:]}; Node.js 18 or newer "
                            "is needed (Debian: apt-get install nodejs)")
        for name, (preset, height) in catalogue.TREES.items():
            self._tree(name, work / preset, height)

    def _tree(self, name: str, grown: Path, height: float) -> None:
        about = json.loads(grown.with_suffix(".json").read_text())
        data = io.BytesIO(grown.with_suffix(".bin").read_bytes())
        arrays = {key: np.frombuffer(data.read(size), np.uint32 if key.endswith("index") else np.float32)
                  for key, size in about["arrays"].items()}
        top = arrays["leaves.position"].reshape(-1, 3)[:, 1].max()
        factor = height / float(top)
        model = Converted()
        for part in ("bark", "leaves"):
            position, normal = (arrays[f"{part}.{what}"].reshape(-1, 3) for what in ("position", "normal"))
            uv, index = arrays[f"{part}.uv"].reshape(-1, 2), arrays[f"{part}.index"].reshape(-1, 3)
            if part == "bark":
                uv = uv * np.array([about["scale"]["x"], 1 / about["scale"]["y"]], np.float32)
            length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
            model.parts.append((Mesh((position * factor).astype(np.float32), (normal / length).astype(np.float32),
                                     uv.astype(np.float32), index.astype(np.uint32)), part))
        base = self.source / "ez-tree/package/src/lib/assets"
        for part, file, tint in (("bark", f"bark/{about['bark']}_color_1k.jpg", about["barkTint"]),
                                 ("leaves", f"leaves/{about['leaves']}_color.png", about["leafTint"])):
            picture = read_picture(base / file)
            red, green, blue = (tint >> 16 & 255, tint >> 8 & 255, tint & 255)
            picture[..., :3] = srgb(linear(picture[..., :3]) * linear(np.array([red, green, blue], np.uint8)))
            target = f"tree_{Path(file).stem}_{tint:06x}.png"
            model.pictures[target] = _bleed(picture) if part == "leaves" else picture
            model.materials[part] = {"picture": target, "roughness": 0.95 if part == "bark" else 0.6,
                                     "leaf": part == "leaves", "thin": part == "leaves"}
        self._write_model(name, "bush" if name.startswith("bush") else "tree", model)


def _bleed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A cut-out whose colour goes on past its edge, so that filtering brings in no background."""
    inside = (picture[..., 3] > 200).astype(np.uint8)
    weight = inside.astype(np.float32)
    colour = picture[..., :3].astype(np.float32) * weight[..., None]
    for size in (3, 9, 31):
        near = cv2.blur(weight, (size, size))
        spread = cv2.blur(colour, (size, size)) / np.maximum(near, 1e-6)[..., None]
        new = (weight < 0.5) & (near > 1e-3)
        colour[new] = spread[new]
        weight[new] = 1
    out = picture.copy()
    out[..., :3] = np.where(inside[..., None] > 0, picture[..., :3], np.clip(colour, 0, 255).astype(np.uint8))
    return out
