"""Publishes the 3D view while it is looked around in: drawn once more, without overlays, and only while somebody reads.

Colour, depth and camera. In an orthographic view colour alone.
"""

import time

import bpy
import gpu
import numpy as np

from . import ring

SECONDS, IDLE_SECONDS = 1 / 24, 0.2
_state = {}


def running():
    """Whether the view is being published."""
    return bool(_state)


def toggle(name):
    """Starts or stops. Raises `ring.RingError` if there is no room for a ring."""
    if running():
        stop()
    else:
        start(name)


def start(name):
    """See `toggle`."""
    window = _view()
    if window is None:
        raise ring.RingError("no 3D view is open")
    region = window[2]
    _state.update(writer=ring.Writer(name, region.width * region.height), number=0, last=time.monotonic(),
                  began=time.monotonic(), screen=None)
    bpy.app.timers.register(_tick, persistent=True)


def stop():
    """See `toggle`."""
    if not running():
        return
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _state["writer"].close()
    if _state["screen"] is not None:
        _state["screen"].free()
    _state.clear()


def _view():
    """Window, area and region of the first 3D view."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                return window, area, next(r for r in area.regions if r.type == "WINDOW")
    return None


def _tick():
    """Blender calls it; it returns when it wants to be called again."""
    if not running():
        return None
    if not _state["writer"].wanted():
        return IDLE_SECONDS
    found = _view()
    if found is not None:
        _publish(*found)
    return SECONDS


def _publish(window, area, region):
    width, height = region.width, region.height
    if width * height > _state["writer"].pixels:  # the view has grown
        _state["writer"].grow(width * height)
    now = time.monotonic()
    space, eye = area.spaces.active, area.spaces.active.region_3d
    view, projection = np.array(eye.view_matrix), np.array(eye.window_matrix)
    with bpy.context.temp_override(window=window, area=area, region=region):
        color, depth = _draw(space, region, eye, width, height)
    buffers, camera = [(ring.COLOR, ring.RGBA8, color)], None
    if projection[3, 3] == 0:  # perspective
        a, b = projection[2, 2], projection[2, 3]
        camera = view, projection, b / (a - 1), b / (a + 1)
        buffers.append((ring.DEPTH, ring.INVERSE_Z, np.where(depth < 1, (2 * depth - 1 + a) / b, 0).astype(np.float16)))
    _state["writer"].publish(_state["number"], now - _state["began"], now - _state["last"], camera, buffers)
    _state["number"] += 1
    _state["last"] = now


def _draw(space, region, eye, width, height):
    """Colour (H, W, 4) u8 and the depth buffer (H, W) f32, bottom row first."""
    screen = _state["screen"]
    if screen is None or (screen.width, screen.height) != (width, height):
        if screen is not None:
            screen.free()
        screen = _state["screen"] = gpu.types.GPUOffScreen(width, height)
    overlays, space.overlay.show_overlays = space.overlay.show_overlays, False
    try:
        screen.draw_view3d(bpy.context.scene, bpy.context.view_layer, space, region, eye.view_matrix, eye.window_matrix,
                           do_color_management=True)
    finally:
        space.overlay.show_overlays = overlays
    with screen.bind():
        drawn = gpu.state.active_framebuffer_get()
        color, depth = (drawn.read_color(0, 0, width, height, 4, 0, "UBYTE"), drawn.read_depth(0, 0, width, height))
    color.dimensions, depth.dimensions = width * height * 4, width * height
    return (np.frombuffer(color, np.uint8).reshape(height, width, 4),
            np.frombuffer(depth, np.float32).reshape(height, width))
