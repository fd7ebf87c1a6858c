/* Most of a scene's vertices belong to the world, which stands still: its model-view matrix is the camera's. So every
 * draw votes, with its vertices, for the matrices that it is drawn with. (The largest single draw is often a player.)
 * Where a draw has several that may be the view, it votes for each: objects' places differ from draw to draw, and of the
 * view and its inverse the one is taken that keeps the horizon level.
 */
#include "camera.h"

#include "uniforms.h"

#include <string.h>

enum { VOTES = 512 };

typedef struct vote {
    int segment;
    long vertices;
    candidate for_;
} vote;

static vote votes[VOTES];
static int vote_count;
static int stack;       /* whether the context has a matrix stack: 1, 0, or -1 for not known yet */
static int last_source; /* of the view that was taken last */

void camera_reset(void) {
    uniforms_reset();
    stack = last_source = -1;
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

static void cast(int segment, long vertices, const candidate *found) {
    for (int i = 0; i < vote_count; i++)
        if (votes[i].segment == segment && !memcmp(&votes[i].for_, found, sizeof *found)) {
            votes[i].vertices += vertices;
            return;
        }
    if (vote_count < VOTES) votes[vote_count++] = (vote){segment, vertices, *found};
}

int camera_draw(int segment, long vertices) {
    candidate found[CANDIDATES];
    memset(found, 0, sizeof found);
    int perspective = has_stack() && from_stack(&found[0].camera), count = perspective;
    if (!perspective) perspective = count = uniforms_candidates(found);
    for (int i = 0; i < count; i++)
        if (found[i].camera.known) {
            matrix_look_along_minus_z(&found[i].camera);
            cast(segment, vertices, &found[i]);
        }
    return perspective > 0;
}

static int better(const vote *a, const vote *b) {
    if (b == NULL || a->vertices != b->vertices) return b == NULL || a->vertices > b->vertices;
    int level = matrix_level(a->for_.camera.view) - matrix_level(b->for_.camera.view);
    return level != 0 ? level > 0 : a->for_.source == last_source && b->for_.source != last_source;
}

camera camera_of(int segment) {
    const vote *best = NULL;
    for (int i = 0; i < vote_count; i++)
        if (votes[i].segment == segment && better(&votes[i], best)) best = &votes[i];
    if (best == NULL) return (camera){0};
    last_source = best->for_.source;
    return best->for_.camera;
}
