#include "matrix.h"

#include <math.h>
#include <string.h>

static float dot(const float *a, const float *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static int near_to(float a, float b, float by) { return fabsf(a - b) < by; }

int matrix_is_projection(const float *m) {
    return near_to(fabsf(m[11]), 1, 1e-4f) && m[15] == 0 && m[3] == 0 && m[7] == 0 && m[0] != 0 && m[5] != 0 && m[14] != 0;
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

void matrix_look_along_minus_z(camera *c) {
    if (c->projection[11] < 0) return;
    for (int i = 0; i < 4; i++) {
        c->projection[8 + i] = -c->projection[8 + i];
        c->view[4 * i + 2] = -c->view[4 * i + 2];
    }
}
