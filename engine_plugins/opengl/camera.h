/* Finds the camera among the matrices that a game draws with. */
#ifndef REALMASTER_CAMERA_H
#define REALMASTER_CAMERA_H

#include "uniforms.h"

enum { VOTES = 512 };

typedef struct vote {
    int segment;
    long vertices;
    camera camera;
} vote;

typedef struct votes { /* of a frame */
    int count;
    vote of[VOTES];
} votes;

/* The matrices that the next draw may be drawn with; returns how many, 0 if it is flat. */
int camera_candidates(uniforms *u, const gl_abilities *can, camera *found);
/* A draw of so many vertices, in a segment of the frame, with one of these matrices. */
void camera_vote(votes *v, int segment, long vertices, const camera *found, int count, int zero_to_one);
/* The matrices with which most vertices of a segment were drawn: the world's. What has nearly as many, and is close to
 * the `last` camera, is taken before what is not. `aspect`: the viewport's width by its height. */
camera camera_of(const votes *v, int segment, float aspect, const camera *last);

#endif
