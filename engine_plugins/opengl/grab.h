/* Reads pictures back from the game's framebuffers, without waiting for them: each goes into a pixel buffer object of
 * its frame, and is looked at when the next frame has been drawn. */
#ifndef REALMASTER_GRAB_H
#define REALMASTER_GRAB_H

#include "gl.h"

enum grab_kind { GRAB_COLOR, GRAB_SCENE, GRAB_DEPTH, GRAB_KINDS };
enum { IN_FLIGHT = 2 };

/* A new context: the old one's objects are gone with it. */
void grab_reset(void);
/* Begins to read a framebuffer (0: the back buffer) of this size for frame number `frame`. Returns whether it will. */
int grab_begin(uint64_t frame, enum grab_kind kind, GLuint framebuffer, int width, int height);
/* The pixels of a frame, bottom row first: RGBA8, or floats in [0, 1] for depth. NULL if there are none. */
const void *grab_look(uint64_t frame, enum grab_kind kind);
/* Done looking; the frame's place is free again. */
void grab_end(uint64_t frame);

#endif
