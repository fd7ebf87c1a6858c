/* The ring that frames are handed over in: one for the process, of the window that was chosen. */
#ifndef REALMASTER_FEED_H
#define REALMASTER_FEED_H

#include "matrix.h"

#include <stddef.h>
#include <stdint.h>

typedef struct shot { /* a frame in flight */
    int used, has_depth, has_scene, reset;
    int width, height, depth_width, depth_height;
    uint64_t number, t_ns;
    float dt;
    camera now, before;
} shot;

typedef struct pixels { /* bottom row first; NULL: none */
    const uint8_t *color, *scene; /* RGBA8 */
    const void *depth;            /* floats in [0, 1], or integers up to 2^32 - 1 */
    int as_integers;
} pixels;

uint64_t feed_now_ns(void);
/* Makes room for pictures of this size. Returns 0 if there is none, which is told once on stderr. */
int feed_open(int width, int height);
/* Whether anybody reads. */
int feed_wanted(void);
/* Whether the reader will take the frame that begins now. Ask once a frame, if anybody reads. */
int feed_due(void);
/* Hands a frame over. What is no scene is left out: a depth that is the same everywhere, a picture that did not come to
 * the screen. */
void feed_publish(const shot *s, const pixels *p);

#endif
