"""Draws a scene as a photograph: Mitsuba 3 (LLVM) path tracing, OpenImageDenoise, a film curve.

The photoreal half of every training pair; same meshes, materials and camera as the game's
rasteriser. Needs the `pairs` extra and LLVM 17 or newer (Debian: `libllvm19`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.geometry import Mesh
from engine_plugins.demo_game.scene import FAR, NEAR, VERTICAL_FOV, Material, Scene
from realmaster.errors import UserError

PATH_DEPTH = 6
EXPOSURE = 3.6
"""Scales Mitsuba's sun-and-sky radiance so that a sunlit grey wall lands near middle grey."""

MATTE = 0.5
"""A surface rougher than this everywhere is drawn as plain diffuse, which is a fifth faster."""


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
    return mi


def tone_map(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Linear radiance (H, W, 3) to sRGB u8 through a filmic curve.

    Curve: Narkowicz, "ACES Filmic Tone Mapping Curve", 2015.
    """
    x = np.maximum(linear * EXPOSURE, 0)
    film = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    srgb = np.where(film <= 0.0031308, 12.92 * film, 1.055 * film ** (1 / 2.4) - 0.055)
    return (srgb * 255 + 0.5).astype(np.uint8)


class PathTracer:
    """One scene, loaded once; `render` moves the cars and the camera and traces a frame."""

    def __init__(self, scene: Scene, width: int, height: int, samples: int) -> None:
        self.mi = load_mitsuba()
        self.scene, self.size, self.samples = scene, (width, height), samples
        self._mover_parts = [(f"mover{i}_{j}", mover, part.mesh)
                             for i, mover in enumerate(scene.movers) for j, part in enumerate(mover.parts)]
        self.world = self.mi.load_dict(self._world(), optimize=False)
        self.parameters = self.mi.traverse(self.world)

    def _bsdf(self, material: Material) -> dict[str, Any]:
        def bitmap(data: NDArray[Any], raw: bool) -> dict[str, Any]:
            scale = self.mi.ScalarTransform4f().scale(1 / material.texture.metres)
            return {"type": "bitmap", "bitmap": self.mi.Bitmap(np.ascontiguousarray(data)), "raw": raw,
                    "wrap_mode": "repeat", "to_uv": scale}

        texture = material.texture
        colour = bitmap(texture.colour, raw=False)
        if texture.roughness.min() > MATTE and not material.metallic:
            return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": colour}}
        return {"type": "twosided", "bsdf": {
            "type": "principled", "base_color": colour,
            "roughness": bitmap(texture.roughness[..., None], raw=True), "metallic": material.metallic,
            "clearcoat": material.clearcoat, "clearcoat_gloss": 0.95, "specular": 0.5}}

    def _shape(self, name: str, mesh: Mesh, material: str) -> Any:
        mi = self.mi
        properties = mi.Properties()
        properties["bsdf"] = self._bsdfs[material]
        shape = mi.Mesh(name, len(mesh.position), len(mesh.index), has_vertex_normals=True,
                        has_vertex_texcoords=True, props=properties)
        parameters = mi.traverse(shape)
        parameters["vertex_positions"] = mesh.position.ravel()
        parameters["vertex_normals"] = mesh.normal.ravel()
        parameters["vertex_texcoords"] = mesh.uv.ravel()
        parameters["faces"] = mesh.index.ravel()
        parameters.update()
        return shape

    def _world(self) -> dict[str, Any]:
        mi = self.mi
        self._bsdfs = {name: mi.load_dict(self._bsdf(m)) for name, m in self.scene.materials.items()}
        world: dict[str, Any] = {
            "type": "scene",
            "integrator": {"type": "aov", "aovs": "nn:sh_normal,alb:albedo,z:depth",
                           "img": {"type": "path", "max_depth": PATH_DEPTH}},
            "sky": {"type": "sunsky", "sun_direction": list(self.scene.sun), "turbidity": self.scene.turbidity,
                    "sun_scale": 0.75, "sky_scale": 1.4, "albedo": 0.25,
                    "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], -90)},  # the sky model is z-up
            "sensor": self._sensor(np.eye(4, dtype=np.float32)),
        }
        for name, mesh in self.scene.static_by_material.items():
            world[f"static_{name}"] = self._shape(f"static_{name}", mesh, name)
        for i, mover in enumerate(self.scene.movers):
            for j, part in enumerate(mover.parts):
                world[f"mover{i}_{j}"] = self._shape(f"mover{i}_{j}", part.mesh, part.material)
        return world

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

    def render(self, t: float, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Frame at game time `t`: sRGB (H, W, 3) u8 and ray distance (H, W) f32 in metres, 0 at the sky."""
        import pyoidn

        mi = self.mi
        for name, mover, mesh in self._mover_parts:
            posed = mesh.transformed(mover.pose(t))
            self.parameters[f"{name}.vertex_positions"] = posed.position.ravel()
            self.parameters[f"{name}.vertex_normals"] = posed.normal.ravel()
        view, _ = self.scene.camera(t)
        self.parameters["sensor.to_world"] = mi.Transform4f(self._camera_to_world(view))
        self.parameters.update()
        layers = np.array(mi.render(self.world, spp=self.samples, seed=seed), np.float32)
        albedo, normal, depth = np.clip(layers[..., 6:9], 0, 1), layers[..., 3:6], layers[..., 9]
        return tone_map(pyoidn.denoise(layers[..., :3], albedo, normal, hdr=True)), depth
