"""A small Panda3D game with capture: `python -m engine_plugins.panda3d_game --ring panda`. Draws without a display."""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np

from engine_plugins.publish import ending, game_arguments


def main() -> int:
    """Parses the command line and plays."""
    args = game_arguments("panda3d_game", "Crates that turn, on a chequered floor.", "panda").parse_args()
    fps = args.fps or 24.0
    os.environ.setdefault("LP_NUM_THREADS", "1")
    try:
        from direct.showbase.ShowBase import ShowBase
        from panda3d.core import ClockObject, load_prc_file_data
    except ImportError:
        print("this game needs Panda3D: pip install panda3d", file=sys.stderr)
        return 1
    width, height = (int(v) for v in args.size.split("x"))
    load_prc_file_data("", "load-display p3headlessgl\nwindow-type offscreen\naudio-library-name null\n"
                           f"win-size {width} {height}\nsync-video false\nnotify-level-device fatal\n"
                           "gl-version 3 3\nnotify-level-egldisplay error\nnotify-level-display error\n")
    base: Any = ShowBase()
    clock = ClockObject.get_global_clock()
    # Frame-locked, game time goes by frames, so that the same command gives the same frames.
    clock.mode = ClockObject.M_limited if args.fps and not args.framelocked else ClockObject.M_non_real_time
    clock.set_frame_rate(fps)
    from engine_plugins.panda3d_plugin import RealMaster

    move = build_world(base)
    if args.interface:
        _interface(base)
    _, over = ending()
    capture = RealMaster(base, args.ring, args.framelocked, scene_color=args.interface, cancelled=over)
    frames = 0
    while not over() and not (args.frames and frames >= args.frames):
        move(frames / fps)
        base.taskMgr.step()
        frames += 1
    capture.close()
    return 0


def build_world(base: Any) -> Any:
    """A floor, walls, crates that turn; returns what moves them and the camera to a time in seconds."""
    from panda3d.core import AmbientLight, DirectionalLight

    base.disable_mouse()
    base.set_background_color(0.45, 0.6, 0.85)
    base.camLens.set_near_far(0.2, 200)
    rng = np.random.default_rng(4)
    texture = _checks(rng)
    _box(base.render, (40, 60, 0.5), (0, 30, -0.5), (0.6, 0.6, 0.55), texture)
    for side in (-14, 14):
        for y in range(0, 60, 8):
            tall = float(rng.uniform(3, 9))
            _box(base.render, (6, 6, tall), (side, y, tall), tuple(rng.uniform(0.3, 0.9, 3)), texture)
    crates = [_box(base.render, (1, 1, 1), (float(rng.uniform(-6, 6)), float(y), 1.2), tuple(rng.uniform(0.3, 1, 3)),
                   texture) for y in range(6, 40, 4)]
    sun, sky = DirectionalLight("sun"), AmbientLight("sky")
    sky.set_color((0.5, 0.52, 0.55, 1))
    lights = base.render.attach_new_node(sun), base.render.attach_new_node(sky)
    lights[0].set_hpr(-40, -50, 0)
    for light in lights:
        base.render.set_light(light)

    def move(t: float) -> None:
        for i, crate in enumerate(crates):
            crate.set_h(40 * t * (1 if i % 2 else -1))
            crate.set_x(crate.get_x() + 0.03 * math.sin(t + i))
        base.camera.set_pos(2 * math.sin(t / 3), -6 + 2.0 * t % 30, 2.6)
        base.camera.set_hpr(8 * math.sin(t / 2), -6, 0)

    return move


def _interface(base: Any) -> None:
    from direct.gui.OnscreenText import OnscreenText

    for text, place in (("HEALTH 100", (-1.4, -0.9)), ("CRATES 9", (1.2, 0.88))):
        OnscreenText(text=text, pos=place, scale=0.1, fg=(1, 1, 1, 1), bg=(0, 0, 0, 1), parent=base.aspect2d)


def _checks(rng: np.random.Generator) -> Any:
    """A chequered texture with some grain."""
    from panda3d.core import PNMImage, Texture

    image = PNMImage(64, 64, 3)
    for x in range(64):
        for y in range(64):
            image.set_xel(x, y, (0.9 if (x // 32 + y // 32) % 2 else 0.55) * float(rng.uniform(0.8, 1)))
    texture = Texture("checks")
    texture.load(image)
    texture.set_minfilter(Texture.FT_linear_mipmap_linear)
    texture.set_anisotropic_degree(4)
    return texture


def _box(parent: Any, half: tuple[float, ...], at: tuple[float, ...], colour: tuple[float, ...], texture: Any) -> Any:
    """A box of half sizes `half` around `at`."""
    from panda3d.core import Geom, GeomNode, GeomTriangles, GeomVertexData, GeomVertexFormat, GeomVertexWriter

    data = GeomVertexData("box", GeomVertexFormat.get_v3n3t2(), Geom.UH_static)
    place, normal, uv = (GeomVertexWriter(data, name) for name in ("vertex", "normal", "texcoord"))
    triangles = GeomTriangles(Geom.UH_static)
    for axis in range(3):
        for sign in (-1, 1):
            n = np.zeros(3)
            n[axis] = sign
            u, v = np.roll(n, 1) * sign, np.roll(n, 2)
            first = data.get_num_rows()
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                place.add_data3(*((n + a * u + b * v) * half))
                normal.add_data3(*n)
                uv.add_data2(*(np.array([a, b]) * (np.abs(u) @ half, np.abs(v) @ half) / 3))
            triangles.add_vertices(first, first + 1, first + 2)
            triangles.add_vertices(first, first + 2, first + 3)
    geom = Geom(data)
    geom.add_primitive(triangles)
    node = GeomNode("box")
    node.add_geom(geom)
    path = parent.attach_new_node(node)
    path.set_pos(*at)
    path.set_two_sided(True)
    path.set_color(*colour, 1)
    path.set_texture(texture)
    return path


if __name__ == "__main__":
    sys.exit(main())
