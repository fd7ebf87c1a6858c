extends Node
## Sends the game's frames to `python -m engine_plugins.godot_receiver`, which publishes them. See README.md.
##
## While nobody asks for a frame, nothing is read back for it.

const MAGIC := 0x31474D52
const RETRY_SECONDS := 1.0
const COLOR := 1
const RAW_DEPTH := 8
const TOP_DOWN := 16
const IN_FLIGHT := 4

## Where the receiver listens, on this machine.
@export var port := 8190

var _peer := StreamPeerTCP.new()
var _since_try := RETRY_SECONDS
var _time := 0.0
var _last_time := 0.0
var _number := 0
var _wanted := false
var _cut := true
var _effect := RealMasterDepth.new()
var _shots := {}  # by number: what is known of frames whose depth is on its way


func _ready() -> void:
	process_mode = Node.PROCESS_MODE_ALWAYS
	process_priority = 1 << 20  # after everybody who moves the camera
	RenderingServer.frame_post_draw.connect(_after_draw)
	_effect.arrived.connect(_depth_arrived)


## To be called at every cut or teleport.
func cut() -> void:
	_cut = true


func _process(delta: float) -> void:
	_time += delta
	_number += 1
	if not _asked(delta) or _shots.size() >= IN_FLIGHT:
		return
	var camera := get_viewport().get_camera_3d()
	if camera == null or camera.projection != Camera3D.PROJECTION_PERSPECTIVE:
		return
	_use_effect(camera)
	_effect.ask(_number)
	_shots[_number] = {"header": _header(camera), "image": null}
	_wanted = false


## Whether somebody wants a frame. Each byte asks for one.
func _asked(delta: float) -> bool:
	_peer.poll()
	if _peer.get_status() != StreamPeerTCP.STATUS_CONNECTED:
		_wanted = false
		_shots.clear()
		_since_try += delta
		if _since_try >= RETRY_SECONDS and _peer.get_status() != StreamPeerTCP.STATUS_CONNECTING:
			_since_try = 0.0
			_peer = StreamPeerTCP.new()
			_peer.connect_to_host("127.0.0.1", port)
		return false
	if _peer.get_available_bytes() > 0:
		_peer.get_data(_peer.get_available_bytes())
		_wanted = true
	return _wanted


func _use_effect(camera: Camera3D) -> void:
	if camera.compositor == null:
		camera.compositor = Compositor.new()
	if not camera.compositor.compositor_effects.has(_effect):
		camera.compositor.compositor_effects = camera.compositor.compositor_effects + [_effect]


func _after_draw() -> void:
	if _shots.has(_number) and _shots[_number].image == null:
		var image := get_viewport().get_texture().get_image()
		image.convert(Image.FORMAT_RGBA8)
		_shots[_number].image = image


func _depth_arrived(number: int, size: Vector2i, depth: PackedByteArray) -> void:
	if not _shots.has(number):
		return
	var shot: Dictionary = _shots[number]
	_shots.erase(number)
	var image: Image = shot.image
	# A scene that is drawn smaller or larger than the window has no depth for each pixel: then there is none at all.
	var whole := size == image.get_size() and depth.size() == size.x * size.y * 4
	var header: PackedByteArray = shot.header
	header.encode_u32(8, image.get_width())
	header.encode_u32(12, image.get_height())
	header.encode_u32(16, COLOR | TOP_DOWN | (RAW_DEPTH if whole else 0))
	_peer.put_data(header)
	_peer.put_data(image.get_data())
	if whole:
		_peer.put_data(depth)


## 256 bytes, little-endian: see HEADER in engine_plugins/godot_receiver.py.
func _header(camera: Camera3D) -> PackedByteArray:
	var out := PackedByteArray()
	out.resize(256)
	out.encode_u32(0, MAGIC)
	out.encode_u32(4, (1 if _cut else 0) | (4 if get_tree().paused else 0))
	out.encode_double(24, _time)
	out.encode_double(32, _time - _last_time)
	out.encode_float(40, camera.near)
	out.encode_float(44, camera.far)
	var view := camera.get_camera_transform().affine_inverse()
	var at := 48
	for column: Vector3 in [view.basis.x, view.basis.y, view.basis.z, view.origin]:
		for i in 3:
			out.encode_float(at, column[i])
			at += 4
	var size := get_viewport().get_visible_rect().size
	var half := tan(deg_to_rad(camera.fov) / 2)
	var tall := camera.keep_aspect == Camera3D.KEEP_HEIGHT
	out.encode_float(96, half * size.x / size.y if tall else half)
	out.encode_float(100, half if tall else half * size.y / size.x)
	_cut = false
	_last_time = _time
	return out
