/* The matrices that a game has given its programs, in uniforms and in uniform buffers. */
#ifndef REALMASTER_UNIFORMS_H
#define REALMASTER_UNIFORMS_H

#include "gl.h"
#include "matrix.h"

enum { CANDIDATES = 8 };

void uniforms_reset(void);
void uniforms_use(GLuint program);
GLuint uniforms_program(void);
/* 16 floats were given to a program at a location. */
void uniforms_set(GLuint program, GLint location, GLboolean transpose, const GLfloat *values);
/* So many bytes were written to a uniform buffer, from `offset` on. */
void uniforms_write(GLuint buffer, size_t offset, size_t bytes, const void *data);
/* Cameras that the program in use may be drawing with; returns how many. 0: it draws flat, as far as is known. */
int uniforms_candidates(camera *out);

#endif
