/* Projections, views, and products of both, told by what they look like. A projection may go with any of the rotations
 * and shifts that were given with it: the view, its inverse, an object's place. Which is which, votes decide. */
#include "uniforms.h"

#include <math.h>
#include <string.h>

enum { PLACES = 12, PROGRAMS = 256, BUFFERS = 64, BLOCKS = 8, BLOCK_BYTES = 4096 };

typedef enum kind { NOTHING, OTHER, PROJECTION, RIGID, PRODUCT } kind;

typedef struct place { /* of a matrix: a uniform's location, or an offset in a buffer */
    int at;
    kind kind;
    unsigned long since; /* when it was written, counted in writes */
    camera camera;       /* of it, as far as it goes */
} place;

typedef struct matrices {
    GLuint owner; /* a program or a buffer */
    int bindings; /* of a program's uniform buffers; -1: not asked yet */
    GLint binding[BLOCKS];
    place places[PLACES];
} matrices;

static matrices programs[PROGRAMS], buffers[BUFFERS];
static GLuint current;
static unsigned long writes;
static int in_buffers; /* whether any matrix came in a buffer: contexts without them must not be asked about them */

void uniforms_reset(void) {
    memset(programs, 0, sizeof programs);
    memset(buffers, 0, sizeof buffers);
    current = 0, in_buffers = 0;
}

void uniforms_use(GLuint program) { current = program; }

GLuint uniforms_program(void) { return current; }

static matrices *of(matrices *table, GLuint size, GLuint owner) {
    matrices *m = &table[owner % size];
    if (m->owner != owner) {
        memset(m, 0, sizeof *m);
        m->owner = owner, m->bindings = -1;
    }
    return m;
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

static void keep(matrices *in, int at, const float *m) {
    camera found = {0};
    kind what = look(m, &found);
    place *to = NULL, *free = NULL;
    for (int i = 0; i < PLACES && to == NULL; i++) {
        place *p = &in->places[i];
        if (p->kind == NOTHING) free = free == NULL ? p : free;
        else if (p->at == at) to = p;
    }
    if (to == NULL) to = what == NOTHING ? NULL : free;
    if (to != NULL) *to = (place){at, what, ++writes, found};
}

void uniforms_set(GLuint program, GLint location, GLboolean transpose, const GLfloat *values) {
    if (program == 0) return;
    float m[16];
    for (int i = 0; i < 16; i++) m[i] = transpose ? values[4 * (i % 4) + i / 4] : values[i];
    keep(of(programs, PROGRAMS, program), location, m);
}

/* Offsets of matrices are multiples of 16 bytes (std140). What is no matrix at all seldom looks like one; products have
 * least to tell them by, and are looked for among matrices alone.
 */
void uniforms_write(GLuint buffer, size_t offset, size_t bytes, const void *data) {
    if (buffer == 0 || data == NULL || offset % 16 != 0) return;
    matrices *in = of(buffers, BUFFERS, buffer);
    for (size_t i = 0; i + 64 <= bytes && offset + i < BLOCK_BYTES; i += 16) {
        float m[16];
        memcpy(m, (const char *)data + i, sizeof m);
        camera found = {0};
        kind what = look(m, &found);
        if (what == NOTHING || what == OTHER || (what == PRODUCT && (offset + i) % 64 != 0)) continue;
        keep(in, (int)(offset + i), m);
        in_buffers = 1;
        i += 48;
    }
}

static const place *newest(const matrices *in, kind what) {
    const place *found = NULL;
    for (int i = 0; in != NULL && i < PLACES; i++)
        if (in->places[i].kind == what && (found == NULL || in->places[i].since > found->since)) found = &in->places[i];
    return found;
}

static int is_identity(const float *m) {
    for (int i = 0; i < 16; i++)
        if (fabsf(m[i] - (i % 5 == 0)) > 1e-6f) return 0;
    return 1;
}

/* The projection with each rotation and shift that was given in the same way; with one that is none, if it is alone. */
static int pairs(const matrices *in, const place *projection, camera *out) {
    int count = 0, alone = 1;
    for (int i = 0; i < PLACES; i++)
        alone &= in->places[i].kind != RIGID || is_identity(in->places[i].camera.view);
    for (int i = 0; i < PLACES && count < CANDIDATES; i++) {
        const place *p = &in->places[i];
        if (p->kind != RIGID || (!alone && is_identity(p->camera.view))) continue;
        out[count] = p->camera;
        memcpy(out[count].projection, projection->camera.projection, sizeof projection->camera.projection);
        out[count++].known = 1;
    }
    return count;
}

static int cameras(const matrices *in, camera *out) {
    const place *projection = newest(in, PROJECTION), *product = newest(in, PRODUCT);
    int count = projection == NULL ? 0 : pairs(in, projection, out);
    if (count > 0 || product == NULL) return count;
    out[0] = product->camera;
    return 1;
}

/* The buffer that the program reads, and a projection is in. */
static const matrices *block_of(matrices *program) {
    if (!in_buffers || !gl.GetProgramiv || !gl.GetActiveUniformBlockiv || !gl.GetIntegeri_v) return NULL;
    if (program->bindings < 0) {
        gl.GetProgramiv(program->owner, GL_ACTIVE_UNIFORM_BLOCKS, &program->bindings);
        if (program->bindings > BLOCKS) program->bindings = BLOCKS;
        for (int i = 0; i < program->bindings; i++)
            gl.GetActiveUniformBlockiv(program->owner, (GLuint)i, GL_UNIFORM_BLOCK_BINDING, &program->binding[i]);
    }
    for (int i = 0; i < program->bindings; i++) {
        GLint buffer = 0;
        gl.GetIntegeri_v(GL_UNIFORM_BUFFER_BINDING, (GLuint)program->binding[i], &buffer);
        const matrices *in = &buffers[(GLuint)buffer % BUFFERS];
        int has = newest(in, PROJECTION) != NULL || newest(in, PRODUCT) != NULL;
        if (buffer != 0 && in->owner == (GLuint)buffer && has) return in;
    }
    return NULL;
}

int uniforms_candidates(camera *out) {
    if (current == 0) return 0;
    matrices *own = of(programs, PROGRAMS, current);
    int count = cameras(own, out);
    return count > 0 ? count : cameras(block_of(own), out);
}
