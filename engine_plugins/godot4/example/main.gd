extends Node3D
## A courtyard of pillars, a camera that circles in it, and a score.

var _camera := Camera3D.new()
var _time := 0.0


func _ready() -> void:
	var sun := DirectionalLight3D.new()
	sun.rotation_degrees = Vector3(-50, 30, 0)
	add_child(sun)
	_add(BoxMesh.new(), Vector3(0, -0.5, 0), Vector3(40, 1, 40), Color(0.5, 0.55, 0.4))
	for i in 12:
		var at := Vector3(6, 1, 0).rotated(Vector3.UP, i * PI / 6)
		_add(CylinderMesh.new(), at, Vector3(0.6, 1, 0.6), Color.from_hsv(i / 12.0, 0.5, 0.8))
	_camera.far = 60
	add_child(_camera)
	_camera.current = true
	var layer := CanvasLayer.new()
	var score := Label.new()
	score.text = "SCORE 123"
	score.position = Vector2(20, 20)
	layer.add_child(score)
	add_child(layer)


func _add(mesh: PrimitiveMesh, at: Vector3, size: Vector3, color: Color) -> void:
	var material := StandardMaterial3D.new()
	material.albedo_color = color
	mesh.material = material
	var thing := MeshInstance3D.new()
	thing.mesh = mesh
	thing.position = at
	thing.scale = size
	add_child(thing)


func _process(delta: float) -> void:
	_time += delta
	var angle := 0.4 * _time
	_camera.look_at_from_position(Vector3(11 * cos(angle), 3, 11 * sin(angle)), Vector3(0, 1, 0))
