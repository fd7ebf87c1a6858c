#include "matrix.h"

#include <math.h>
#include <string.h>

static float dot(const float *a, const float *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static int near_to(float a, float b, float by) { return fabsf(a - b) < by; }

/* Whether a projection along -z may be a camera's, in whichever way its depth runs: its planes are in front of it, and
 * what it looks at is not in a corner of its picture, as with that of a light that is made to look shadows up. (That of
 * a window that shows half of a view has it at one edge.)
 */
static int is_lens(const float *p) {
    static const float OFF_CENTRE = 0.4f, ROUNDING = 1e-3f;
    if (!(fabsf(p[14]) > 1e-6f && (fabsf(p[8]) < OFF_CENTRE || fabsf(p[9]) < OFF_CENTRE))) return 0;
    return p[14] < 0 ? p[10] < ROUNDING - 1 : p[10] > -ROUNDING;
}

int matrix_is_projection(const float *m) {
    if (!near_to(fabsf(m[11]), 1, 1e-4f) || m[15] != 0 || m[3] != 0 || m[7] != 0 || m[0] == 0 || m[5] == 0) return 0;
    float along[16];
    for (int i = 0; i < 16; i++) along[i] = i / 4 == 2 && m[11] > 0 ? -m[i] : m[i];
    return is_lens(along);
}

int matrix_is_flat(const float *m) { return m[3] == 0 && m[7] == 0 && m[11] == 0; }

int matrix_as_view(float *m) {
    float size = sqrtf(dot(m, m));
    if (!matrix_is_flat(m) || m[15] != 1 || size < 1e-4f) return 0;
    for (int i = 0; i < 12; i++) m[i] /= size;
    for (int i = 0; i < 3; i++)
        for (int j = i; j < 3; j++)
            if (!near_to(dot(m + 4 * i, m + 4 * j), i == j, 2e-3f)) return 0;
    return 1;
}

/* The product's rows are, with p = projection, v = the view's rows: p00 v0 + p02 v2, p11 v1 + p12 v2, p22 v2 + p23 e3,
 * -v2. */
int matrix_take_apart(const float *m, camera *out) {
    float row[4][4], size = sqrtf(m[3] * m[3] + m[7] * m[7] + m[11] * m[11]);
    if (size < 1e-4f) return 0;
    if (m[12] == 0 && m[13] == 0 && m[14] == 0) return 0; /* a placement's inverse, transposed: it turns normals */
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
    for (int j = 0; j < 3; j++)
        if (fabsf(row[2][j] - p[10] * v[2][j]) > 1e-2f) return 0;
    if (!is_lens(p)) return 0;
    out->known = 1;
    memcpy(out->projection, p, sizeof p);
    memset(out->view, 0, sizeof out->view);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) out->view[4 * j + i] = v[i][j];
    out->view[15] = 1;
    return 1;
}

void matrix_product(const float *a, const float *b, float *out) {
    for (int i = 0; i < 16; i++) {
        out[i] = 0;
        for (int k = 0; k < 4; k++) out[i] += a[4 * k + i % 4] * b[4 * (i / 4) + k];
    }
}

/* What is right of a level camera is a direction without height, whether y or z is up: that of a view is its first row,
 * that of its inverse the first column. */
int matrix_level(const float *view) {
    static const float BY = 1e-4f;
    int as_view = near_to(view[4], 0, BY) || near_to(view[8], 0, BY);
    int as_inverse = near_to(view[1], 0, BY) || near_to(view[2], 0, BY);
    return as_view - as_inverse;
}

static void look_along_minus_z(camera *c) {
    if (c->projection[11] < 0) return;
    for (int i = 0; i < 4; i++) {
        c->projection[8 + i] = -c->projection[8 + i];
        c->view[4 * i + 2] = -c->view[4 * i + 2];
    }
}

int matrix_to_standard(camera *c, int zero_to_one) {
    float *p = c->projection;
    look_along_minus_z(c); /* engines with left-handed cameras look along +z; no pixel changes by that */
    c->reversed = p[14] > 0;
    if (zero_to_one) p[10] = 2 * p[10] + 1, p[14] *= 2;
    if (c->reversed) p[10] = -p[10], p[14] = -p[14];
    float near = p[14] / (p[10] - 1);
    return near > 0 && p[14] < 0 && p[10] < -0.999f;
}

void matrix_widen(float *p, const int *viewport, int width, int height) {
    for (int i = 0; i < 2; i++) {
        float whole = (float)(i ? height : width), size = (float)viewport[2 + i];
        float scale = size / whole, shift = (2 * (float)viewport[i] + size) / whole - 1;
        for (int j = 0; j < 4; j++) p[4 * j + i] = scale * p[4 * j + i] + shift * p[4 * j + 3];
    }
}
