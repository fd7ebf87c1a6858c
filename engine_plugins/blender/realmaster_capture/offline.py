"""Renders an animation and publishes every frame with its passes: `render(bpy.context.scene, "blender", range(1, 49))`.

Colour is what the scene's view transform makes of the render. The passes come through a file, the only way in which
Blender hands all of them out. Cycles gives all of them, EEVEE no object ids, Workbench depth alone.
"""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np

from . import exr, ring

SKY = 1e9
"""Blender's depth where there is nothing is above this."""
PASSES = "use_pass_z", "use_pass_normal", "use_pass_vector", "use_pass_object_index"


def render(scene, name, frames, locked=False):
    """`frames` are the scene's frame numbers. `locked`: wait for the reader. Raises `ring.RingError`."""
    width, height = size(scene)
    writer = ring.Writer(name, width * height, locked)
    step = scene.render.fps_base / scene.render.fps
    try:
        with _passes(scene), tempfile.TemporaryDirectory(prefix="realmaster-") as folder:
            for number, frame in enumerate(frames):
                scene.frame_set(frame)
                buffers = _render(scene, Path(folder))
                writer.publish(number, frame * step, step, camera(scene, width, height), buffers)
    finally:
        writer.close()


def size(scene):
    """Width and height of the render in pixels."""
    share = scene.render.resolution_percentage / 100
    return int(scene.render.resolution_x * share), int(scene.render.resolution_y * share)


def camera(scene, width, height):
    """(view, projection, near, far) of the scene's camera; None if there is none in perspective."""
    eye = scene.camera
    if eye is None or eye.data.type != "PERSP":
        return None
    projection = eye.calc_matrix_camera(bpy.context.evaluated_depsgraph_get(), x=width, y=height)
    return np.array(eye.matrix_world.inverted()), np.array(projection), eye.data.clip_start, eye.data.clip_end


@contextmanager
def _passes(scene):
    """Passes and file format as they are needed here, and then as they were."""
    layer, settings = bpy.context.view_layer, scene.render.image_settings
    kept = {name: getattr(layer, name) for name in PASSES}
    keep = "media_type", "file_format", "color_mode", "color_depth", "exr_codec"
    format_kept = {name: getattr(settings, name) for name in keep if hasattr(settings, name)}
    path, motion_blur = scene.render.filepath, scene.render.use_motion_blur
    try:
        for name in PASSES:
            setattr(layer, name, True)
        scene.render.use_motion_blur = False  # Blender has no vectors beside it
        yield
    finally:
        scene.render.filepath, scene.render.use_motion_blur = path, motion_blur
        for name, value in kept.items():
            setattr(layer, name, value)
        for name, value in format_kept.items():
            setattr(settings, name, value)


def _as(settings, media, file_format, depth):
    if hasattr(settings, "media_type"):  # Blender 5
        settings.media_type = media
    settings.file_format, settings.color_mode, settings.color_depth = file_format, "RGBA", depth


def _render(scene, folder):
    settings, path = scene.render.image_settings, folder / "passes.exr"
    _as(settings, "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER", "32")
    settings.exr_codec = "NONE"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    _as(settings, "IMAGE", "PNG", "8")
    bpy.data.images["Render Result"].save_render(str(folder / "color.png"), scene=scene)
    return [(ring.COLOR, ring.RGBA8, _picture(folder / "color.png")), *_buffers(exr.read(path))]


def _picture(path):
    """A picture's bytes (H, W, 4), bottom row first."""
    image = bpy.data.images.load(str(path))
    try:
        image.colorspace_settings.name = "Non-Color"
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
        return np.rint(pixels * 255).astype(np.uint8).reshape(image.size[1], image.size[0], 4)
    finally:
        bpy.data.images.remove(image)


def _buffers(channels):
    """What there is, by the last two parts of the channels' names: LAYER.PASS.CHANNEL."""
    found = {tuple(name.split(".")[-2:]): data for name, data in channels.items()}
    buffers = []
    depth = next((found[key] for key in (("Depth", "Z"), ("Depth", "V")) if key in found), None)
    if depth is not None:
        buffers.append((ring.DEPTH, ring.INVERSE_Z, np.where(depth > SKY, 0, 1 / np.maximum(depth, 1e-3))
                        .astype(np.float16)))
    if ("Vector", "X") in found:  # to where it was; Blender's y runs up
        buffers.append((ring.MOTION, ring.PIXELS, np.stack([found["Vector", "X"], -found["Vector", "Y"]], -1)
                        .astype(np.float16)))
    if ("Normal", "X") in found:
        xyz = [found["Normal", axis] for axis in "XYZ"]
        buffers.append((ring.NORMAL, ring.WORLD_XYZ0, np.stack([*xyz, np.zeros_like(xyz[0])], -1).astype(np.float16)))
    index = next((found[key] for key in (("IndexOB", "X"), ("Object Index", "X")) if key in found), None)
    if index is not None:
        buffers.append((ring.OBJECT_ID, ring.INDEX, index.astype(np.uint32)))
    return buffers
