"""Draws the scene as an older game would, and every buffer of the frame contract with it.

Direct light only, no shadows, no reflections, no anti-aliasing. One pass writes colour, normals,
motion vectors with view depth, and object ids; glass is blended over it and owns the other buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.geometry import F32, Matrix, Mesh
from engine_plugins.demo_game.scene import Scene, projection
from engine_plugins.demo_game.textures import SIZE

_VERTEX = """
#version 330
uniform mat4 model, to_clip, to_previous_clip;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv;
out vec3 normal; out vec2 uv; out vec3 before; out vec3 world;
void main() {
    world = (model * vec4(in_position, 1.0)).xyz;
    normal = mat3(model) * in_normal;
    uv = in_uv;
    before = (to_previous_clip * vec4(in_position, 1.0)).xyw;
    gl_Position = to_clip * vec4(in_position, 1.0);
}
"""

_FRAGMENT = """
#version 330
#define LAMPS %d
uniform sampler2D albedo; uniform vec2 size; uniform float metres; uniform int object_id;
uniform vec3 sun, sunlight, ambient, haze; uniform vec4 glow; uniform vec2 alpha;
#if LAMPS
uniform vec3 lamps[2 * LAMPS];  // a position, then its power
#endif
in vec3 normal; in vec2 uv; in vec3 before; in vec3 world;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 world_normal;
layout(location = 2) out vec4 motion_depth;
layout(location = 3) out uint id;
void main() {
    vec3 n = normalize(normal);
    vec3 light = ambient + sunlight * max(dot(n, sun), 0.0);
#if LAMPS
    for (int i = 0; i < LAMPS; i++) {
        vec3 way = lamps[2 * i] - world;
        float square = dot(way, way);
        light += lamps[2 * i + 1] * 1.5 * max(dot(n, way) * inversesqrt(square), 0.0) / (1.0 + square);
    }
#endif
    float inverse_depth = gl_FragCoord.w;  // 1 over clip space's w, which is the distance along the view axis
    float fog = clamp((1.0 / inverse_depth - 30.0) / 220.0, 0.0, 0.75);
    vec3 lit = mix(texture(albedo, uv / metres).rgb * light, glow.rgb, glow.a);
    colour = vec4(mix(lit, haze, fog), alpha.x);
    world_normal = vec4(n, alpha.y);
    vec2 delta = (before.xy / before.z * 0.5 + 0.5) * size - gl_FragCoord.xy;
    motion_depth = vec4(delta.x, -delta.y, inverse_depth, alpha.y);
    id = uint(object_id);
}
"""

_SKY_FRAGMENT = """
#version 330
uniform mat4 rays; uniform mat4 sky_motion; uniform vec2 size; uniform vec3 horizon, zenith;
in vec2 clip;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 world_normal;
layout(location = 2) out vec4 motion_depth;
layout(location = 3) out uint id;
void main() {
    vec4 ray = rays * vec4(clip, 1.0, 1.0);
    float up = clamp(normalize(ray.xyz).y * 1.6, 0.0, 1.0);
    colour = vec4(mix(horizon, zenith, up), 1.0);
    world_normal = vec4(0.0);
    vec4 before = sky_motion * vec4(ray.xyz, 0.0);
    vec2 delta = (before.xy / before.w - clip) * 0.5 * size;
    motion_depth = vec4(delta.x, -delta.y, 0.0, 0.0);
    id = 0u;
}
"""

_SKY_VERTEX = """
#version 330
out vec2 clip;
void main() {
    clip = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0;
    gl_Position = vec4(clip, 0.999999, 1.0);
}
"""


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

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        self.scene, self.size = scene, (width, height)
        self.gl = open_context()
        self.lamps = [lamp for lamp in scene.lamps if any(lamp.power)]
        self.lit = min(len(self.lamps), MOST_LAMPS)
        self.program = self.gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT % self.lit)
        self.sky = self.gl.program(vertex_shader=_SKY_VERTEX, fragment_shader=_SKY_FRAGMENT)
        self.sky_array = self.gl.vertex_array(self.sky, [])
        targets = [(4, "f1"), (4, "f2"), (4, "f2"), (1, "u4")]
        self.targets = [self.gl.texture(self.size, n, dtype=d) for n, d in targets]
        self.frame = self.gl.framebuffer(self.targets, self.gl.depth_texture(self.size))
        self.textures = {k: self._texture(m.texture.colour) for k, m in scene.materials.items()}
        meshes = {name: self._upload(mesh) for name, mesh in scene.static_by_material.items()}
        self.static, self.glass = ([item for item in meshes.items() if scene.materials[item[0]].clear is clear]
                                   for clear in (False, True))
        self.movers = [[(p.material, p.object_id, self._upload(p.mesh)) for p in mover.parts]
                       for mover in scene.movers]
        self.glowing = [(radiance, self._upload(mesh)) for radiance, mesh in scene.glowing.items()]
        self.projection = projection(width / height)
        # Glass blends its colour alone: its other outputs have alpha 1 and so replace; no alpha is ever written.
        blend: Any = (moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA, moderngl.ZERO, moderngl.ONE)
        self.gl.blend_func = blend

    def _texture(self, colour: NDArray[np.uint8]) -> moderngl.Texture:
        texture = self.gl.texture((SIZE, SIZE), 3, np.ascontiguousarray(colour[::-1]).tobytes())
        texture.build_mipmaps()
        return texture

    def _upload(self, mesh: Mesh) -> moderngl.VertexArray:
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
        self.gl.enable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        self._draw_world(view, previous_view, t, previous_t)
        self._draw_sky(view, previous_view)  # only where nothing else is
        self._draw_glass()
        return self._read(view, previous_view, shot)

    def _draw_sky(self, view: F32, previous_view: F32) -> None:
        rotation, previous = view.copy(), previous_view.copy()
        rotation[:3, 3] = previous[:3, 3] = 0
        self._set(self.sky, "rays", np.linalg.inv(self.projection @ rotation))
        self._set(self.sky, "sky_motion", self.projection @ previous)
        self._set(self.sky, "size", self.size)
        self._set(self.sky, "horizon", self.scene.sky.horizon)
        self._set(self.sky, "zenith", self.scene.sky.zenith)
        self.sky_array.render(moderngl.TRIANGLES, vertices=3)

    def _draw_world(self, view: F32, previous_view: F32, t: float, previous_t: float) -> None:
        self._light(view)
        lens, previous_lens = self.projection @ view, self.projection @ previous_view
        identity = np.eye(4, dtype=np.float32)
        for mover, parts in zip(self.scene.movers, self.movers, strict=True):
            pose = mover.motion.pose(t)
            if view[2] @ pose[:, 3] > BEHIND:
                continue
            previous = mover.motion.pose(previous_t)
            if np.abs(pose[:3, 3] - previous[:3, 3]).max() > JUMP:
                previous = pose
            self._place(pose, lens @ pose, previous_lens @ previous)
            for material, object_id, array in parts:
                self._material(material, object_id)
                array.render(moderngl.TRIANGLES)
        self._place(identity, lens, previous_lens)
        for radiance, array in self.glowing:
            self._set(self.program, "glow", (*np.clip(radiance, 0, 1), 1.0))
            array.render(moderngl.TRIANGLES)
        self._set(self.program, "glow", (0.0, 0.0, 0.0, 0.0))
        for material, array in self.static:
            self._material(material, 0)
            array.render(moderngl.TRIANGLES)

    def _draw_glass(self) -> None:
        """Static panes, over all that is behind them; lens and place are those that `_draw_world` left."""
        self.gl.enable(moderngl.BLEND)
        self._set(self.program, "alpha", (GLASS, 1.0))
        for material, array in self.glass:
            self._material(material, 0)
            array.render(moderngl.TRIANGLES)
        self.gl.disable(moderngl.BLEND)

    def _light(self, view: F32) -> None:
        """Sets the sky's light, and the lamps that are nearest to the camera."""
        sky, program = self.scene.sky, self.program
        for name, value in (("sun", sky.sun), ("sunlight", sky.sunlight), ("ambient", sky.ambient),
                            ("haze", sky.horizon), ("size", self.size), ("glow", (0.0, 0.0, 0.0, 0.0)),
                            ("alpha", (1.0, 0.0))):
            self._set(program, name, value)
        if self.lit:
            eye = -view[:3, :3].T @ view[:3, 3]
            nearest = sorted(self.lamps, key=lambda lamp: float(np.linalg.norm(np.array(lamp.centre) - eye)))
            self._set(program, "lamps", [v for lamp in nearest[:self.lit] for v in (lamp.centre, lamp.power)])

    def _place(self, pose: Matrix, to_clip: Matrix, to_previous_clip: Matrix) -> None:
        """What is drawn next stands at `pose`."""
        for name, matrix in (("model", pose), ("to_clip", to_clip), ("to_previous_clip", to_previous_clip)):
            self._set(self.program, name, matrix)

    def _material(self, name: str, object_id: int) -> None:
        """What is drawn next is of this material."""
        material = self.scene.materials[name]
        self._set(self.program, "metres", material.texture.metres)
        self._set(self.program, "object_id", object_id)
        self.textures[name].use(0)

    def _read(self, view: F32, previous_view: F32, shot: int) -> GBuffer:
        width, height = self.size

        def read(i: int, channels: int, dtype: str) -> NDArray[Any]:
            raw = self.targets[i].read()
            return np.frombuffer(raw, dtype).reshape(height, width, channels)[::-1]

        motion_depth = read(2, 4, "f2")
        return GBuffer(
            colour=read(0, 4, "u1"), normal=read(1, 4, "f2"),
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
GLASS = 0.3
"""How much of a pane of glass the game draws over what is behind it."""
