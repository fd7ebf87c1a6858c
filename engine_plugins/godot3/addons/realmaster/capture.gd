# Sends the game's frames to `python -m engine_plugins.godot_receiver`, which publishes them. See README.md.
#
# While nobody asks for a frame, nothing is drawn or read back for it. A frame that is asked for draws the scene once
# more for its depth, and once more without the interface if `scene_color` is set.
extends Node

const MAGIC = 0x31474D52
const HIDDEN_LAYER = 19 # of 20; the quad that reads depth is on it, and the game's camera must not see that
const RETRY_SECONDS = 1.0
const COLOR = 1
const SCENE = 2
const DEPTH = 4

export(int) var port = 8190
export(bool) var scene_color = true

var peer = StreamPeerTCP.new()
var wanted = false
var was_cut = true
var since_try = RETRY_SECONDS
var time = 0.0
var last_time = 0.0 # of the frame that was sent before
var depth_view
var scene_view
var quad
var drawn_by # the game's camera in this frame

func _ready():
	pause_mode = PAUSE_MODE_PROCESS
	process_priority = 1 << 20 # after everybody who moves the camera
	VisualServer.connect("frame_post_draw", self, "_after_draw")

# To be called at every cut or teleport.
func cut():
	was_cut = true

func _process(delta):
	time += delta
	if not _asked(delta):
		return
	drawn_by = get_viewport().get_camera()
	if drawn_by == null:
		return
	if depth_view == null:
		_make_views()
	for view in [depth_view, scene_view]:
		if view != null:
			_follow(view)
	quad.material_override.set_shader_param("near", drawn_by.near)

# Whether somebody wants a frame. Each byte asks for one.
func _asked(delta):
	if peer.get_status() != StreamPeerTCP.STATUS_CONNECTED:
		wanted = false
		since_try += delta
		if since_try >= RETRY_SECONDS and peer.get_status() != StreamPeerTCP.STATUS_CONNECTING:
			since_try = 0.0
			peer = StreamPeerTCP.new()
			peer.connect_to_host("127.0.0.1", port)
		return false
	if peer.get_available_bytes() > 0:
		peer.get_data(peer.get_available_bytes())
		wanted = true
	return wanted

func _make_views():
	depth_view = _make_view()
	depth_view.hdr = false
	depth_view.keep_3d_linear = true # numbers, not colours
	depth_view.msaa = Viewport.MSAA_DISABLED # nor may they be averaged
	scene_view = _make_view() if scene_color else null
	quad = MeshInstance.new()
	quad.mesh = QuadMesh.new()
	quad.mesh.size = Vector2(2, 2)
	quad.material_override = ShaderMaterial.new()
	quad.material_override.shader = load("res://addons/realmaster/depth.shader")
	quad.material_override.render_priority = 127
	quad.extra_cull_margin = 16384
	quad.layers = 1 << HIDDEN_LAYER
	depth_view.get_child(0).add_child(quad)
	depth_view.get_child(0).environment = Environment.new() # no tone mapping, no fog over the quad
	if scene_view != null:
		scene_view.get_child(0).set_cull_mask_bit(HIDDEN_LAYER, false)

func _make_view():
	var view = Viewport.new()
	view.render_target_v_flip = false
	view.render_target_update_mode = Viewport.UPDATE_DISABLED
	view.shadow_atlas_size = get_viewport().shadow_atlas_size
	view.msaa = get_viewport().msaa
	view.add_child(Camera.new())
	add_child(view)
	return view

func _follow(view):
	var camera = view.get_child(0)
	drawn_by.set_cull_mask_bit(HIDDEN_LAYER, false)
	view.world = drawn_by.get_world()
	view.size = get_viewport().size
	view.render_target_update_mode = Viewport.UPDATE_ONCE
	camera.global_transform = drawn_by.get_camera_transform()
	camera.cull_mask = drawn_by.cull_mask
	camera.set_cull_mask_bit(HIDDEN_LAYER, view == depth_view)
	camera.keep_aspect = drawn_by.keep_aspect
	camera.set_perspective(drawn_by.fov, drawn_by.near, drawn_by.far)
	camera.h_offset = 0
	camera.v_offset = 0
	camera.current = true

func _after_draw():
	if not wanted:
		return
	wanted = false
	var image = get_viewport().get_texture().get_data()
	var buffers = [_bytes(image)]
	var present = COLOR
	if drawn_by != null and is_instance_valid(drawn_by) and drawn_by.projection == Camera.PROJECTION_PERSPECTIVE:
		present |= DEPTH
		if scene_view != null:
			present |= SCENE
			buffers.append(_bytes(scene_view.get_texture().get_data()))
		buffers.append(_bytes(depth_view.get_texture().get_data()))
	peer.put_data(_header(present, image.get_width(), image.get_height()))
	for buffer in buffers:
		peer.put_data(buffer)
	was_cut = false
	last_time = time
	drawn_by = null

func _bytes(image):
	image.convert(Image.FORMAT_RGBA8)
	return image.get_data()

# 256 bytes, little-endian: see HEADER in engine_plugins/godot_receiver.py.
func _header(present, width, height):
	var out = StreamPeerBuffer.new()
	for number in [MAGIC, (1 if was_cut else 0) | (4 if get_tree().paused else 0), width, height, present, 0]:
		out.put_u32(number)
	out.put_double(time)
	out.put_double(time - last_time)
	var view = drawn_by.get_camera_transform().affine_inverse() if present & DEPTH else Transform()
	out.put_float(drawn_by.near if present & DEPTH else 0.0)
	out.put_float(drawn_by.far if present & DEPTH else 0.0)
	for axis in [view.basis.x, view.basis.y, view.basis.z, view.origin]: # columns
		for number in [axis.x, axis.y, axis.z]:
			out.put_float(number)
	var slope = _slope(width, height) if present & DEPTH else Vector2()
	out.put_float(slope.x)
	out.put_float(slope.y)
	var bytes = out.data_array
	bytes.resize(256)
	return bytes

# Half the width and height of what is seen at distance 1.
func _slope(width, height):
	var half = tan(deg2rad(drawn_by.fov) / 2)
	if drawn_by.keep_aspect == Camera.KEEP_HEIGHT:
		return Vector2(half * width / height, half)
	return Vector2(half, half * height / width)
