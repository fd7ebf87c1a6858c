/* Most of a scene's vertices belong to the world, which stands still: its model-view matrix is the camera's. So every
 * draw votes, with its vertices, for the matrices that it is drawn with. (The largest single draw is often a player.)
 *
 * Matrices come from the fixed-function stack, or from the 4x4 uniforms of the program: either projection and
 * model-view apart, or their product, which comes apart again since a view is a rotation and a shift.
 */
#include "camera.h"

#include <math.h>
#include <string.h>

enum { VOTES = 512, PROGRAMS = 256 };

typedef struct vote {
    int segment;
    long vertices;
    camera camera;
} vote;

typedef struct program {
    GLuint name;
    int flat; /* the last matrix it was given has no perspective */
    camera whole; /* from a product */
    int has_projection, has_view;
    camera parts;
} program;

static vote votes[VOTES];
static int vote_count;
static program programs[PROGRAMS];
static GLuint current;
static int stack; /* whether the context has a matrix stack: 1, 0, or -1 for not known yet */

void camera_reset(void) {
    memset(programs, 0, sizeof programs);
    current = 0;
    stack = -1;
}

void camera_frame(void) { vote_count = 0; }

GLuint camera_current_program(void) { return current; }

void camera_program(GLuint name) { current = name; }

static program *program_of(GLuint name) {
    program *at = &programs[name % PROGRAMS];
    if (at->name != name) {
        memset(at, 0, sizeof *at);
        at->name = name;
    }
    return at;
}

static float dot(const float *a, const float *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static int near_to(float a, float b, float by) { return fabsf(a - b) < by; }

static int is_projection(const float *m) {
    return near_to(fabsf(m[11]), 1, 1e-4f) && m[15] == 0 && m[3] == 0 && m[7] == 0 && m[0] != 0 && m[5] != 0 && m[14] != 0;
}

/* Engines with left-handed cameras look along +z: turns that into a look along -z, which changes no pixel. */
static void look_along_minus_z(camera *c) {
    if (c->projection[11] < 0) return;
    for (int i = 0; i < 4; i++) {
        c->projection[8 + i] = -c->projection[8 + i];
        c->view[4 * i + 2] = -c->view[4 * i + 2];
    }
}

/* A rotation and a shift. A size of the model is taken out of it: what stands still moves alike in any unit. */
static int as_view(float *m) {
    float size = sqrtf(dot(m, m));
    if (m[3] != 0 || m[7] != 0 || m[11] != 0 || m[15] != 1 || size < 1e-4f) return 0;
    for (int i = 0; i < 12; i++) m[i] /= size;
    for (int i = 0; i < 3; i++)
        for (int j = i; j < 3; j++)
            if (!near_to(dot(m + 4 * i, m + 4 * j), i == j, 2e-3f)) return 0;
    return 1;
}

/* Takes projection times view apart. The product's rows are, with p = projection, v = the view's rows:
 * p00 v0 + p02 v2, p11 v1 + p12 v2, p22 v2 + p23 e3, -v2. Returns 0 if it is no such product. */
static int take_apart(const float *m, camera *out) {
    float row[4][4], size = sqrtf(m[3] * m[3] + m[7] * m[7] + m[11] * m[11]);
    if (size < 1e-4f) return 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) row[i][j] = j < 3 ? m[4 * j + i] / size : m[4 * j + i];
    float v[3][4], p[16] = {0};
    for (int j = 0; j < 4; j++) v[2][j] = -row[3][j];
    for (int i = 0; i < 2; i++) {
        float shear = dot(row[i], v[2]), left[4];
        for (int j = 0; j < 4; j++) left[j] = row[i][j] - shear * v[2][j];
        float scale = sqrtf(dot(left, left));
        if (scale < 1e-3f) return 0;
        for (int j = 0; j < 4; j++) v[i][j] = left[j] / scale;
        p[4 * i + i] = scale, p[8 + i] = shear;
    }
    if (!near_to(dot(v[0], v[1]), 0, 2e-3f)) return 0;
    p[10] = dot(row[2], v[2]), p[14] = row[2][3] - p[10] * v[2][3], p[11] = -1;
    if (fabsf(p[14]) < 1e-6f || fabsf(row[2][0] - p[10] * v[2][0]) > 1e-2f) return 0;
    out->known = 1;
    memcpy(out->projection, p, sizeof p);
    memset(out->view, 0, sizeof out->view);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) out->view[4 * j + i] = v[i][j];
    out->view[15] = 1;
    return 1;
}

void camera_uniform(GLuint name, GLsizei count, GLboolean transpose, const GLfloat *values) {
    if (name == 0 || count != 1) return;
    program *at = program_of(name);
    float m[16];
    for (int i = 0; i < 16; i++) m[i] = transpose ? values[4 * (i % 4) + i / 4] : values[i];
    camera whole;
    if (is_projection(m)) {
        memcpy(at->parts.projection, m, sizeof m);
        at->has_projection = 1, at->flat = 0;
    } else if (m[3] == 0 && m[7] == 0 && m[11] == 0 && m[15] == 1) {
        at->flat = 1;
        if (!as_view(m)) return;
        memcpy(at->parts.view, m, sizeof m);
        at->has_view = 1, at->flat = !at->has_projection;
    } else if (take_apart(m, &whole)) {
        at->whole = whole, at->flat = 0;
    }
}

static camera from_program(int *flat) {
    program *at = program_of(current);
    *flat = at->flat;
    camera found = at->has_projection && at->has_view ? at->parts : at->whole;
    found.known = !at->flat && (at->whole.known || (at->has_projection && at->has_view));
    if (found.known) look_along_minus_z(&found);
    return found;
}

static int has_stack(void) {
    if (stack < 0) {
        GLint mask = 0;
        const char *version = (const char *)gl.GetString(GL_VERSION);
        int embedded = version != NULL && strncmp(version, "OpenGL ES", 9) == 0;
        if (!embedded && version != NULL && (version[0] > '3' || (version[0] == '3' && version[2] >= '2')))
            gl.GetIntegerv(GL_CONTEXT_PROFILE_MASK, &mask);
        stack = !embedded && !(mask & GL_CORE_PROFILE);
    }
    return stack;
}

static void cast(int segment, long vertices, const camera *found) {
    for (int i = 0; i < vote_count; i++)
        if (votes[i].segment == segment && !memcmp(&votes[i].camera, found, sizeof *found)) {
            votes[i].vertices += vertices;
            return;
        }
    if (vote_count < VOTES) votes[vote_count++] = (vote){segment, vertices, *found};
}

int camera_draw(int segment, long vertices) {
    camera found;
    memset(&found, 0, sizeof found);
    int flat = 0;
    if (has_stack()) {
        gl.GetFloatv(GL_PROJECTION_MATRIX, found.projection);
        if (is_projection(found.projection)) {
            gl.GetFloatv(GL_MODELVIEW_MATRIX, found.view);
            found.known = as_view(found.view);
            if (found.known) {
                look_along_minus_z(&found);
                cast(segment, vertices, &found);
            }
            return 1;
        }
        flat = current == 0;
    }
    if (current != 0) found = from_program(&flat);
    if (found.known) cast(segment, vertices, &found);
    return !flat && found.known;
}

camera camera_of(int segment) {
    const vote *best = NULL;
    for (int i = 0; i < vote_count; i++)
        if (votes[i].segment == segment && (best == NULL || votes[i].vertices > best->vertices)) best = &votes[i];
    return best == NULL ? (camera){0} : best->camera;
}
