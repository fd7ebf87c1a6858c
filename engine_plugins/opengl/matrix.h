/* What a 4x4 matrix of a game may be. Column-major, as OpenGL has them. */
#ifndef REALMASTER_MATRIX_H
#define REALMASTER_MATRIX_H

typedef struct camera {
    int known;
    float view[16], projection[16];
    int reversed; /* the near plane is the larger depth */
} camera;

/* A projection in perspective, and nothing else. */
int matrix_is_projection(const float *m);
/* No perspective is in it. */
int matrix_is_flat(const float *m);
/* A rotation and a shift: takes a size of the model out of it (what stands still moves alike in any unit). */
int matrix_as_view(float *m);
/* Takes projection times view apart. Returns 0 if it is no such product. */
int matrix_take_apart(const float *m, camera *out);
/* Brings a projection into one form: it looks along -z, and depth grows from -1 at the near plane to 1 at the far one.
 * `zero_to_one`: the context's depth begins at 0 (glClipControl). Returns 0 if no camera of a game projects so. */
int matrix_to_standard(camera *c, int zero_to_one);
/* A viewport that is not the whole picture: the projection of the whole. View and size in pixels. */
void matrix_widen(float *projection, const int *viewport, int width, int height);
void matrix_product(const float *a, const float *b, float *out);
/* Cameras are seldom tilted sideways: 1 if this view would be level and its inverse not, -1 the other way round, else 0. */
int matrix_level(const float *view);

#endif
