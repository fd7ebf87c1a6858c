shader_type spatial;
render_mode unshaded, depth_test_disable, cull_disabled, shadows_disabled, ambient_light_disabled;

// The depth of the scene as colour: near / distance in 24 bits, red the coarsest.
uniform float near;

void vertex() {
	POSITION = vec4(VERTEX.xy, 0.0, 1.0); // the whole picture, wherever the camera looks
}

void fragment() {
	float depth = texture(DEPTH_TEXTURE, SCREEN_UV).r;
	vec4 point = INV_PROJECTION_MATRIX * vec4(vec3(SCREEN_UV, depth) * 2.0 - 1.0, 1.0);
	float value = depth >= 1.0 ? 0.0 : clamp(near * point.w / -point.z, 0.0, 1.0) * 16777215.0;
	float coarse = floor(value / 65536.0), middle = floor(mod(value, 65536.0) / 256.0);
	ALBEDO = vec3(coarse, middle, floor(mod(value, 256.0))) / 255.0;
}
