/* Which window of a game is looked at: the largest of those that are shown, and of equals the first. */
#ifndef REALMASTER_WINDOW_H
#define REALMASTER_WINDOW_H

#include "scene.h"

typedef struct window { /* a context's, that draws into it */
    void *context; /* NULL: free, or gone */
    unsigned long drawable;
    int currents; /* threads in which it is current */
    int doomed;   /* its context goes as soon as it is current nowhere */
    int watched;
    int width, height;
    uint64_t shown_ns;
    GLint view[4]; /* when its size was asked for; and in how many frames it is asked again */
    int ask_in;
    scene *scene;
} window;

/* What is current in this thread; NULL: nothing, or nothing that is followed. */
extern __thread window *here __attribute__((tls_model("initial-exec")));

/* A context is current in this thread now, and draws into this; NULL: none is. */
void window_current(void *context, unsigned long drawable);
/* What is current here is about to be shown, at this size. */
void window_shown(int width, int height);
void window_context_gone(void *context);

#endif
