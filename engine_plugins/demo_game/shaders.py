"""The rasteriser's shaders."""

WORLD_VERTEX = """
#version 330
#define LAMPS %d
uniform mat4 model, to_clip, to_previous_clip;
uniform vec3 sun, sunlight, ambient, eye; uniform int lit, thin;
#if LAMPS
uniform vec3 lamps[2 * LAMPS];  // a position, then its power
#endif
in vec3 in_position; in vec3 in_normal; in vec2 in_uv;
out vec3 normal; out vec2 uv; out vec3 before; out vec3 world; out vec3 gouraud;
vec3 shade(vec3 n) {
    vec3 light = ambient + sunlight * max(dot(n, sun), 0.0);
#if LAMPS
    for (int i = 0; i < LAMPS; i++) {
        vec3 way = lamps[2 * i] - world;
        float square = dot(way, way);
        light += lamps[2 * i + 1] * 1.5 * max(dot(n, way) * inversesqrt(square), 0.0) / (1.0 + square);
    }
#endif
    return light;
}
void main() {
    world = (model * vec4(in_position, 1.0)).xyz;
    normal = mat3(model) * in_normal;
    uv = in_uv;
    before = (to_previous_clip * vec4(in_position, 1.0)).xyw;
    vec3 n = normalize(normal);
    if (thin == 1 && dot(n, eye - world) < 0.0) n = -n;
    gouraud = lit == 1 ? shade(n) : vec3(1.0);
    gl_Position = to_clip * vec4(in_position, 1.0);
}
"""
"""`lit` is 0 for light a pixel, 1 a vertex, 2 a face, 3 the same everywhere."""

WORLD_FRAGMENT = """
#version 330
#define LAMPS %d
uniform sampler2D albedo; uniform vec2 size; uniform float metres; uniform int object_id, lit, thin;
uniform vec3 sun, sunlight, ambient, haze, eye, fog; uniform vec4 glow; uniform vec2 alpha; uniform float cut;
#if LAMPS
uniform vec3 lamps[2 * LAMPS];  // a position, then its power
#endif
in vec3 normal; in vec2 uv; in vec3 before; in vec3 world; in vec3 gouraud;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 world_normal;
layout(location = 2) out vec4 motion_depth;
layout(location = 3) out uint id;
vec3 shade(vec3 n) {
    vec3 light = ambient + sunlight * max(dot(n, sun), 0.0);
#if LAMPS
    for (int i = 0; i < LAMPS; i++) {
        vec3 way = lamps[2 * i] - world;
        float square = dot(way, way);
        light += lamps[2 * i + 1] * 1.5 * max(dot(n, way) * inversesqrt(square), 0.0) / (1.0 + square);
    }
#endif
    return light;
}
void main() {
    vec4 texel = texture(albedo, uv / metres);
    if (texel.a < cut) discard;
    vec3 n = normalize(normal);
    if (thin == 1 && dot(n, eye - world) < 0.0) n = -n;
    vec3 light = gouraud;
    if (lit == 0) light = shade(n);
    if (lit == 2) {
        vec3 face = normalize(cross(dFdx(world), dFdy(world)));
        light = shade(dot(face, n) < 0.0 ? -face : face);
    }
    if (lit == 3) light = ambient + 0.4 * sunlight;
    float inverse_depth = gl_FragCoord.w;  // 1 over clip space's w, which is the distance along the view axis
    float hidden = clamp((1.0 / inverse_depth - fog.x) / (fog.y - fog.x), 0.0, fog.z);
    vec3 shown = mix(texel.rgb * light, glow.rgb, glow.a);
    colour = vec4(mix(shown, haze, hidden), alpha.x);
    world_normal = vec4(n, alpha.y);
    vec2 delta = (before.xy / before.z * 0.5 + 0.5) * size - gl_FragCoord.xy;
    motion_depth = vec4(delta.x, -delta.y, inverse_depth, alpha.y);
    id = uint(object_id);
}
"""

SKY_VERTEX = """
#version 330
out vec2 clip;
void main() {
    clip = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2) * 2.0 - 1.0;
    gl_Position = vec4(clip, 0.999999, 1.0);
}
"""

SKY_FRAGMENT = """
#version 330
uniform mat4 rays; uniform mat4 sky_motion; uniform vec2 size; uniform vec3 horizon, zenith;
uniform sampler2D photo; uniform float yaw, pictured;
in vec2 clip;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 world_normal;
layout(location = 2) out vec4 motion_depth;
layout(location = 3) out uint id;
void main() {
    vec4 ray = rays * vec4(clip, 1.0, 1.0);
    vec3 way = normalize(ray.xyz);
    float up = clamp(way.y * 1.6, 0.0, 1.0);
    vec3 shown = mix(horizon, zenith, up);
    if (pictured > 0.0) {
        vec2 at = vec2((atan(way.x, -way.z) + yaw) / 6.2831853, 1.0 - acos(way.y) / 3.1415927);
        shown = textureLod(photo, at, 0.0).rgb;
    }
    colour = vec4(shown, 1.0);
    world_normal = vec4(0.0);
    vec4 before = sky_motion * vec4(ray.xyz, 0.0);
    vec2 delta = (before.xy / before.w - clip) * 0.5 * size;
    motion_depth = vec4(delta.x, -delta.y, 0.0, 0.0);
    id = 0u;
}
"""

BLOB_VERTEX = """
#version 330
uniform mat4 to_clip; uniform vec4 place;  // x, height, z, radius
out vec2 at;
void main() {
    at = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1)) * 2.0 - 1.0;
    gl_Position = to_clip * vec4(place.x + at.x * place.w, place.y, place.z + at.y * place.w, 1.0);
}
"""

BLOB_FRAGMENT = """
#version 330
in vec2 at;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 world_normal;
layout(location = 2) out vec4 motion_depth;
void main() {
    colour = vec4(0.0, 0.0, 0.0, 0.55 * clamp(1.3 - 1.3 * dot(at, at), 0.0, 1.0));
    world_normal = vec4(0.0);  // alpha 0 keeps what is there
    motion_depth = vec4(0.0);
}
"""
