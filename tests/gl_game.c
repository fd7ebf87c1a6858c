/* A game without a display: EGL draws into a buffer of its own. Built and started by tests/games.py, as
 *
 *     gl_game [frames N] [after MS] [load FILE] [say TEXT] [deaf] [bare] [crash]
 *
 * frames: so many, then it ends; without end if not given. after: the first one comes so late. load: a library that it
 * opens after the tenth. say: a line of output. deaf: SIGTERM does nothing. bare: it closes all of its files at first.
 * crash: it ends by SIGSEGV. Creates the file gl_game.seen in its folder once it has drawn, with "library" in it if a
 * library of RealMaster's is loaded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef void *handle;
extern handle eglGetDisplay(handle);
extern unsigned eglInitialize(handle, int *, int *), eglBindAPI(unsigned), eglMakeCurrent(handle, handle, handle, handle);
extern unsigned eglChooseConfig(handle, const int *, handle *, int, int *), eglSwapBuffers(handle, handle);
extern handle eglCreatePbufferSurface(handle, handle, const int *), eglCreateContext(handle, handle, handle, const int *);
extern handle eglGetProcAddress(const char *);

static void rest(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static void seen(void) {
    char line[1024];
    FILE *maps = fopen("/proc/self/maps", "r"), *file = fopen("gl_game.seen", "w");
    while (maps != NULL && file != NULL && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "/opengl-") != NULL) fputs("library\n", file);
    if (file != NULL) fclose(file);
    if (maps != NULL) fclose(maps);
}

int main(int count, char **words) {
    long frames = -1, late = 0, crash = 0;
    const char *library = NULL;
    for (int i = 1; i < count; i++) {
        const char *next = i + 1 < count ? words[i + 1] : "";
        if (!strcmp(words[i], "frames")) frames = atol(next);
        if (!strcmp(words[i], "after")) late = atol(next);
        if (!strcmp(words[i], "load")) library = next;
        if (!strcmp(words[i], "say")) puts(next), fflush(stdout);
        if (!strcmp(words[i], "deaf")) signal(SIGTERM, SIG_IGN);
        for (int file = 0; !strcmp(words[i], "bare") && file < 256; file++) close(file);
        if (!strcmp(words[i], "crash")) crash = 1;
    }
    static const int none[] = {0x3038}, size[] = {0x3057, 64, 0x3056, 48, 0x3038}, buffer[] = {0x3033, 1, 0x3040, 8, 0x3038};
    handle display = eglGetDisplay(NULL), config = NULL;
    int found = 0;
    eglInitialize(display, NULL, NULL), eglBindAPI(0x30A2);
    eglChooseConfig(display, buffer, &config, 1, &found);
    handle surface = eglCreatePbufferSurface(display, config, size), context = eglCreateContext(display, config, NULL, none);
    if (!found || !eglMakeCurrent(display, surface, surface, context)) return 7;
    void (*clear)(unsigned) = eglGetProcAddress("glClear");
    for (long frame = 0; frame != frames; frame++) {
        rest(frame == 0 ? late : 10);
        clear(0x4000);
        eglSwapBuffers(display, surface);
        if (frame == 0) seen();
        if (frame == 10 && library != NULL) dlopen(library, RTLD_NOW);
    }
    if (crash) raise(SIGSEGV);
    return 0;
}
