/* What a frame of an unknown game is made of, seen from its calls, and what of it is handed over. */
#ifndef REALMASTER_SCENE_H
#define REALMASTER_SCENE_H

#include "gl.h"

/* Whether anything of this frame is to be looked at: nothing is while nobody reads. For the thread that draws. */
extern int scene_watched;

void scene_bind(GLuint framebuffer);
void scene_before_draw(long vertices);
void scene_before_depth_clear(void);
/* The frame is drawn and about to be shown; `context` tells one context from another. */
void scene_swap(void *context, int width, int height);

#endif
