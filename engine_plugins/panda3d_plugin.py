"""Capture for any Panda3D game: three lines in it, and it publishes its frames with every buffer.

    from engine_plugins.panda3d_plugin import RealMaster
    capture = RealMaster(base, ring="mygame")      # after ShowBase is made; a task does the rest
    capture.cut()                                  # at every cut or teleport

The game's shading is not touched: what it draws in its window is read back as it is, and the scene is drawn once more,
by a shader of ours, into buffers of depth, motion, normals and object ids. With `scene_color`, it is drawn a third
time, as the game draws it but without `render2d`, so that the interface can stay as it is. While nobody reads, nothing
is drawn for it, and nothing but the window's colour is read back (Panda3D 1.10.16 hangs when such a copy is turned on
anew). Not followed in motion: vertices that a skeleton or a shader moves (their node's motion is).

Needs `pip install panda3d`; run on 1.10.16 with its headless OpenGL.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from panda3d.core import Camera as PandaCamera
from panda3d.core import (
    ClockObject,
    CSYupRight,
    CSZupRight,
    FrameBufferProperties,
    GraphicsOutput,
    GraphicsPipe,
    LMatrix4f,
    NodePath,
    Shader,
    Texture,
    WindowProperties,
)

from capture.frame import Buffer, Camera, Encoding, Flags, Frame, Kind
from engine_plugins.publish import Publisher

F32 = NDArray[np.float32]
OBJECT_TAG = "object_id"
"""A node's tag with its object id, a number above 0; what moves and has none gets the next free one."""
FIRST_ID = 1 << 20
"""Ids that are given out begin here."""

VERTEX = """#version 330
uniform mat4 p3d_ModelViewProjectionMatrix, p3d_ModelMatrix, p3d_ModelMatrixInverseTranspose;
uniform mat4 rm_before, rm_camera_before;
uniform vec4 rm_facts;  // moved since the frame before?, object id
in vec4 p3d_Vertex; in vec3 p3d_Normal; in vec2 p3d_MultiTexCoord0;
out vec4 now, before; out vec3 normal; out vec2 uv;
void main() {
    now = gl_Position = p3d_ModelViewProjectionMatrix * p3d_Vertex;
    before = rm_camera_before * ((rm_facts.x > 0.5 ? rm_before : p3d_ModelMatrix) * p3d_Vertex);
    normal = (p3d_ModelMatrixInverseTranspose * vec4(p3d_Normal, 0)).xyz;
    uv = p3d_MultiTexCoord0;
}"""
FRAGMENT = """#version 330
uniform sampler2D p3d_Texture0; uniform vec2 rm_size; uniform vec4 rm_facts;
in vec4 now, before; in vec3 normal; in vec2 uv;
layout(location = 0) out vec4 unused; layout(location = 1) out vec4 first; layout(location = 2) out vec4 second;
void main() {
    if (texture(p3d_Texture0, uv).a < 0.5) discard;
    vec2 moved = (before.xy / before.w - now.xy / now.w) * 0.5 * rm_size;
    unused = vec4(1);
    first = vec4(normalize(normal), rm_facts.y);
    second = vec4(moved.x, -moved.y, 1 / now.w, 1);
}"""


