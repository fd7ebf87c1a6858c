"""Runs inside Blender: `blender ... --python blender_scene.py -- ADDONS RING offline|view ENGINE`."""

import math
import sys
from pathlib import Path

import bpy

addons, ring, mode, engine = sys.argv[sys.argv.index("--") + 1:]
sys.path[:0] = addons, str(Path(__file__).parents[1] / "engine_plugins" / "blender")


def main() -> None:
    """Builds the add-on's example, and publishes it."""
    import example
    import realmaster_capture
    from realmaster_capture import offline, viewport

    realmaster_capture.register()
    scene = example.build()
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 320, 180, 100
    scene.render.engine = engine
    if engine == "CYCLES":
        scene.cycles.samples, scene.cycles.use_denoising = 4, False
    else:
        scene.eevee.taa_render_samples = 4
    if mode == "offline":
        offline.render(scene, ring, range(1, 13), locked=True)
        bpy.ops.wm.quit_blender()
    else:
        bpy.app.timers.register(lambda: look_around(viewport, ring), first_interval=1)


def look_around(viewport, name):
    """Turns the 3D view, for ever."""
    area = next(a for a in bpy.context.window_manager.windows[0].screen.areas if a.type == "VIEW_3D")
    eye = area.spaces.active.region_3d
    if not viewport.running():
        eye.view_perspective = "PERSP"
        eye.view_distance = 9
        viewport.start(name)
    from mathutils import Euler
    look_around.angle = getattr(look_around, "angle", 0) + 0.02
    eye.view_rotation = Euler((math.radians(65), 0, look_around.angle)).to_quaternion()
    return 0.03


main()
