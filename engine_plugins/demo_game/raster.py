"""Draws the scene as an older game would, and every buffer of the frame contract with it.

Direct light only, no shadows, no anti-aliasing. One pass writes colour, normals, motion
vectors with view depth, and object ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.scene import Scene, projection
from engine_plugins.demo_game.textures import SIZE

_VERTEX = """
#version 330
uniform mat4 model, to_clip, to_previous_clip;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv;
out vec3 normal; out vec2 uv; out vec3 before;
void main() {
    normal = mat3(model) * in_normal;
    uv = in_uv;
    before = (to_previous_clip * vec4(in_position, 1.0)).xyw;
    gl_Position = to_clip * vec4(in_position, 1.0);
}
"""

_FRAGMENT = """
#version 330
uniform sampler2D albedo; uniform vec3 sun; uniform vec2 size; uniform float metres; uniform int object_id;
in vec3 normal; in vec2 uv; in vec3 before;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 world_normal;
layout(location = 2) out vec4 motion_depth;
layout(location = 3) out uint id;
void main() {
    vec3 n = normalize(normal);
    float light = 0.45 + 0.65 * max(dot(n, sun), 0.0);
    float inverse_depth = gl_FragCoord.w;  // 1 over clip space's w, which is the distance along the view axis
    float fog = clamp((1.0 / inverse_depth - 30.0) / 220.0, 0.0, 0.75);
    vec3 lit = texture(albedo, uv / metres).rgb * light;
    colour = vec4(mix(lit, vec3(0.62, 0.74, 0.88), fog), 1.0);
    world_normal = vec4(n, 0.0);
    vec2 delta = (before.xy / before.z * 0.5 + 0.5) * size - gl_FragCoord.xy;
    motion_depth = vec4(delta.x, -delta.y, inverse_depth, 0.0);
    id = uint(object_id);
}
"""

_SKY_FRAGMENT = """
#version 330
uniform mat4 rays; uniform mat4 sky_motion; uniform vec2 size;
in vec2 clip;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 world_normal;
layout(location = 2) out vec4 motion_depth;
layout(location = 3) out uint id;
void main() {
    vec4 ray = rays * vec4(clip, 1.0, 1.0);
    float up = clamp(normalize(ray.xyz).y * 1.6, 0.0, 1.0);
    colour = vec4(mix(vec3(0.70, 0.80, 0.92), vec3(0.25, 0.48, 0.86), up), 1.0);
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


class Rasteriser:
    """Owns an off-screen OpenGL context (EGL, so no display is needed) and draws one `Scene`."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        self.scene, self.size = scene, (width, height)
        self.gl = moderngl.create_context(standalone=True, backend="egl")  # pyright: ignore[reportArgumentType]  stub error
        self.program = self.gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self.sky = self.gl.program(vertex_shader=_SKY_VERTEX, fragment_shader=_SKY_FRAGMENT)
        self.sky_array = self.gl.vertex_array(self.sky, [])
        targets = [(4, "f1"), (4, "f2"), (4, "f2"), (1, "u4")]
        self.targets = [self.gl.texture(self.size, n, dtype=d) for n, d in targets]
        self.frame = self.gl.framebuffer(self.targets, self.gl.depth_texture(self.size))
        self.textures = {k: self._texture(m.texture.colour) for k, m in scene.materials.items()}
        self.static = [(name, self._upload(mesh)) for name, mesh in scene.static_by_material.items()]
        self.movers = [[(p.material, p.object_id, self._upload(p.mesh)) for p in mover.parts]
                       for mover in scene.movers]
        self.projection = projection(width / height)

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
        self._draw_sky(view, previous_view)  # last: only where nothing else is
        return self._read(view, previous_view, shot)

    def _draw_sky(self, view: F32, previous_view: F32) -> None:
        rotation, previous = view.copy(), previous_view.copy()
        rotation[:3, 3] = previous[:3, 3] = 0
        self._set(self.sky, "rays", np.linalg.inv(self.projection @ rotation))
        self._set(self.sky, "sky_motion", self.projection @ previous)
        self._set(self.sky, "size", self.size)
        self.sky_array.render(moderngl.TRIANGLES, vertices=3)

    def _draw_world(self, view: F32, previous_view: F32, t: float, previous_t: float) -> None:
        program = self.program
        lens, previous_lens = self.projection @ view, self.projection @ previous_view
        self._set(program, "sun", self.scene.sun)
        self._set(program, "size", self.size)
        identity = np.eye(4, dtype=np.float32)
        for material, array in self.static:
            self._material(material, 0, identity, lens, previous_lens)
            array.render(moderngl.TRIANGLES)
        for mover, parts in zip(self.scene.movers, self.movers, strict=True):
            pose, previous = mover.pose(t), mover.pose(previous_t)
            if np.abs(pose[:3, 3] - previous[:3, 3]).max() > STREET_JUMP:
                previous = pose
            for material, object_id, array in parts:
                self._material(material, object_id, pose, (lens @ pose).astype("f4"),
                               (previous_lens @ previous).astype("f4"))
                array.render(moderngl.TRIANGLES)

    def _material(self, material: str, object_id: int, pose: F32, to_clip: F32, to_previous_clip: F32) -> None:
        """What is drawn next is of `material` and stands at `pose`."""
        for name, matrix in (("model", pose), ("to_clip", to_clip), ("to_previous_clip", to_previous_clip)):
            self._set(self.program, name, matrix)
        self._set(self.program, "metres", self.scene.materials[material].texture.metres)
        self._set(self.program, "object_id", object_id)
        self.textures[material].use(0)

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


STREET_JUMP = 20.0
"""Metres in one frame that no car drives: it wrapped around the street's end."""