class RealMaster:
    """Publishes a game's frames into the ring `ring`, which is made when the game first draws; see `Publisher`."""

    def __init__(self, base: Any, ring: str, framelocked: bool = False, *, scene_color: bool = False,
                 cancelled: Callable[[], bool] = lambda: False) -> None:
        self.base, self.publisher = base, Publisher(ring, framelocked, cancelled)
        self._number, self._cut, self._ids = 0, True, FIRST_ID
        self._before: dict[NodePath, LMatrix4f] = {}  # net transforms of what is drawn, a frame ago
        self._camera_before: tuple[F32, F32, LMatrix4f] | None = None
        self._window = _copied(base.win)
        self._guides, self._textures = self._guide_pass()
        self._scene = self._scene_pass() if scene_color else None
        base.taskMgr.add(self._before_drawing, "realmaster-before", sort=40)  # igLoop draws at 50
        base.taskMgr.add(self._after_drawing, "realmaster-after", sort=60)

    def cut(self) -> None:
        """The next frame has nothing to do with the last one."""
        self._cut = True

    def close(self) -> None:
        """Ends the ring; the game goes on."""
        for name in ("realmaster-before", "realmaster-after"):
            self.base.taskMgr.remove(name)
        self.publisher.close()

    def _buffer(self, name: str, auxiliary: int) -> GraphicsOutput:
        base = self.base
        kind = FrameBufferProperties()
        kind.set_rgba_bits(8, 8, 8, 8)
        kind.set_depth_bits(24)
        kind.set_aux_float(auxiliary)
        size = WindowProperties.size(base.win.get_x_size(), base.win.get_y_size())
        made = base.graphicsEngine.make_output(base.pipe, name, -10, kind, size, GraphicsPipe.BF_refuse_window,
                                               base.win.get_gsg(), base.win)
        if made is None:
            raise RuntimeError("this graphics driver gives no buffer with two float targets")
        return made

    def _see(self, into: GraphicsOutput, name: str) -> PandaCamera:
        """A camera at the game's own, with its lens."""
        camera = PandaCamera(name, self.base.camNode.get_lens())
        camera.set_camera_mask(self.base.camNode.get_camera_mask())
        into.make_display_region().set_camera(self.base.cam.attach_new_node(camera))
        return camera

    def _guide_pass(self) -> tuple[GraphicsOutput, list[Texture]]:
        into = self._buffer("realmaster-guides", 2)
        into.set_clear_color((0, 0, 0, 0))
        textures: list[Texture] = []
        for plane in (GraphicsOutput.RTP_aux_float_0, GraphicsOutput.RTP_aux_float_1):
            into.set_clear_active(plane, True)
            into.set_clear_value(plane, (0, 0, 0, 0))
            into.add_render_texture(texture := Texture(), GraphicsOutput.RTM_bind_or_copy, plane)
            textures.append(texture)
        state = NodePath("realmaster-state")
        state.set_shader(Shader.make(Shader.SL_GLSL, VERTEX, FRAGMENT), 10_000)
        state.set_transparency(False, 10_000)
        self._see(into, "realmaster-guides").set_initial_state(state.get_state())
        self.base.render.set_shader_input("rm_facts", (0, 0, 0, 0))
        self.base.render.set_shader_input("rm_before", LMatrix4f.ident_mat())
        self.base.render.set_shader_input("rm_size", (into.get_x_size(), into.get_y_size()))
        return into, textures

    def _scene_pass(self) -> tuple[GraphicsOutput, Texture]:
        into = self._buffer("realmaster-scene", 0)
        into.set_clear_color(self.base.win.get_clear_color())
        self._see(into, "realmaster-scene")
        return into, _copied(into)

    def _before_drawing(self, task: Any) -> Any:
        """Hands last frame's transforms to the shader."""
        wanted = self.publisher.wanted()
        for output in (self._guides, *([self._scene[0]] if self._scene else [])):
            output.set_active(wanted)
        if wanted:
            self._follow_nodes()
            view, projection, clip = self._camera()
            self._now = view, projection, clip
            before = clip if self._camera_before is None or self._cut else self._camera_before[2]
            self.base.render.set_shader_input("rm_camera_before", before)
        return task.cont

    def _follow_nodes(self) -> None:
        after: dict[NodePath, LMatrix4f] = {}
        for node in self.base.render.find_all_matches("**/+GeomNode"):
            here = LMatrix4f(node.get_net_transform().get_mat())
            there = self._before.get(node, here)
            moved = not here.almost_equal(there) and not self._cut
            tag = node.get_net_tag(OBJECT_TAG)
            if moved and not tag:
                self._ids += 1
                node.set_tag(OBJECT_TAG, tag := str(self._ids))
            if moved or tag:
                node.set_shader_input("rm_facts", (float(moved), float(tag or 0), 0, 0))
                node.set_shader_input("rm_before", there)
            after[node] = here
        self._before = after

    def _camera(self) -> tuple[F32, F32, LMatrix4f]:
        """View and projection as the frame contract has them, and Panda's own from world to clip space."""
        lens = self.base.camNode.get_lens()
        to_camera = LMatrix4f(self.base.render.get_mat(self.base.cam))
        up = LMatrix4f.convert_mat(CSZupRight, CSYupRight)
        down = LMatrix4f.convert_mat(CSYupRight, CSZupRight)
        to_clip = lens.get_projection_mat()
        return _columns(to_camera * up), _columns(down * to_clip), to_camera * to_clip

    def _after_drawing(self, task: Any) -> Any:
        """Reads back and publishes."""
        if self.publisher.wanted() and self._guides.is_active():
            frame = self._frame()
            if frame is not None:
                self.publisher.publish(frame)
                self._number, self._cut, self._camera_before = self._number + 1, False, self._now
        else:
            self._cut = True  # whoever comes next has seen nothing before
        return task.cont

    def _frame(self) -> Frame | None:
        if not self._window.has_ram_image():
            return None
        engine, gsg = self.base.graphicsEngine, self.base.win.get_gsg()
        if not all(engine.extract_texture_data(texture, gsg) for texture in self._textures):
            return None
        size = self.base.win.get_y_size(), self.base.win.get_x_size()
        first, second = (_pixels(texture, np.float32, size) for texture in self._textures)
        buffers = {Kind.COLOR: Buffer(Encoding.RGBA8, _opaque(_pixels(self._window, np.uint8, size)))}
        if self._scene is not None:
            buffers[Kind.SCENE_COLOR] = Buffer(Encoding.RGBA8, _opaque(_pixels(self._scene[1], np.uint8, size)))
        normal = np.concatenate([first[..., :3], np.zeros_like(first[..., :1])], -1)
        buffers |= {Kind.DEPTH: Buffer(Encoding.INVERSE_Z, second[..., 2:3].astype(np.float16)),
                    Kind.MOTION: Buffer(Encoding.PIXELS, second[..., :2].astype(np.float16)),
                    Kind.NORMAL: Buffer(Encoding.WORLD_XYZ0, normal.astype(np.float16)),
                    Kind.OBJECT_ID: Buffer(Encoding.INDEX, first[..., 3:].round().astype(np.uint32))}
        view, projection, _ = self._now
        old_view, old_projection, _ = self._now if self._camera_before is None or self._cut else self._camera_before
        lens, clock = self.base.camNode.get_lens(), ClockObject.get_global_clock()
        return Frame(self._number, time.monotonic_ns(), buffers, t_game=clock.get_frame_time(), dt=clock.get_dt(),
                     flags=Flags.RESET if self._cut else Flags.NONE,
                     camera=Camera(view, projection, old_view, old_projection, lens.get_near(), lens.get_far()))


def _copied(output: GraphicsOutput) -> Texture:
    """A texture in main memory that gets what `output` shows, every frame."""
    texture = Texture()
    output.add_render_texture(texture, GraphicsOutput.RTM_copy_ram, GraphicsOutput.RTP_color)
    return texture


def _pixels(texture: Texture, dtype: Any, size: tuple[int, int]) -> NDArray[Any]:
    """(H, W, 4) of `size`, rows top-down, RGBA. Panda has them bottom-up, as BGRA, perhaps padded to a power of two."""
    data = np.frombuffer(cast(Any, texture.get_ram_image()), dtype)
    rows = data.reshape(texture.get_y_size(), texture.get_x_size(), -1)[:size[0], :size[1]]
    return rows[::-1, :, (2, 1, 0, 3)]


def _opaque(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = np.ascontiguousarray(picture)
    out[..., 3] = 255
    return out


def _columns(matrix: Any) -> F32:
    """Panda's matrices are for row vectors."""
    return np.array([[matrix.get_cell(i, j) for i in range(4)] for j in range(4)], np.float32)
