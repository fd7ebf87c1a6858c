/* What a frame of an unknown game is made of, seen from its calls, and what of it is handed over. */
#ifndef REALMASTER_SCENE_H
#define REALMASTER_SCENE_H

#include "uniforms.h"

/* Of one window, while one context draws into it. */
typedef struct scene scene;

scene *scene_new(void);
/* Another frame, program, framebuffer may be current by now, that nobody told of. */
void scene_doubt(scene *s);
void scene_bind(scene *s, GLuint framebuffer);
void scene_viewport(scene *s);
void scene_draw(scene *s, long vertices);
/* A framebuffer's picture is copied into another. */
void scene_copy(scene *s, GLuint to);
void scene_depth_clear(scene *s, GLuint framebuffer);
/* The framebuffer that is drawn into. */
GLuint scene_drawing(scene *s);
uniforms *scene_uniforms(scene *s);
const gl_abilities *scene_abilities(const scene *s);
/* The frame is drawn and about to be shown. Returns whether the next one is to be looked at: none is while nobody reads. */
int scene_swap(scene *s, int width, int height);
/* Nobody looks at this window any more. `gone`: its context is gone as well. */
void scene_forget(scene *s, int gone);

#endif
