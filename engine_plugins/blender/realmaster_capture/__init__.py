"""RealMaster Capture: hands Blender's renders and its 3D view to RealMaster on the same machine (Linux)."""

import bpy

from . import offline, ring, viewport

bl_info = {
    "name": "RealMaster Capture", "author": "RealMaster", "version": (1, 0, 0), "blender": (3, 4, 0),
    "location": "3D View > Sidebar > RealMaster", "category": "Render",
    "description": "Publishes frames with depth, normals, motion vectors and object ids"}


class RenderIntoRing(bpy.types.Operator):
    """Render the animation, frame by frame, and publish each with all its buffers"""

    bl_idname = "realmaster.render"
    bl_label = "Render into ring"

    def execute(self, context):
        """Blender waits meanwhile, and so does a reader that is slower."""
        scene = context.scene
        try:
            frames = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
            offline.render(scene, scene.realmaster_ring, frames, locked=scene.realmaster_locked)
        except ring.RingError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class ToggleView(bpy.types.Operator):
    """Publish the 3D view as it is looked around in, or stop"""

    bl_idname = "realmaster.view"
    bl_label = "Publish the 3D view"

    def execute(self, context):
        """On and off."""
        try:
            viewport.toggle(context.scene.realmaster_ring)
        except ring.RingError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class Panel(bpy.types.Panel):
    """The sidebar's"""

    bl_idname = "VIEW3D_PT_realmaster"
    bl_label = "RealMaster"
    bl_space_type, bl_region_type, bl_category = "VIEW_3D", "UI", "RealMaster"

    def draw(self, context):
        """Two buttons and what they need."""
        column = self.layout.column()
        column.prop(context.scene, "realmaster_ring")
        column.operator("realmaster.view", text="Stop" if viewport.running() else "Publish the 3D view")
        column.separator()
        column.prop(context.scene, "realmaster_locked")
        column.operator("realmaster.render")


CLASSES = RenderIntoRing, ToggleView, Panel


def register():
    """Called by Blender."""
    for kind in CLASSES:
        bpy.utils.register_class(kind)
    bpy.types.Scene.realmaster_ring = bpy.props.StringProperty(
        name="Ring", default="blender", description="realmaster live --game none --ring NAME")
    bpy.types.Scene.realmaster_locked = bpy.props.BoolProperty(
        name="Lose nothing", default=True, description="Wait for the reader at each frame, and for the first to come")


def unregister():
    """Called by Blender."""
    viewport.stop()
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
    del bpy.types.Scene.realmaster_ring, bpy.types.Scene.realmaster_locked
