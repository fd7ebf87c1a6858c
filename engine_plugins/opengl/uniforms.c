/* Projections, views, and products of both, told by what they look like. A projection may go with any of the rotations
 * and shifts that were given with it: the view, its inverse, an object's place. Which is which, votes decide. */
#define _GNU_SOURCE
#include "uniforms.h"

#include <math.h>
#include <string.h>

enum { BLOCK_BYTES = 4096, NAME = 128, MOST_UNIFORMS = 512 };

void uniforms_use(uniforms *u, GLuint program) { u->current = program, u->current_known = 1; }

void uniforms_doubt(uniforms *u) { u->current_known = 0; }

GLuint uniforms_program(uniforms *u, const gl_abilities *can) {
    GLint program = 0;
    if (!u->current_known) {
        if (can->version >= 20) gl.GetIntegerv(GL_CURRENT_PROGRAM, &program);
        uniforms_use(u, (GLuint)program);
    }
    return u->current;
}

static matrices *of(matrices *table, GLuint size, GLuint owner) {
    matrices *m = &table[owner % size];
    if (m->owner != owner) {
        memset(m, 0, sizeof *m);
        m->owner = owner;
    }
    return m;
}

void uniforms_linked(uniforms *u, GLuint program) {
    matrices *m = of(u->programs, PROGRAMS, program);
    memset(m, 0, sizeof *m);
    m->owner = program;
}

static kind look(const float *m, camera *out) {
    if (matrix_is_projection(m)) {
        memcpy(out->projection, m, sizeof out->projection);
        return PROJECTION;
    }
    if (!matrix_is_flat(m)) return matrix_take_apart(m, out) ? PRODUCT : NOTHING;
    memcpy(out->view, m, sizeof out->view);
    return matrix_as_view(out->view) ? RIGID : OTHER;
}

/* Such matrices can look like the camera's to the last digit. */
static int names_another(const char *name) {
    static const char *const words[] = {"light", "shadow", "normal", "prev", "last"};
    for (int i = 0; i < 5; i++)
        if (strcasestr(name, words[i]) != NULL) return 1;
    return 0;
}

static void keep(uniforms *u, matrices *in, int at, const float *m, int anothers) {
    camera found = {0};
    kind what = anothers ? ANOTHERS : look(m, &found);
    place *to = NULL, *free = NULL;
    for (int i = 0; i < PLACES && to == NULL; i++) {
        place *p = &in->places[i];
        if (p->kind == NOTHING) free = free == NULL ? p : free;
        else if (p->at == at) to = p;
    }
    if (to == NULL) to = what == NOTHING ? NULL : free;
    if (to != NULL && to->kind != ANOTHERS) *to = (place){at, what, ++u->writes, found};
}

void uniforms_set(uniforms *u, GLuint program, GLint location, GLboolean transpose, const GLfloat *values) {
    if (program == 0) return;
    float m[16];
    for (int i = 0; i < 16; i++) m[i] = transpose ? values[4 * (i % 4) + i / 4] : values[i];
    keep(u, of(u->programs, PROGRAMS, program), location, m, 0);
}

/* Offsets of matrices are multiples of 16 bytes (std140). What is no matrix at all seldom looks like one; products have
 * least to tell them by, and are looked for among matrices alone.
 */
void uniforms_write(uniforms *u, GLuint buffer, size_t offset, size_t bytes, const void *data) {
    if (buffer == 0 || data == NULL || offset % 16 != 0) return;
    matrices *in = of(u->buffers, BUFFERS, buffer);
    for (size_t i = 0; i + 64 <= bytes && offset + i < BLOCK_BYTES; i += 16) {
        float m[16];
        memcpy(m, (const char *)data + i, sizeof m);
        camera found = {0};
        kind what = look(m, &found);
        if (what == NOTHING || what == OTHER || (what == PRODUCT && (offset + i) % 64 != 0)) continue;
        keep(u, in, (int)(offset + i), m, 0);
        i += 48;
    }
}

