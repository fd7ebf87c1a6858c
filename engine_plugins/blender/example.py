"""An animated scene to try the add-on with: `blender --python example.py`, then *Render into ring* or *Publish*."""

import math

import bpy


def build():
    """Pillars on a floor, one of which rises, and a camera that circles them for twelve frames. Returns the scene."""
    bpy.ops.object.select_all(action="SELECT")
    bpy.ops.object.delete()
    for i in range(8):
        angle = i * math.pi / 4
        bpy.ops.mesh.primitive_cube_add(size=1.2, location=(4 * math.cos(angle), 4 * math.sin(angle), 0.6))
        bpy.context.object.pass_index = i + 1
        material(bpy.context.object, (0.2 + 0.1 * i, 0.8 - 0.1 * i, 0.4, 1))
    moving = bpy.context.object
    bpy.ops.mesh.primitive_plane_add(size=30)
    material(bpy.context.object, (0.5, 0.5, 0.55, 1))
    bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0))
    bpy.ops.object.camera_add()
    scene, eye = bpy.context.scene, bpy.context.object
    scene.camera = eye
    for frame in range(1, 13):
        angle = 0.05 * frame
        eye.location = 10 * math.cos(angle), 10 * math.sin(angle), 4
        eye.rotation_euler = math.radians(68), 0, angle + math.pi / 2
        moving.location.z = 0.6 + 0.15 * frame
        for thing, path in ((eye, "location"), (eye, "rotation_euler"), (moving, "location")):
            thing.keyframe_insert(path, frame=frame)
    for thing in (eye, moving):
        curves(thing)
    scene.frame_start, scene.frame_end = 1, 12
    return scene


def curves(thing):
    """No easing in and out."""
    action = thing.animation_data.action
    bag = action if hasattr(action, "fcurves") else action.layers[0].strips[0].channelbag(action.slots[0])
    for curve in bag.fcurves:
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def material(thing, color):
    """A checker of two shades."""
    made = bpy.data.materials.new("checker")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    checker = nodes.new("ShaderNodeTexChecker")
    checker.inputs["Scale"].default_value = 8
    checker.inputs["Color1"].default_value = color
    checker.inputs["Color2"].default_value = [c * 0.5 for c in color[:3]] + [1]
    links.new(checker.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    made.diffuse_color = color
    thing.data.materials.append(made)


if __name__ == "__main__":
    build()
