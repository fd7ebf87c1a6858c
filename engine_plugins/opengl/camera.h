/* Finds the camera among the matrices that a game draws with. */
#ifndef REALMASTER_CAMERA_H
#define REALMASTER_CAMERA_H

#include "matrix.h"

/* A new context: whether it has a matrix stack is asked again. */
void camera_reset(void);
/* Forgets the frame's votes. */
void camera_frame(void);
/* A draw of so many vertices begins, in a segment of the frame. Returns 1 if it is drawn in perspective, 0 if flat. */
int camera_draw(int segment, long vertices);
/* The matrices with which most vertices of a segment were drawn: the world's. What has nearly as many, and is close to
 * the `last` camera, is taken before what is not. */
camera camera_of(int segment, const camera *last);

#endif
