/* Multisampled framebuffers cannot be read: their pictures are first brought to a framebuffer of our own. */
#ifndef REALMASTER_RESOLVE_H
#define REALMASTER_RESOLVE_H

#include "gl.h"

typedef struct area {
    int x, y, width, height;
} area;

typedef struct resolver { /* all zero at first */
    GLuint framebuffer, renderbuffer;
    GLint format;
    int width, height;
} resolver;

/* Whether the framebuffer that is bound for reading is the game's own and has several samples a pixel. */
int resolve_needed(const gl_abilities *can, GLuint framebuffer);
/* Brings its colour or depth to a framebuffer of our own, which is bound for reading then. Returns 0 if it cannot. */
int resolve(resolver *r, int depth, area part);

#endif
