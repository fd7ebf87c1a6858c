"""Draws the scene as an older game would, and every buffer of the frame contract with it.

Direct light only, no reflections, no anti-aliasing; the rest as its `GameStyle` says. One pass writes colour,
normals, motion vectors with view depth, and object ids; glass is blended over it and owns the other buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import moderngl
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.geometry import F32, Matrix, Mesh
from engine_plugins.demo_game.scene import Material, Scene, projection
from engine_plugins.demo_game.shaders import (
    BLOB_FRAGMENT,
    BLOB_VERTEX,
    SKY_FRAGMENT,
    SKY_VERTEX,
    WORLD_FRAGMENT,
    WORLD_VERTEX,
)
from engine_plugins.demo_game.style import PLAIN, GameStyle


@dataclass(frozen=True)
class GBuffer:
    """One frame, rows top-down, in the units of the frame contract.

    colour (H, W, 4) u8 sRGB; inverse_depth (H, W) f16, 1/m, 0 at the sky; normal (H, W, 4) f16,
    world; motion (H, W, 2) f16 px, previous = current + motion; object_id (H, W) u32.
    """

    colour: NDArray[np.uint8]
    inverse_depth: NDArray[np.float16]
    normal: NDArray[np.float16]
    motion: NDArray[np.float16]
    object_id: NDArray[np.uint32]
    view: F32
    previous_view: F32
    projection: F32
    shot: int


class NoOpenGLError(Exception):
    """This machine cannot draw off-screen; the message says what to install."""


def open_context() -> moderngl.Context:
    """An off-screen OpenGL context. Raises `NoOpenGLError` if there is none to be had."""
    try:
        return moderngl.create_context(standalone=True, backend="egl")  # pyright: ignore[reportArgumentType]  stub error
    except Exception as error:  # moderngl raises bare Exception when there is no EGL
        raise NoOpenGLError(f"no off-screen OpenGL ({error}): install EGL and Mesa (Debian: apt-get install "
                            "libegl1 libgl1-mesa-dri)") from error


class Rasteriser:
    """Owns an off-screen OpenGL context (EGL, so no display is needed) and draws one `Scene`.

    Raises `NoOpenGLError` if there is none to be had.
    """

    def __init__(self, scene: Scene, width: int, height: int, style: GameStyle = PLAIN) -> None:
        self.scene, self.size, self.style = scene, (width, height), style
        self.gl = open_context()
        self.lamps = [lamp for lamp in scene.lamps if any(lamp.power)]
        self.lit = min(len(self.lamps), MOST_LAMPS)
        self.program = self.gl.program(vertex_shader=WORLD_VERTEX % self.lit, fragment_shader=WORLD_FRAGMENT % self.lit)
        self.sky = self.gl.program(vertex_shader=SKY_VERTEX, fragment_shader=SKY_FRAGMENT)
        self.sky_array = self.gl.vertex_array(self.sky, [])
        self.blob = self.gl.program(vertex_shader=BLOB_VERTEX, fragment_shader=BLOB_FRAGMENT)
        self.blob_array = self.gl.vertex_array(self.blob, [])
        targets = [(4, "f1"), (4, "f2"), (4, "f2"), (1, "u4")]
        self.targets = [self.gl.texture(self.size, n, dtype=d) for n, d in targets]
        self.frame = self.gl.framebuffer(self.targets, self.gl.depth_texture(self.size))
        self.textures = {k: self._texture(m) for k, m in scene.materials.items()}
        self.photo = self._sky_texture()
        self._uploaded: dict[int, moderngl.VertexArray] = {}
        meshes = {name: self._upload(mesh) for name, mesh in scene.static_by_material.items()}
        self.static, self.glass = ([item for item in meshes.items() if scene.materials[item[0]].clear is clear]
                                   for clear in (False, True))
        self.movers = [[(p.material, p.object_id, self._upload(p.mesh)) for p in mover.parts]
                       for mover in scene.movers]
        self.radii = [max((float(np.linalg.norm(p.mesh.position, axis=1).max(initial=0)) for p in mover.parts),
                          default=0.0) for mover in scene.movers]
        self.glowing = [(radiance, self._upload(mesh)) for radiance, mesh in scene.glowing.items()]
        self.projection = projection(width / height)
        # Glass blends its colour alone: its other outputs have alpha 1 and so replace; no alpha is ever written.
        blend: Any = (moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA, moderngl.ZERO, moderngl.ONE)
        self.gl.blend_func = blend

    def _texture(self, material: Material) -> moderngl.Texture:
        found = material.drawn or material.texture
        alpha = np.full(found.colour.shape[:2], 255, np.uint8) if found.alpha is None else found.alpha
        picture = self.style.texture(np.dstack([found.colour, alpha]))
        size = picture.shape[1], picture.shape[0]
        texture = self.gl.texture(size, 4, np.ascontiguousarray(picture[::-1]).tobytes())
        if self.style.smooth and material.drawn is None:
            texture.build_mipmaps()
        else:
            texture.filter = (moderngl.NEAREST, moderngl.NEAREST)
        return texture

    def _sky_texture(self) -> moderngl.Texture | None:
        """The photographed sky as a small picture of 8 bits, or nothing where the game has two colours."""
        photo, rows = self.scene.sky.photo, self.style.sky_rows
        if photo is None or not rows:
            return None
        small = np.asarray(cv2.resize(photo, (2 * rows, rows), interpolation=cv2.INTER_AREA))
        shown = np.clip(small * (0.45 / (np.median(small[: rows // 2]) + 1e-6)), 0, 1) ** (1 / 2.2)
        return self.gl.texture((2 * rows, rows), 3, np.round(shown[::-1] * 255).astype(np.uint8).tobytes())

    def _upload(self, mesh: Mesh) -> moderngl.VertexArray:
        if id(mesh) not in self._uploaded:
            self._uploaded[id(mesh)] = self._new_array(mesh)
        return self._uploaded[id(mesh)]

    def _new_array(self, mesh: Mesh) -> moderngl.VertexArray:
        data = np.concatenate([mesh.position, mesh.normal, mesh.uv], 1).astype("f4")
        buffer, index = self.gl.buffer(data.tobytes()), self.gl.buffer(mesh.index.tobytes())
        layout = [(buffer, "3f 3f 2f", "in_position", "in_normal", "in_uv")]
        return self.gl.vertex_array(self.program, layout, index)

    def _set(self, program: moderngl.Program, name: str, value: Any) -> None:
        """Sets a uniform; a matrix goes over column by column, as OpenGL has it."""
        uniform: Any = program[name]
        if isinstance(value, np.ndarray):
            uniform.write(np.ascontiguousarray(value.T, "f4").tobytes())
        else:
            uniform.value = value

    def render(self, t: float, dt: float) -> GBuffer:
        """Draws game time `t`; motion vectors point to time `t - dt`, or are zero after a cut."""
        view, shot = self.scene.camera(t)
        before = self.scene.camera(t - dt) if t >= dt else (view, shot)
        cut = before[1] != shot
        previous_view, previous_t = (view, t) if cut else (before[0], max(t - dt, 0.0))
        self.frame.use()
        self.frame.clear(depth=1.0)
        self.gl.enable(moderngl.DEPTH_TEST)
        self._draw_world(view, previous_view, t, previous_t)
        self._draw_sky(view, previous_view)  # only where nothing else is
        self.gl.enable(moderngl.BLEND)
        self._draw_blobs(view, t)
        self._draw_glass(view, previous_view, t, previous_t)
        self.gl.disable(moderngl.BLEND)
        return self._read(view, previous_view, shot)

    def _draw_sky(self, view: F32, previous_view: F32) -> None:
        rotation, previous = view.copy(), previous_view.copy()
        rotation[:3, 3] = previous[:3, 3] = 0
        self._set(self.sky, "rays", np.linalg.inv(self.projection @ rotation))
        self._set(self.sky, "sky_motion", self.projection @ previous)
        self._set(self.sky, "size", self.size)
        self._set(self.sky, "horizon", self.scene.sky.horizon)
        self._set(self.sky, "zenith", self.scene.sky.zenith)
        self._set(self.sky, "yaw", self.scene.sky.yaw)
        self._set(self.sky, "pictured", 0.0 if self.photo is None else 1.0)
        if self.photo is not None:
            self.photo.use(0)
        self.sky_array.render(moderngl.TRIANGLES, vertices=3)

    def _draw_world(self, view: F32, previous_view: F32, t: float, previous_t: float) -> None:
        self._light(view)
        identity = np.eye(4, dtype=np.float32)
        self._draw_movers(view, previous_view, t, previous_t, clear=False)
        self._place(identity, self.projection @ view, self.projection @ previous_view)
        for radiance, array in self.glowing:
            self._set(self.program, "glow", (*np.clip(radiance, 0, 1), 1.0))
            array.render(moderngl.TRIANGLES)
        self._set(self.program, "glow", (0.0, 0.0, 0.0, 0.0))
        for material, array in self.static:
            self._material(material, 0)
            array.render(moderngl.TRIANGLES)

    def _draw_movers(self, view: F32, previous_view: F32, t: float, previous_t: float, *, clear: bool) -> None:
        """The movers' parts that are of glass, or all others."""
        lens, previous_lens = self.projection @ view, self.projection @ previous_view
        for mover, parts, radius in zip(self.scene.movers, self.movers, self.radii, strict=True):
            shown = [part for part in parts if self.scene.materials[part[0]].clear is clear]
            pose = mover.motion.pose(t)
            if not shown or view[2] @ pose[:, 3] > max(BEHIND, 1.5 * radius):
                continue
            previous = mover.motion.pose(previous_t)
            if np.abs(pose[:3, 3] - previous[:3, 3]).max() > JUMP:
                previous = pose
            self._place(pose, lens @ pose, previous_lens @ previous)
            for material, object_id, array in shown:
                self._material(material, object_id)
                array.render(moderngl.TRIANGLES)

    def _draw_blobs(self, view: F32, t: float) -> None:
        """A round shadow under everything that stands or moves."""
        if not self.style.blobs:
            return
        self.gl.disable(moderngl.CULL_FACE)
        self._set(self.blob, "to_clip", self.projection @ view)
        for mover in self.scene.movers:
            pose = mover.motion.pose(t)
            size = float(np.linalg.norm(pose[:3, 0]))
            wide = max((float(np.abs(p.mesh.position[:, [0, 2]]).max(initial=0)) for p in mover.parts), default=0.0)
            self._set(self.blob, "place", (*(float(v) for v in pose[:3, 3] + (0, 0.03, 0)), 0.9 * wide * size))
            self.blob_array.render(moderngl.TRIANGLE_STRIP, vertices=4)

    def _draw_glass(self, view: F32, previous_view: F32, t: float, previous_t: float) -> None:
        """Panes, over all that is behind them."""
        self._set(self.program, "alpha", (GLASS, 1.0))
        self._draw_movers(view, previous_view, t, previous_t, clear=True)
        self._place(np.eye(4, dtype=np.float32), self.projection @ view, self.projection @ previous_view)
        for material, array in self.glass:
            self._material(material, 0)
            array.render(moderngl.TRIANGLES)

    def _light(self, view: F32) -> None:
        """Sets the sky's light, and the lamps that are nearest to the camera."""
        sky, program, style = self.scene.sky, self.program, self.style
        eye = -view[:3, :3].T @ view[:3, 3]
        for name, value in (("sun", sky.sun), ("sunlight", sky.sunlight), ("ambient", sky.ambient),
                            ("haze", sky.horizon), ("size", self.size), ("glow", (0.0, 0.0, 0.0, 0.0)),
                            ("alpha", (1.0, 0.0)), ("eye", tuple(float(v) for v in eye)),
                            ("fog", (*style.fog, style.fog_most)),
                            ("lit", {"pixel": 0, "vertex": 1, "flat": 2, "none": 3}[style.light])):
            self._set(program, name, value)
        if self.lit:
            nearest = sorted(self.lamps, key=lambda lamp: float(np.linalg.norm(np.array(lamp.centre) - eye)))
            self._set(program, "lamps", [v for lamp in nearest[:self.lit] for v in (lamp.centre, lamp.power)])

    def _place(self, pose: Matrix, to_clip: Matrix, to_previous_clip: Matrix) -> None:
        """What is drawn next stands at `pose`."""
        for name, matrix in (("model", pose), ("to_clip", to_clip), ("to_previous_clip", to_previous_clip)):
            self._set(self.program, name, matrix)

    def _material(self, name: str, object_id: int) -> None:
        """What is drawn next is of this material."""
        material = self.scene.materials[name]
        self._set(self.program, "metres", (material.drawn or material.texture).metres)
        self._set(self.program, "object_id", object_id)
        self._set(self.program, "thin", int(material.thin))
        self._set(self.program, "cut", -1.0 if material.texture.alpha is None else ALPHA_CUT)
        (self.gl.disable if material.thin else self.gl.enable)(moderngl.CULL_FACE)
        self.textures[name].use(0)

    def _read(self, view: F32, previous_view: F32, shot: int) -> GBuffer:
        width, height = self.size

        def read(i: int, channels: int, dtype: str) -> NDArray[Any]:
            raw = self.targets[i].read()
            return np.frombuffer(raw, dtype).reshape(height, width, channels)[::-1]

        motion_depth = read(2, 4, "f2")
        return GBuffer(
            colour=self.style.graded(read(0, 4, "u1")), normal=read(1, 4, "f2"),
            motion=motion_depth[..., :2], inverse_depth=motion_depth[..., 2],
            object_id=read(3, 1, "u4")[..., 0],
            view=view, previous_view=previous_view, projection=self.projection, shot=shot,
        )


JUMP = 20.0
"""Metres in one frame that nothing travels: it began its track again."""
BEHIND = 6.0
"""Metres behind the camera from where on nothing of a mover can be seen."""
MOST_LAMPS = 8
"""How many lamps light a frame."""
ALPHA_CUT = 0.4
"""Below this alpha there is nothing: a little under a half, as filtering thins a cut-out."""
GLASS = 0.3
"""How much of a pane of glass the game draws over what is behind it."""
