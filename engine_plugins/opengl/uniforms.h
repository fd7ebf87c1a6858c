/* The matrices that a game has given its programs, in uniforms and in uniform buffers. What was given before anybody
 * looked is asked of OpenGL once, when a program or buffer is first drawn with. */
#ifndef REALMASTER_UNIFORMS_H
#define REALMASTER_UNIFORMS_H

#include "gl.h"
#include "matrix.h"

enum { CANDIDATES = 8, PLACES = 16, PROGRAMS = 256, BUFFERS = 64, BLOCKS = 8 };

/* ANOTHERS: by its name it belongs to a light, a shadow, a normal, or the frame before. */
typedef enum kind { NOTHING, OTHER, PROJECTION, RIGID, PRODUCT, ANOTHERS } kind;

typedef struct place { /* of a matrix: a uniform's location, or an offset in a buffer */
    int at;
    kind kind;
    unsigned long since; /* when it was written, counted in writes */
    camera camera;       /* of it, as far as it goes */
} place;

typedef struct matrices {
    GLuint owner; /* a program or a buffer */
    int asked;    /* what it held before */
    int bindings; /* of a program's uniform buffers */
    GLint binding[BLOCKS];
    place places[PLACES];
} matrices;

typedef struct uniforms { /* of a context; all zero: nothing is known yet */
    matrices programs[PROGRAMS], buffers[BUFFERS];
    GLuint current; /* program */
    int current_known;
    unsigned long writes;
} uniforms;

void uniforms_use(uniforms *u, GLuint program);
/* Another program may be in use by now, that nobody told of. */
void uniforms_doubt(uniforms *u);
GLuint uniforms_program(uniforms *u, const gl_abilities *can);
/* A program was linked: its matrices are zero. */
void uniforms_linked(uniforms *u, GLuint program);
/* 16 floats were given to a program at a location. */
void uniforms_set(uniforms *u, GLuint program, GLint location, GLboolean transpose, const GLfloat *values);
/* So many bytes were written to a uniform buffer, from `offset` on. */
void uniforms_write(uniforms *u, GLuint buffer, size_t offset, size_t bytes, const void *data);
/* Cameras that the program in use may be drawing with; returns how many. 0: it draws flat, as far as is known. */
int uniforms_candidates(uniforms *u, const gl_abilities *can, camera *out);

#endif
