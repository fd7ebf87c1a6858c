/* Most of a scene's vertices belong to the world, which stands still: its model-view matrix is the camera's. So every
 * draw votes, with its vertices, for the matrices that it is drawn with. (The largest single draw is often a player.)
 * Where a draw has several that may be the view, it votes for each: objects' places differ from draw to draw, and of the
 * view and its inverse the one is taken that keeps the horizon level. A player close by can have more vertices than what
 * is to be seen of the world, but was not where the camera has just been.
 */
#include "camera.h"

#include "uniforms.h"

#include <math.h>
#include <string.h>

enum { VOTES = 512 };

typedef struct vote {
    int segment;
    long vertices;
    camera camera;
} vote;

static vote votes[VOTES];
static int vote_count;
static int stack; /* whether the context has a matrix stack: 1, 0, or -1 for not known yet */

void camera_reset(void) {
    uniforms_reset();
    stack = -1;
}

void camera_frame(void) { vote_count = 0; }

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

/* From the matrix stack. Many older games keep the camera in the projection: then their product comes apart. */
static int from_stack(camera *found) {
    float model[16], product[16];
    gl.GetFloatv(GL_PROJECTION_MATRIX, found->projection);
    if (matrix_is_flat(found->projection)) return 0;
    gl.GetFloatv(GL_MODELVIEW_MATRIX, model);
    if (matrix_is_projection(found->projection)) {
        memcpy(found->view, model, sizeof model);
        found->known = matrix_as_view(found->view);
    } else {
        matrix_product(found->projection, model, product);
        matrix_take_apart(product, found);
    }
    return 1;
}

static int matches(const float *a, const float *b) {
    for (int i = 0; i < 16; i++)
        if (fabsf(a[i] - b[i]) > 1e-4f * (1 + fabsf(a[i]))) return 0;
    return 1;
}

/* Programs that are given the same matrices, apart or multiplied, agree but for rounding. */
static void cast(int segment, long vertices, const camera *found) {
    for (int i = 0; i < vote_count; i++)
        if (votes[i].segment == segment && matches(votes[i].camera.view, found->view) &&
            matches(votes[i].camera.projection, found->projection)) {
            votes[i].vertices += vertices;
            return;
        }
    if (vote_count < VOTES) votes[vote_count++] = (vote){segment, vertices, *found};
}

int camera_draw(int segment, long vertices) {
    camera found[CANDIDATES];
    memset(found, 0, sizeof found);
    int perspective = has_stack() && from_stack(&found[0]), count = perspective;
    if (!perspective) perspective = count = uniforms_candidates(found);
    for (int i = 0; i < count; i++)
        if (found[i].known) {
            matrix_look_along_minus_z(&found[i]);
            cast(segment, vertices, &found[i]);
        }
    return perspective > 0;
}

/* How far a camera is from the last one: by how much its axes turned, and its place moved for how far out it is. */
static float moved(const camera *now, const camera *last) {
    float turned = 0, shift = 0, out = 1;
    for (int i = 0; i < 12; i++) turned = fmaxf(turned, fabsf(now->view[i] - last->view[i]));
    for (int i = 12; i < 15; i++) shift += fabsf(now->view[i] - last->view[i]), out += fabsf(last->view[i]);
    return turned + shift / out;
}

static int better(const vote *a, const vote *b, const camera *last) {
    static const float LITTLE = 0.3f;
    int level = matrix_level(a->camera.view) - matrix_level(b->camera.view);
    if (a->vertices == b->vertices && level != 0) return level > 0; /* a view and its inverse */
    float here = last->known ? moved(&a->camera, last) : 0, there = last->known ? moved(&b->camera, last) : 0;
    if ((here < LITTLE) != (there < LITTLE)) return here < LITTLE;
    return a->vertices != b->vertices ? a->vertices > b->vertices : here < there;
}

camera camera_of(int segment, const camera *last) {
    const vote *best = NULL;
    long most = 0;
    for (int i = 0; i < vote_count; i++)
        if (votes[i].segment == segment && votes[i].vertices > most) most = votes[i].vertices;
    for (int i = 0; i < vote_count; i++)
        if (votes[i].segment == segment && votes[i].vertices * 3 >= most * 2 &&
            (best == NULL || better(&votes[i], best, last))) best = &votes[i];
    return best == NULL ? (camera){0} : best->camera;
}
