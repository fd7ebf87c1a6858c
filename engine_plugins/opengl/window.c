#include "window.h"

#include "feed.h"

#include <pthread.h>

enum { WINDOWS = 16 };
static const uint64_t HIDDEN_NS = 1000000000u; /* a window that is not shown for so long makes way for another */

__thread window *here __attribute__((tls_model("initial-exec")));

static window windows[WINDOWS];
static window *chosen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The place of a window; the one that was not shown for longest makes way for a new one. NULL if all are in use. */
static window *place_of(void *context, unsigned long drawable) {
    window *oldest = NULL;
    for (int i = 0; i < WINDOWS; i++) {
        window *w = &windows[i];
        if (w->context == context && w->drawable == drawable) return w;
        if (w->currents == 0 && w != chosen && (oldest == NULL || w->shown_ns < oldest->shown_ns)) oldest = w;
    }
    if (oldest == NULL) return NULL;
    if (oldest->scene != NULL) scene_forget(oldest->scene, 1);
    *oldest = (window){.context = context, .drawable = drawable, .scene = oldest->scene};
    return oldest;
}

static void let_go(window *w) {
    if (w == chosen) chosen = NULL;
    if (w->scene != NULL) scene_forget(w->scene, 1);
    *w = (window){.scene = w->scene};
}

void window_current(void *context, unsigned long drawable) {
    if (here != NULL && here->context == context && here->drawable == drawable) return;
    pthread_mutex_lock(&lock);
    if (here != NULL && --here->currents == 0 && here->doomed) let_go(here);
    here = context == NULL ? NULL : place_of(context, drawable);
    if (here != NULL) here->currents++;
    pthread_mutex_unlock(&lock);
    if (here != NULL && here->watched) scene_doubt(here->scene);
}

void window_context_gone(void *context) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < WINDOWS; i++) {
        window *w = &windows[i];
        if (w->context != context) continue;
        if (w->currents > 0) w->doomed = 1; /* where it is current, it lives on */
        else let_go(w);
    }
    pthread_mutex_unlock(&lock);
}

static int is_chosen(window *w, uint64_t now) {
    pthread_mutex_lock(&lock);
    int hidden = chosen == NULL || now - chosen->shown_ns > HIDDEN_NS;
    if (hidden || (long)w->width * w->height > (long)chosen->width * chosen->height) chosen = w;
    w->shown_ns = now;
    int mine = chosen == w;
    pthread_mutex_unlock(&lock);
    return mine;
}

void window_shown(int width, int height) {
    window *w = here;
    if (w == NULL || width <= 0 || height <= 0) return;
    w->width = width, w->height = height;
    if (is_chosen(w, feed_now_ns())) {
        gl_find_all();
        if (w->scene == NULL) w->scene = scene_new();
        w->watched = w->scene != NULL && gl.ReadPixels != NULL && scene_swap(w->scene, width, height);
    } else if (w->watched) {
        w->watched = 0;
        scene_forget(w->scene, 0);
    }
}
