/* Most of a scene's vertices belong to the world, which stands still: its model-view matrix is the camera's. So every
 * draw votes, with its vertices, for the matrices that it is drawn with. (The largest single draw is often a player.)
 * Where a draw has several that may be the view, it votes for each: objects' places differ from draw to draw, and of the
 * view and its inverse the one is taken that keeps the horizon level. A player close by can have more vertices than what
 * is to be seen of the world, but was not where the camera has just been.
 */
#include "camera.h"

#include <math.h>
#include <string.h>

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

int camera_candidates(uniforms *u, const gl_abilities *can, camera *found) {
    memset(found, 0, CANDIDATES * sizeof *found);
    if (can->stack && from_stack(found)) return 1;
    return can->version < 20 ? 0 : uniforms_candidates(u, can, found);
}

/* Programs that are given the same matrices, apart or multiplied, agree but for rounding. */
static void cast(votes *v, int segment, long vertices, const camera *found) {
    for (int i = 0; i < v->count; i++)
        if (v->of[i].segment == segment && matches(v->of[i].camera.view, found->view) &&
            matches(v->of[i].camera.projection, found->projection)) {
            v->of[i].vertices += vertices;
            return;
        }
    if (v->count < VOTES) v->of[v->count++] = (vote){segment, vertices, *found};
}

void camera_vote(votes *v, int segment, long vertices, const camera *found, int count, int zero_to_one) {
    for (int i = 0; i < count; i++) {
        camera c = found[i];
        if (c.known && matrix_to_standard(&c, zero_to_one)) cast(v, segment, vertices, &c);
    }
}

/* How far a camera is from the last one: by how much its axes turned, and its place moved for how far out it is. */
static float moved(const camera *now, const camera *last) {
    float turned = 0, shift = 0, out = 1;
    for (int i = 0; i < 12; i++) turned = fmaxf(turned, fabsf(now->view[i] - last->view[i]));
    for (int i = 12; i < 15; i++) shift += fabsf(now->view[i] - last->view[i]), out += fabsf(last->view[i]);
    return turned + shift / out;
}

/* By how much a pixel is wider than high, or higher than wide: by little, in games; a light's view is often square. */
static float stretch(const camera *c, float aspect) {
    float wide = fabsf(c->projection[5] / c->projection[0]) / aspect;
    return fmaxf(wide, 1 / wide);
}

typedef struct ballot {
    const camera *last;
    float aspect;
} ballot;

static int better(const vote *a, const vote *b, const ballot *of) {
    static const float LITTLE = 0.3f, SQUARE = 1.02f;
    int level = matrix_level(a->camera.view) - matrix_level(b->camera.view);
    int square = (stretch(&a->camera, of->aspect) < SQUARE) - (stretch(&b->camera, of->aspect) < SQUARE);
    if (square != 0) return square > 0;
    if (a->vertices == b->vertices && level != 0) return level > 0; /* a view and its inverse */
    float here = of->last->known ? moved(&a->camera, of->last) : 0, there = of->last->known ? moved(&b->camera, of->last) : 0;
    if ((here < LITTLE) != (there < LITTLE)) return here < LITTLE;
    return a->vertices != b->vertices ? a->vertices > b->vertices : here < there;
}

camera camera_of(const votes *v, int segment, float aspect, const camera *last) {
    static const float MOST_STRETCH = 1.6f;
    const ballot rules = {last, aspect};
    const vote *best = NULL;
    long most = 0;
    for (int i = 0; i < v->count; i++)
        if (v->of[i].segment == segment && v->of[i].vertices > most) most = v->of[i].vertices;
    for (int i = 0; i < v->count; i++)
        if (v->of[i].segment == segment && v->of[i].vertices * 3 >= most * 2 &&
            stretch(&v->of[i].camera, aspect) < MOST_STRETCH && (best == NULL || better(&v->of[i], best, &rules)))
            best = &v->of[i];
    return best == NULL ? (camera){0} : best->camera;
}
