"""Draws a scene as a photograph: Mitsuba 3 (LLVM) path tracing, OpenImageDenoise, a film curve.

The photoreal half of every training pair; same meshes, materials and camera as the game's
rasteriser. Needs the `pairs` extra and LLVM 17 or newer (Debian: `libllvm19`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import Mesh
from engine_plugins.demo_game.scene import FAR, NEAR, VERTICAL_FOV, Scene, Sky, projection
from engine_plugins.demo_game.worlds.motion import Still
from realmaster.errors import UserError
from realmaster.pairs.atlas import bind, textures
from realmaster.pairs.foliage import cut_out
from realmaster.pairs.temporal import Accumulator

PATH_DEPTH = 5
REPEATED = 150_000
"""Triangles that may be added by repeating a model that stands still; beyond that it is instanced.

Each instance makes the first frame slower to start."""
WHITE = 12.0
"""Exposed radiance beyond which a pixel is a firefly; the film curve shows half of it as white already."""
KEYS = {"clear": 0.20, "overcast": 0.20, "night": 0.085}
"""Where a photographer would put the mean of a picture's log luminance under each sky (0.18 is middle grey)."""

PHOTO_KEY = 0.75
"""How much darker a picture under a photographed sky is: its shadows are deeper, and its sun is brighter."""

HIGHLIGHT = 0.75
"""What the 85th percentile of luminance may come to at most; the film curve shows it as 0.7 of white."""

LAMP_RANGE = 45.0
"""Metres from the camera up to which lamps light the picture; it keeps the light sampling at lamps that matter."""


def load_mitsuba() -> Any:
    """The Mitsuba module with its LLVM variant set, or a `UserError` that says what to install."""
    if "DRJIT_LIBLLVM_PATH" not in os.environ:
        library = Path("/usr/lib")
        found = sorted(library.glob("*/libLLVM-1[7-9]*.so*")) + sorted(library.glob("*/libLLVM.so.[12]*"))
        if found:
            os.environ["DRJIT_LIBLLVM_PATH"] = str(found[-1])
    try:
        import mitsuba as mi

        mi.set_variant("llvm_ad_rgb")
    except ImportError as error:
        raise UserError("path tracing needs Mitsuba with LLVM: pip install -e '.[pairs]' and, on Debian, "
                        "apt-get install libllvm19") from error
    import drjit

    # One kernel for a whole path is a third faster; compiling it takes as long as tracing a few frames.
    drjit.set_flag(drjit.JitFlag.SymbolicLoops, True)
    drjit.set_flag(drjit.JitFlag.SymbolicCalls, True)
    return mi


def use_threads(count: int) -> None:
    """How many CPU threads this process traces with."""
    load_mitsuba()
    import drjit

    drjit.set_thread_count(count)


def tone_map(linear: NDArray[np.float32], exposure: float) -> NDArray[np.uint8]:
    """Linear radiance (H, W, 3) times `exposure` to sRGB u8 through a filmic curve.

    Curve: Narkowicz, "ACES Filmic Tone Mapping Curve", 2015.
    """
    x = np.maximum(linear * exposure, 0)
    film = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    srgb = np.where(film <= 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)
    return (srgb * 255 + 0.5).astype(np.uint8)


def environment(sky: Sky) -> NDArray[np.float32]:
    """Radiance (64, 128, 3) of a sky without a sun, rows from the zenith down.

    Overcast: CIE standard overcast sky, L = Lz (1 + 2 sin elevation) / 3. Night: a faint glow over the horizon.
    """
    elevation = np.pi / 2 - (np.arange(64) + 0.5) / 64 * np.pi
    up = np.clip(np.sin(elevation), 0, 1)
    level = (1 + 2 * up) / 3 if sky.kind == "overcast" else 0.010 + 0.02 * np.exp(-6 * up)
    tint = np.array((0.96, 1.0, 1.06) if sky.kind == "overcast" else (0.5, 0.65, 1.0))
    rows = np.where(elevation > 0, level, 0.25 * level)[:, None] * tint
    return np.repeat(rows[:, None], 128, axis=1).astype(np.float32)


