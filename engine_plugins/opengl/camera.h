/* Finds the camera among the matrices that a game draws with. Matrices are column-major, as OpenGL has them. */
#ifndef REALMASTER_CAMERA_H
#define REALMASTER_CAMERA_H

#include "gl.h"

typedef struct camera {
    int known;
    float view[16], projection[16];
} camera;

/* A new context: whether it has a matrix stack is asked again. */
void camera_reset(void);
/* Forgets the frame's votes. */
void camera_frame(void);
/* The game uses this program from now on, and uploads these matrices to one. */
void camera_program(GLuint program);
void camera_uniform(GLuint program, GLsizei count, GLboolean transpose, const GLfloat *values);
GLuint camera_current_program(void);
/* A draw of so many vertices begins, in a segment of the frame. Returns 1 if it is drawn in perspective, 0 if flat. */
int camera_draw(int segment, long vertices);
/* The matrices with which most vertices of a segment were drawn: the world's. */
camera camera_of(int segment);

#endif
