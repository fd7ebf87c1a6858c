# A courtyard of pillars, a camera that circles in it, and a score.
extends Spatial

var camera = Camera.new()
var time = 0.0

func _ready():
	var sun = DirectionalLight.new()
	sun.rotation_degrees = Vector3(-50, 30, 0)
	add_child(sun)
	_add(CubeMesh.new(), Vector3(0, -0.5, 0), Vector3(20, 0.5, 20), Color(0.5, 0.55, 0.4))
	for i in range(12):
		var at = Vector3(6, 1, 0).rotated(Vector3.UP, i * PI / 6)
		_add(CylinderMesh.new(), at, Vector3(0.6, 1, 0.6), Color.from_hsv(i / 12.0, 0.5, 0.8))
	camera.far = 60
	add_child(camera)
	camera.current = true
	var layer = CanvasLayer.new()
	var score = Label.new()
	score.text = "SCORE 123"
	score.rect_position = Vector2(20, 20)
	layer.add_child(score)
	add_child(layer)

func _add(mesh, at, size, color):
	var thing = MeshInstance.new()
	var image = Image.new()
	image.create(32, 32, true, Image.FORMAT_RGB8)
	image.lock()
	for y in range(32):
		for x in range(32):
			image.set_pixel(x, y, color * (1.0 if (x / 4 + y / 4) % 2 else 0.6))
	image.unlock()
	image.generate_mipmaps()
	var texture = ImageTexture.new()
	texture.create_from_image(image)
	var material = SpatialMaterial.new()
	material.albedo_texture = texture
	material.uv1_scale = Vector3(6, 6, 6) if size.x > 5 else Vector3(2, 2, 2)
	mesh.material = material
	thing.mesh = mesh
	thing.translation = at
	thing.scale = size
	add_child(thing)

func _process(delta):
	time += delta
	var angle = 0.4 * time
	camera.look_at_from_position(Vector3(11 * cos(angle), 3, 11 * sin(angle)), Vector3(0, 1, 0), Vector3.UP)
