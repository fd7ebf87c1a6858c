/* Reads pictures back from the game's framebuffers, without waiting for them: each goes into a pixel buffer object of
 * its frame, and is looked at when the next frame has been drawn. */
#ifndef REALMASTER_GRAB_H
#define REALMASTER_GRAB_H

#include "resolve.h"

typedef enum grab_kind { GRAB_COLOR, GRAB_SCENE, GRAB_DEPTH, GRAB_KINDS } grab_kind;
enum { IN_FLIGHT = 2 };

typedef struct picture {
    GLuint buffer;
    size_t bytes; /* of the buffer, or of `memory` where there are no pixel buffer objects */
    void *memory;
    int filled, mapped, as_integers;
} picture;

typedef struct grabber { /* of a context; all zero at first */
    picture pictures[IN_FLIGHT][GRAB_KINDS];
    resolver resolvers[GRAB_KINDS];
    unsigned failures[GRAB_KINDS]; /* in a row */
    uint64_t again[GRAB_KINDS];    /* the frame of the next try */
} grabber;

/* Begins to read a framebuffer (0: the back buffer) for frame number `frame`. Returns whether it will. What fails is
 * told once on stderr, and tried again later. */
int grab_begin(grabber *g, const gl_abilities *can, uint64_t frame, grab_kind kind, GLuint framebuffer, area part);
/* The pixels of a frame, bottom row first: RGBA8, or for depth in [0, 1]: floats, or integers up to 2^32 - 1 if
 * `as_integers` says so. NULL if there are none. */
const void *grab_look(grabber *g, const gl_abilities *can, uint64_t frame, grab_kind kind, int *as_integers);
/* Done looking; the frame's place is free again. */
void grab_end(grabber *g, const gl_abilities *can, uint64_t frame);
/* Lets go of what was read, in a context that is gone with its objects. */
void grab_forget(grabber *g);

#endif
