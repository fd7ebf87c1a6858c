/* What a 4x4 matrix of a game may be. Column-major, as OpenGL has them. */
#ifndef REALMASTER_MATRIX_H
#define REALMASTER_MATRIX_H

typedef struct camera {
    int known;
    float view[16], projection[16];
} camera;

/* A projection in perspective, and nothing else. */
int matrix_is_projection(const float *m);
/* No perspective is in it. */
int matrix_is_flat(const float *m);
/* A rotation and a shift: takes a size of the model out of it (what stands still moves alike in any unit). */
int matrix_as_view(float *m);
/* Takes projection times view apart. Returns 0 if it is no such product. */
int matrix_take_apart(const float *m, camera *out);
void matrix_product(const float *a, const float *b, float *out);
/* Cameras are seldom tilted sideways: 1 if this view would be level and its inverse not, -1 the other way round, else 0. */
int matrix_level(const float *view);
/* Engines with left-handed cameras look along +z: turns that into a look along -z, which changes no pixel. */
void matrix_look_along_minus_z(camera *c);

#endif
