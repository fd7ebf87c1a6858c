class_name RealMasterDepth
extends CompositorEffect
## Reads the depth buffer of the frames it is asked for, without waiting for the GPU.

## The z-buffer's floats of frame `number`: 1 at the near plane, 0 at the far one, top row first.
signal arrived(number: int, size: Vector2i, depth: PackedByteArray)

## The frame that is wanted; 0 for none. Set by the main thread, taken by the render thread.
var wanted := 0
var _lock := Mutex.new()


func _init() -> void:
	effect_callback_type = EFFECT_CALLBACK_TYPE_POST_TRANSPARENT
	access_resolved_depth = true


func ask(number: int) -> void:
	_lock.lock()
	wanted = number
	_lock.unlock()


func _render_callback(_type: int, render_data: RenderData) -> void:
	_lock.lock()
	var number := wanted
	wanted = 0
	_lock.unlock()
	if number == 0:
		return
	var buffers := render_data.get_render_scene_buffers() as RenderSceneBuffersRD
	if buffers == null:
		return
	var device := RenderingServer.get_rendering_device()
	var size := buffers.get_internal_size()
	device.texture_get_data_async(buffers.get_depth_texture(), 0, func(data: PackedByteArray) -> void:
		arrived.emit.call_deferred(number, size, data))
