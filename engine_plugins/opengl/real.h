/* The functions that ours stand before.
 *
 * Other libraries stand between a game and its OpenGL as we do: overlays, tracers. Each may come before us or after us.
 * So every function of ours has two behind it: the next one in the process's order, which may be another library's, and
 * the last one, which is OpenGL's own. A call that comes in while one of ours is under way, in the same thread, is not
 * the game's: it comes from a library that took ours for the last one, and gets the last one, or the two would call each
 * other for ever.
 */
#ifndef REALMASTER_REAL_H
#define REALMASTER_REAL_H

#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

typedef struct hook {
    const char *name;
    void *own;
    struct hook *of; /* whose older name this is; itself otherwise */
    void *next, *last;
} hook;

/* All hooks of the library are found by way of this section. */
#define REGISTER(it) static hook *const registered_##it __attribute__((section("hooks"), used)) = &it
#define HOOK(type, name, declared)                                                              \
    EXPORT type name declared;                                                                  \
    static hook hook_##name = {#name, (void *)name, &hook_##name, NULL, NULL}; REGISTER(hook_##name); \
    type name declared
/* An older name of a function. */
#define ALSO(alias, name)                                                    \
    static hook hook_##alias = {#alias, (void *)name, &hook_##name, NULL, NULL}; REGISTER(hook_##alias)

/* How many functions of ours this thread is in. */
extern __thread int real_depth __attribute__((tls_model("initial-exec")));

void *real_resolve(hook *h, int last);

/* Which function to go on with. Ends with `leave`. */
static inline void *enter(hook *h) {
    int last = real_depth++ > 0;
    void *known = last ? h->last : h->next;
    return known != NULL ? known : real_resolve(h, last);
}

static inline void leave(void) { real_depth--; }

/* A function by name, as the next library in the order has it; NULL if there is none. */
void *real_find(const char *name);

#endif