def view_depth(distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mitsuba's ray distance (H, W) from the near plane, for rays through pixel centres, as distance along the view
    axis from the camera; 0 stays 0."""
    height, width = distance.shape
    lens = projection(width / height)
    x = ((np.arange(width) + 0.5) / width * 2 - 1) / lens[0, 0]
    y = ((np.arange(height) + 0.5) / height * 2 - 1) / lens[1, 1]
    depth = distance / np.sqrt(1 + x[None, :] ** 2 + y[:, None] ** 2)
    return np.where(distance > 0, depth + NEAR, 0).astype(np.float32)


def nearby(mesh: Mesh, eye: NDArray[np.float64]) -> Mesh:
    """The triangles of `mesh` within `LAMP_RANGE` of `eye`."""
    centre = mesh.position[mesh.index].mean(1)
    return replace(mesh, index=mesh.index[np.linalg.norm(centre - eye, axis=1) < LAMP_RANGE])


class PathTracer:
    """One scene, loaded and exposed for a shot around game time `t`; `render` moves things and traces a frame."""

    def __init__(self, scene: Scene, width: int, height: int, samples: int, t: float) -> None:
        self.mi = load_mitsuba()
        self.scene, self.size, self.before = scene, (width, height), Accumulator()
        self.samples = samples * (2 if scene.lamps else 1)  # small lights are noisier than a sky
        self.world = self.mi.load_dict(self._world(t), optimize=False)
        self.parameters = self.mi.traverse(self.world)
        self._launch = self._frozen()
        self.exposure = self._meter(t)

    def _bsdfs(self) -> dict[str, Any]:
        """A material for each of the scene's: of three kinds, which look the rest up in the scene's `Book`."""
        book, self.slots = bind(self.scene.materials)
        page = textures(self.mi, book)
        solid = self.mi.load_dict({"type": "twosided", "bsdf": {
            "type": "principled", "base_color": page["colour"], "roughness": page["roughness"],
            "metallic": page["metallic"], "clearcoat": page["clearcoat"], "clearcoat_gloss": 0.95, "specular": 0.5}})
        leaf = self.mi.load_dict({"type": "principledthin", "base_color": page["colour"], "roughness": 0.45,
                                  "diff_trans": 0.7, "spec_trans": 0.0, "eta": 1.4})
        glass = self.mi.load_dict({"type": "thindielectric"})
        return {name: glass if m.clear else leaf if m.leaf else solid for name, m in self.scene.materials.items()}

    def _shape(self, name: str, mesh: Mesh, properties: dict[str, Any], slots: NDArray[Any] | None = None) -> Any:
        mi = self.mi
        given = mi.Properties()
        for key, value in properties.items():
            given[key] = value
        shape = mi.Mesh(name, len(mesh.position), len(mesh.index), has_vertex_normals=True,
                        has_vertex_texcoords=True, props=given)
        parameters = mi.traverse(shape)
        parameters["vertex_positions"] = mesh.position.ravel()
        parameters["vertex_normals"] = mesh.normal.ravel()
        parameters["vertex_texcoords"] = mesh.uv.ravel()
        parameters["faces"] = mesh.index.ravel()
        parameters.update()
        if slots is not None:
            shape.add_attribute("face_slot", 1, slots.astype(np.float32))
        return shape

    def _world(self, t: float) -> dict[str, Any]:
        mi = self.mi
        bsdfs = self._bsdfs()
        view, _ = self.scene.camera(t)
        world: dict[str, Any] = {
            "type": "scene",
            "integrator": {"type": "aov", "aovs": "nn:sh_normal,alb:albedo,z:depth",
                           "img": {"type": "path", "max_depth": PATH_DEPTH}},
            "sky": self._sky(), "sensor": self._sensor(view),
        }
        self._populate(world, t, bsdfs)
        eye = -view[:3, :3].T.astype(np.float64) @ view[:3, 3]
        for i, (radiance, mesh) in enumerate(self.scene.glowing.items()):
            near = nearby(mesh, eye)
            if len(near.index):
                light = mi.load_dict({"type": "area", "radiance": {"type": "rgb", "value": list(radiance)}})
                world[f"lamp_{i}"] = self._shape(f"lamp_{i}", near, {"emitter": light})
        return world

    def _populate(self, world: dict[str, Any], t: float, bsdfs: dict[str, Any]) -> None:
        """Everything at `t`. What stands still is one group of shapes, but a model that would be much of it when
        repeated is a group of its own, as is each that moves, with an instance wherever it stands."""
        models: dict[tuple[tuple[int, str], ...], list[int]] = {}
        for i, mover in enumerate(self.scene.movers):
            models.setdefault(tuple((id(part.mesh), part.material) for part in mover.parts), []).append(i)
        static = [(part.mesh, part.material) for part in self.scene.static]
        for number, places in enumerate(models.values()):
            movers = [self.scene.movers[i] for i in places]
            parts = [(self._whole(part.mesh, part.material), part.material) for part in movers[0].parts]
            size = sum(len(mesh.index) for mesh, _ in parts)
            if all(isinstance(m.motion, Still) for m in movers) and (len(movers) - 1) * size <= REPEATED:
                static += [(mesh.transformed(m.motion.pose(t)), name) for m in movers for mesh, name in parts]
                continue
            world[f"model_{number}"] = {"type": "shapegroup", **self._shapes(f"model_{number}", parts, bsdfs)}
            for i, mover in zip(places, movers, strict=True):
                world[f"mover_{i}"] = {
                    "type": "instance", "shapegroup": {"type": "ref", "id": f"model_{number}"},
                    "to_world": self.mi.ScalarTransform4f(mover.motion.pose(t).astype(np.float64))}
        world["static"] = {"type": "shapegroup", **self._shapes("static", static, bsdfs)}
        world["static_at"] = {"type": "instance", "shapegroup": {"type": "ref", "id": "static"}}

    def _whole(self, mesh: Mesh, material: str) -> Mesh:
        """The mesh as geometry alone: leaves are cut out of their cards."""
        found = self.scene.materials[material]
        return cut_out(mesh, found.texture.alpha) if found.leaf and found.texture.alpha is not None else mesh

    def _shapes(self, name: str, parts: list[tuple[Mesh, str]], bsdfs: dict[str, Any]) -> dict[str, Any]:
        """`parts` merged into one shape for each of Mitsuba's materials, so that there are few."""
        groups: dict[str, list[tuple[Mesh, str]]] = {}
        for mesh, material in parts:
            groups.setdefault(self._kind(material), []).append((mesh, material))
        return {f"{name}_{kind}": self._shape(
            f"{name}_{kind}", geo.merge([mesh for mesh, _ in group]), {"bsdf": bsdfs[group[0][1]]},
            np.repeat([float(self.slots[m]) for _, m in group], [len(mesh.index) for mesh, _ in group]))
            for kind, group in groups.items()}

    def _kind(self, material: str) -> str:
        found = self.scene.materials[material]
        return "glass" if found.clear else "leaf" if found.leaf else "solid"

    def _sky(self) -> dict[str, Any]:
        sky = self.scene.sky
        if sky.photo is not None:
            turn = self.mi.ScalarTransform4f().rotate([0, 1, 0], float(np.rad2deg(sky.yaw)))
            return {"type": "envmap", "bitmap": self.mi.Bitmap(sky.photo), "to_world": turn}
        if sky.kind == "clear":
            return {"type": "sunsky", "sun_direction": list(sky.sun), "turbidity": sky.turbidity,
                    "sun_scale": 0.75, "sky_scale": 1.4, "albedo": 0.25,
                    "to_world": self.mi.ScalarTransform4f().rotate([1, 0, 0], -90)}  # the sky model is z-up
        return {"type": "envmap", "bitmap": self.mi.Bitmap(environment(sky))}

    def _camera_to_world(self, view: NDArray[np.float32]) -> Any:
        flip = np.diag([-1.0, 1.0, -1.0, 1.0])  # Mitsuba's camera looks along +z with x to the left
        return np.linalg.inv(view.astype(np.float64)) @ flip

    def _sensor(self, view: NDArray[np.float32]) -> dict[str, Any]:
        width, height = self.size
        return {"type": "perspective", "fov_axis": "y", "fov": float(np.rad2deg(VERTICAL_FOV)),
                "near_clip": NEAR, "far_clip": FAR,
                "to_world": self.mi.ScalarTransform4f(self._camera_to_world(view)),
                "film": {"type": "hdrfilm", "width": width, "height": height, "rfilter": {"type": "box"}},
                "sampler": {"type": "independent"}}

    def _trace(self, t: float, seed: int) -> NDArray[np.float32]:
        """All layers (H, W, 10) of the frame at `t`: radiance, normal, albedo, ray distance."""
        for i, mover in enumerate(self.scene.movers):
            if not isinstance(mover.motion, Still):
                pose = mover.motion.pose(t).astype(np.float64)
                self.parameters[f"mover_{i}.to_world"] = self.mi.AffineTransform4f(pose)
        view, _ = self.scene.camera(t)
        self.parameters["sensor.to_world"] = self.mi.Transform4f(self._camera_to_world(view))
        self.parameters.update()
        return np.array(self._launch(self.world, self.mi.UInt32(seed)), np.float32)

    def _frozen(self) -> Any:
        """The function that traces a frame; from its second call on it starts kernels without describing them anew."""
        import drjit

        samples, render = self.samples, self.mi.render
        freeze: Any = drjit.freeze  # its declared types do not know this form

        def launch(world: Any, seed: Any) -> Any:
            return render(world, spp=samples, seed=seed)

        return freeze(launch, auto_opaque=False)

    def _meter(self, t: float) -> float:
        """The exposure for the shot, measured once at `t`: log-average metering (Reinhard et al., 2002).

        Held back where the brighter parts of the picture, a sky for the most part, would burn out.
        """
        luminance = self._trace(t, 0)[..., :3] @ np.array((0.2126, 0.7152, 0.0722))
        levels = np.asarray(cv2.resize(luminance, (32, 18), interpolation=cv2.INTER_AREA))
        middle = KEYS[self.scene.sky.kind] / float(np.exp(np.log(levels + 1e-4).mean()))
        if self.scene.sky.photo is not None:
            middle *= PHOTO_KEY
        return min(middle, HIGHLIGHT / float(np.quantile(levels, 0.85)))

    def render(self, t: float, seed: int = 0, motion: NDArray[np.floating[Any]] | None = None
               ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Frame at game time `t`: sRGB (H, W, 3) u8 and view depth (H, W) f32 in metres, 0 at the sky.

        With the game's `motion` (H, W, 2) from the frame rendered before, that frame's light is made use of.
        """
        import pyoidn

        layers = self._trace(t, seed)
        albedo, normal = np.clip(layers[..., 6:9], 0, 1), layers[..., 3:6]
        radiance = np.minimum(np.nan_to_num(layers[..., :3]), WHITE / self.exposure)
        if motion is not None:
            radiance = self.before.add(radiance, albedo, normal, layers[..., 9], motion)
        photo = tone_map(pyoidn.denoise(radiance, albedo, normal, hdr=True), self.exposure)
        return photo, view_depth(layers[..., 9])
