/* Games find OpenGL by linking to it, by glXGetProcAddress, eglGetProcAddress, or by dlopen and dlsym (SDL), so all of
 * these are taken over.
 */
#define _GNU_SOURCE
#include "real.h"

#include <dlfcn.h>
#include <string.h>

typedef void *(*lookup)(const char *);
typedef void *(*symbol)(void *, const char *);

__thread int real_depth __attribute__((tls_model("initial-exec")));

extern hook *const __start_hooks[] __attribute__((visibility("hidden")));
extern hook *const __stop_hooks[] __attribute__((visibility("hidden")));

/* Every later glibc keeps the oldest version of its architecture. */
static symbol dlsym_in(void *handle) {
    static const char *const versions[] = {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.34", "GLIBC_2.0", "GLIBC_2.27"};
    symbol found = NULL;
    for (int i = 0; found == NULL && i < 5; i++) found = (symbol)dlvsym(handle, "dlsym", versions[i]);
    return found;
}

/* The one of the next library in the order, which may be another's that stands before it as well. */
static symbol next_dlsym(void) {
    static symbol next;
    if (next == NULL) next = dlsym_in(RTLD_NEXT);
    return next;
}

/* The C library's own. */
static symbol last_dlsym(void) {
    static symbol last;
    static const char *const libraries[] = {"libc.so.6", "libdl.so.2"};
    for (int i = 0; last == NULL && i < 2; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL) last = dlsym_in(library);
    }
    return last != NULL ? last : next_dlsym();
}

/* OpenGL's own function, from whichever of its libraries the game has loaded. */
static void *in_libraries(const char *name) {
    static const char *const libraries[] = {"libGL.so.1", "libOpenGL.so.0", "libGLX.so.0", "libEGL.so.1", "libGLESv2.so.2",
                                            "libGLESv1_CM.so.1"};
    void *found = NULL;
    for (int i = 0; found == NULL && i < 6; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL) found = last_dlsym()(library, name);
    }
    return found;
}

static void *by_proc(const char *name) {
    lookup get = (lookup)in_libraries("glXGetProcAddressARB");
    void *found = get == NULL ? NULL : get(name);
    if (found == NULL && (get = (lookup)in_libraries("eglGetProcAddress")) != NULL) found = get(name);
    return found;
}

static void *last_of(const char *name) {
    void *found = in_libraries(name);
    return found != NULL ? found : by_proc(name);
}

void *real_find(const char *name) {
    void *found = last_dlsym()(RTLD_NEXT, name);
    return found != NULL ? found : last_of(name);
}

void *real_resolve(hook *h, int last) {
    void **to = last ? &h->last : &h->next;
    *to = last ? last_of(h->name) : real_find(h->name);
    if (*to == NULL && last) *to = h->next;
    return *to;
}

/* Our function of this name, if there is one, for a game that has found `real`: what goes on with that, unless another
 * library comes after ours.
 */
static void *instead(const char *name, void *real) {
    for (hook *const *h = __start_hooks; real != NULL && h < __stop_hooks; h++)
        if (!strcmp(name, (*h)->name)) {
            hook *of = (*h)->of;
            if (of->next == NULL) of->next = last_dlsym()(RTLD_NEXT, name);
            if (of->next == NULL && real != of->own) of->next = real;
            return of->own;
        }
    return real;
}

/* Whoever asks while a function of ours is under way is no game. */
static void *proc(hook *h, const char *name) {
    lookup get = (lookup)enter(h);
    void *real = get == NULL ? NULL : get(name);
    leave();
    return real_depth > 0 ? real : instead(name, real);
}

HOOK(void *, glXGetProcAddressARB, (const char *name)) { return proc(&hook_glXGetProcAddressARB, name); }
HOOK(void *, glXGetProcAddress, (const char *name)) { return proc(&hook_glXGetProcAddress, name); }
HOOK(void *, eglGetProcAddress, (const char *name)) { return proc(&hook_eglGetProcAddress, name); }

/* RTLD_NEXT means: after whoever asks. So that goes on as a jump, and the C library sees who asked; so does every name
 * that is not ours, to the next library in the order.
 */
EXPORT void *dlsym(void *handle, const char *name) {
    if (handle == RTLD_NEXT || real_depth > 0) return last_dlsym()(handle, name);
    if (strncmp(name, "gl", 2) != 0 && strncmp(name, "egl", 3) != 0) return next_dlsym()(handle, name);
    real_depth++;
    void *real = next_dlsym()(handle, name);
    real_depth--;
    return instead(name, real);
}
