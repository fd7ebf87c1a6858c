/* Libraries that come before this one in LD_PRELOAD, as overlays do that a wrapper script adds, may find OpenGL's
 * functions past it: then no picture comes. So a process in which this library is not the first is started once more in
 * its own place, with it first; the others come after it, and see all that the game draws.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char GAPS[] = " :";

/* This library before what else is in LD_PRELOAD; NULL if it is first, or not there. */
static char *reordered(const char *list, const char *own) {
    size_t length = strlen(own);
    char *made = malloc(strlen(list) + length + 2);
    int found = 0, place = 0;
    if (made == NULL) return NULL;
    strcpy(made, own);
    for (const char *at = list + strspn(list, GAPS); *at != 0; place++) {
        size_t word = strcspn(at, GAPS);
        if (word == length && !strncmp(at, own, length)) found = found || place > 0 ? 1 : -1;
        else strcat(made, ":"), strncat(made, at, word);
        at += word + strspn(at + word, GAPS);
    }
    if (found == 1) return made;
    free(made);
    return NULL;
}

/* glibc gives constructors what it gives main. */
__attribute__((constructor)) static void come_first(int count, char **words) {
    static char program[PATH_MAX];
    Dl_info own;
    const char *list = getenv("LD_PRELOAD");
    (void)count;
    if (list == NULL || dladdr((void *)come_first, &own) == 0) return;
    char *better = reordered(list, own.dli_fname);
    ssize_t length = better != NULL ? readlink("/proc/self/exe", program, sizeof program - 1) : 0;
    if (length > 0 && setenv("LD_PRELOAD", better, 1) == 0) execv(program, words);
    free(better);
}