/* What a program was given before anybody looked. */
static void ask_program(uniforms *u, const gl_abilities *can, matrices *in) {
    GLint count = 0;
    in->asked = 1;
    if (can->version < 20 || !gl.GetProgramiv || !gl.GetActiveUniform || !gl.GetUniformLocation || !gl.GetUniformfv) return;
    gl.GetProgramiv(in->owner, GL_ACTIVE_UNIFORMS, &count);
    for (GLint i = 0; i < count && i < MOST_UNIFORMS; i++) {
        char name[NAME] = "";
        GLint size = 0;
        GLenum type = 0;
        gl.GetActiveUniform(in->owner, (GLuint)i, NAME, NULL, &size, &type, name);
        int vectors = type == GL_FLOAT_VEC4 && size == 4; /* shaders that were translated from HLSL */
        if (!vectors && (type != GL_FLOAT_MAT4 || size != 1)) continue;
        GLint at = gl.GetUniformLocation(in->owner, name);
        float m[16] = {0};
        for (int k = 0; at >= 0 && k < (vectors ? 4 : 1); k++) gl.GetUniformfv(in->owner, at + k, m + 4 * k);
        if (at >= 0) keep(u, in, at, m, names_another(name));
    }
    if (!gl_since(can, 31, 30) || !gl.GetActiveUniformBlockiv || !gl.GetIntegeri_v) return;
    gl.GetProgramiv(in->owner, GL_ACTIVE_UNIFORM_BLOCKS, &in->bindings);
    if (in->bindings > BLOCKS) in->bindings = BLOCKS;
    for (int i = 0; i < in->bindings; i++)
        gl.GetActiveUniformBlockiv(in->owner, (GLuint)i, GL_UNIFORM_BLOCK_BINDING, &in->binding[i]);
}

/* What was in a buffer before anybody looked. OpenGL ES has no way to ask. */
static void ask_buffer(uniforms *u, const gl_abilities *can, matrices *in) {
    char held[BLOCK_BYTES];
    GLint before = 0, bytes = 0;
    in->asked = 1;
    if (can->embedded || !gl.GetBufferSubData || !gl.GetBufferParameteriv || !gl.BindBuffer) return;
    gl.GetIntegerv(GL_COPY_READ_BUFFER, &before);
    gl.BindBuffer(GL_COPY_READ_BUFFER, in->owner);
    gl.GetBufferParameteriv(GL_COPY_READ_BUFFER, GL_BUFFER_SIZE, &bytes);
    if (bytes > BLOCK_BYTES) bytes = BLOCK_BYTES;
    gl.GetBufferSubData(GL_COPY_READ_BUFFER, 0, bytes, held);
    gl.BindBuffer(GL_COPY_READ_BUFFER, (GLuint)before);
    uniforms_write(u, in->owner, 0, (size_t)bytes, held);
}

static const place *newest(const matrices *in, kind what) {
    const place *found = NULL;
    for (int i = 0; in != NULL && i < PLACES; i++)
        if (in->places[i].kind == what && (found == NULL || in->places[i].since > found->since)) found = &in->places[i];
    return found;
}

/* Not only turned: the identity is no camera, and a rotation alone turns normals. */
static int shifts(const place *p) {
    const float *m = p->camera.view;
    return p->kind == RIGID && (m[12] != 0 || m[13] != 0 || m[14] != 0);
}

/* The projection with each rotation and shift that was given in the same way; with one that does not shift, if none does. */
static int pairs(const matrices *in, const place *projection, camera *out) {
    int count = 0, shifted = 0;
    for (int i = 0; i < PLACES; i++) shifted |= shifts(&in->places[i]);
    for (int i = 0; i < PLACES && count < CANDIDATES; i++) {
        const place *p = &in->places[i];
        if (p->kind != RIGID || (shifted && !shifts(p))) continue;
        out[count] = p->camera;
        memcpy(out[count].projection, projection->camera.projection, sizeof projection->camera.projection);
        out[count++].known = 1;
    }
    return count;
}

static int cameras(const matrices *in, camera *out) {
    const place *projection = newest(in, PROJECTION);
    int count = projection == NULL ? 0 : pairs(in, projection, out);
    if (count > 0 || in == NULL) return count;
    for (int i = 0; i < PLACES && count < CANDIDATES; i++)
        if (in->places[i].kind == PRODUCT) out[count++] = in->places[i].camera;
    return count;
}

/* The buffer that the program reads, and a projection is in. */
static const matrices *block_of(uniforms *u, const gl_abilities *can, const matrices *program) {
    for (int i = 0; i < program->bindings; i++) {
        GLint buffer = 0;
        gl.GetIntegeri_v(GL_UNIFORM_BUFFER_BINDING, (GLuint)program->binding[i], &buffer);
        if (buffer == 0) continue;
        matrices *in = of(u->buffers, BUFFERS, (GLuint)buffer);
        if (!in->asked) {
            gl_errors_hold();
            ask_buffer(u, can, in);
            gl_errors_drop();
        }
        if (newest(in, PROJECTION) != NULL || newest(in, PRODUCT) != NULL) return in;
    }
    return NULL;
}

int uniforms_candidates(uniforms *u, const gl_abilities *can, camera *out) {
    GLuint program = uniforms_program(u, can);
    if (program == 0) return 0;
    matrices *own = of(u->programs, PROGRAMS, program);
    if (!own->asked) {
        gl_errors_hold();
        ask_program(u, can, own);
        gl_errors_drop();
    }
    int count = cameras(own, out);
    return count > 0 ? count : cameras(block_of(u, can, own), out);
}
