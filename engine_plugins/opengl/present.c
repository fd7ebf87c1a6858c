/* Contexts become current and pictures are shown through GLX or EGL. Windows and surfaces are both told by a number. */
#include "real.h"
#include "window.h"

#include <string.h>

typedef unsigned long drawable;

/* The game's, also where it made it current in a way that is not watched. */
static void follow(const char *context_name, const char *drawable_name, int egl) {
    static void *(*context[2])(void), *(*surface)(int);
    static drawable (*draws)(void);
    if (context[egl] == NULL) *(void **)&context[egl] = real_find(context_name);
    void **into = egl ? (void **)&surface : (void **)&draws;
    if (*into == NULL) *into = real_find(drawable_name);
    if (context[egl] == NULL || *into == NULL) return;
    window_current(context[egl](), egl ? (drawable)surface(0x3059 /* EGL_DRAW */) : draws());
}

/* Whether the window's size should be asked for: the X server takes as long to answer as a small frame takes to draw.
 * A game whose window has changed sets another viewport; one that does not is found out within half a second or so. */
static int size_may_differ(window *w) {
    GLint view[4] = {0};
    gl_find_all();
    if (gl.GetIntegerv) gl.GetIntegerv(GL_VIEWPORT, view);
    int differs = memcmp(view, w->view, sizeof view) != 0 || w->width <= 0 || w->ask_in-- == 0;
    memcpy(w->view, view, sizeof view);
    if (differs) w->ask_in = 30;
    return differs;
}

static void glx_shown(void *display, drawable shown) {
    static void (*query)(void *, drawable, int, unsigned *);
    if (real_depth != 1) return;
    follow("glXGetCurrentContext", "glXGetCurrentDrawable", 0);
    if (here == NULL || here->drawable != shown) return; /* of another, nothing can be read */
    if (query == NULL) *(void **)&query = real_find("glXQueryDrawable");
    unsigned width = (unsigned)here->width, height = (unsigned)here->height;
    if (query != NULL && size_may_differ(here))
        query(display, shown, 0x801D /* GLX_WIDTH */, &width), query(display, shown, 0x801E, &height);
    window_shown((int)width, (int)height);
}

HOOK(void, glXSwapBuffers, (void *display, drawable shown)) {
    void (*real)(void *, drawable) = (void (*)(void *, drawable))enter(&hook_glXSwapBuffers);
    glx_shown(display, shown);
    if (real) real(display, shown);
    leave();
}

HOOK(int64_t, glXSwapBuffersMscOML, (void *display, drawable shown, int64_t at, int64_t divisor, int64_t left)) {
    int64_t (*real)(void *, drawable, int64_t, int64_t, int64_t) =
        (int64_t(*)(void *, drawable, int64_t, int64_t, int64_t))enter(&hook_glXSwapBuffersMscOML);
    glx_shown(display, shown);
    int64_t done = real ? real(display, shown, at, divisor, left) : -1;
    leave();
    return done;
}

HOOK(int, glXMakeCurrent, (void *display, drawable draw, void *context)) {
    int (*real)(void *, drawable, void *) = (int (*)(void *, drawable, void *))enter(&hook_glXMakeCurrent);
    int done = real ? real(display, draw, context) : 0;
    if (done && real_depth == 1) window_current(context, draw);
    leave();
    return done;
}

HOOK(int, glXMakeContextCurrent, (void *display, drawable draw, drawable read, void *context)) {
    int (*real)(void *, drawable, drawable, void *) =
        (int (*)(void *, drawable, drawable, void *))enter(&hook_glXMakeContextCurrent);
    int done = real ? real(display, draw, read, context) : 0;
    if (done && real_depth == 1) window_current(context, draw);
    leave();
    return done;
}
ALSO(glXMakeCurrentReadSGI, glXMakeContextCurrent);

HOOK(void, glXDestroyContext, (void *display, void *context)) {
    void (*real)(void *, void *) = (void (*)(void *, void *))enter(&hook_glXDestroyContext);
    if (real_depth == 1) window_context_gone(context);
    if (real) real(display, context);
    leave();
}

static void egl_shown(void *display, void *shown) {
    static unsigned (*query)(void *, void *, int, int *);
    int width = 0, height = 0;
    if (real_depth != 1) return;
    follow("eglGetCurrentContext", "eglGetCurrentSurface", 1);
    if (here == NULL || here->drawable != (drawable)shown) return;
    if (query == NULL) *(void **)&query = real_find("eglQuerySurface");
    if (query) query(display, shown, 0x3057 /* EGL_WIDTH */, &width), query(display, shown, 0x3056, &height);
    window_shown(width, height);
}

HOOK(unsigned, eglSwapBuffers, (void *display, void *shown)) {
    unsigned (*real)(void *, void *) = (unsigned (*)(void *, void *))enter(&hook_eglSwapBuffers);
    egl_shown(display, shown);
    unsigned done = real ? real(display, shown) : 0;
    leave();
    return done;
}

HOOK(unsigned, eglSwapBuffersWithDamageKHR, (void *display, void *shown, const int *parts, int count)) {
    unsigned (*real)(void *, void *, const int *, int) =
        (unsigned (*)(void *, void *, const int *, int))enter(&hook_eglSwapBuffersWithDamageKHR);
    egl_shown(display, shown);
    unsigned done = real ? real(display, shown, parts, count) : 0;
    leave();
    return done;
}
ALSO(eglSwapBuffersWithDamageEXT, eglSwapBuffersWithDamageKHR);

HOOK(unsigned, eglMakeCurrent, (void *display, void *draw, void *read, void *context)) {
    unsigned (*real)(void *, void *, void *, void *) =
        (unsigned (*)(void *, void *, void *, void *))enter(&hook_eglMakeCurrent);
    unsigned done = real ? real(display, draw, read, context) : 0;
    if (done && real_depth == 1) window_current(context, (drawable)draw);
    leave();
    return done;
}

HOOK(unsigned, eglDestroyContext, (void *display, void *context)) {
    unsigned (*real)(void *, void *) = (unsigned (*)(void *, void *))enter(&hook_eglDestroyContext);
    if (real_depth == 1) window_context_gone(context);
    unsigned done = real ? real(display, context) : 0;
    leave();
    return done;
}
