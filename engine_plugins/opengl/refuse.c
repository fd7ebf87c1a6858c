/* The library looks at the process that it is in, before the game's own code runs: a launcher sees only what it is told
 * to start, and games come by way of `env`, shells, other launchers and Wine. A process that is refused is started once
 * more in its own place, without the library.
 */
#define _GNU_SOURCE
#include "refuse.h"

#include "report.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORD = 64, LEVELS = 3 };

typedef enum { PROGRAM, GUARD, INNER, SHARED } meaning;
static const struct { meaning what; const char *word; } WORDS[] = {
#include "refused.inc"
};

static char why[PATH_MAX]; /* this process is left alone */

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/'), *back = strrchr(path, '\\'); /* Windows' games under Wine */
    const char *at = back != NULL && (slash == NULL || back > slash) ? back : slash;
    return at == NULL ? path : at + 1;
}

static int is(meaning what, const char *name) {
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (WORDS[i].what == what && !strcasecmp(WORDS[i].word, name)) return 1;
    return 0;
}

static int is_refused(const char *path) {
    char name[WORD];
    const char *part = last_part(path);
    snprintf(name, sizeof name, "%s", part);
    char *ending = strrchr(name, '.'); /* .exe, .sh, .x86_64 */
    if (ending != NULL) *ending = 0;
    return is(PROGRAM, part) || is(PROGRAM, name);
}

static const char *guard_in(const char *name) {
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (WORDS[i].what == GUARD && strcasestr(name, WORDS[i].word) != NULL) return WORDS[i].word;
    return NULL;
}

static int refuse_with(const char *path, const char *guard) {
    if (guard != NULL) snprintf(why, sizeof why, "%s has an anti-cheat (%s)", last_part(path), guard);
    else snprintf(why, sizeof why, "%s is played online", last_part(path));
    return 1;
}

/* Whether two files of one size are the same, by another name or as a copy. */
static int is_copy(const char *path, const char *other) {
    static char one[1 << 16], two[sizeof one];
    FILE *a = fopen(path, "re"), *b = fopen(other, "re");
    size_t read = sizeof one;
    int same = a != NULL && b != NULL;
    while (same && read == sizeof one) {
        read = fread(one, 1, sizeof one, a);
        same = fread(two, 1, sizeof two, b) == read && !memcmp(one, two, read);
    }
    if (a != NULL) fclose(a);
    if (b != NULL) fclose(b);
    return same;
}

/* An anti-cheat in the folder, or a refused game of which the program is a copy or another name. */
static int refuse_beside(const char *program, const char *folder, const struct stat *own) {
    char path[PATH_MAX];
    struct stat other;
    int found = 0;
    DIR *opened = opendir(folder);
    for (struct dirent *entry; !found && opened != NULL && (entry = readdir(opened)) != NULL;) {
        const char *guard = guard_in(entry->d_name);
        if (guard != NULL) found = refuse_with(program, guard);
        else if (is_refused(entry->d_name) && snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < PATH_MAX &&
                 stat(path, &other) == 0 && S_ISREG(other.st_mode) && other.st_size == own->st_size && is_copy(program, path))
            found = refuse_with(entry->d_name, NULL);
    }
    if (opened != NULL) closedir(opened);
    return found;
}

/* The program by its name, by the name of the file that it really is, and by what lies in the game's folder. */
static int refuse_program(const char *path) {
    char folder[PATH_MAX];
    const char *home = getenv("HOME");
    struct stat own;
    if (realpath(path, folder) == NULL || stat(folder, &own) != 0 || !S_ISREG(own.st_mode)) return 0;
    if (is_refused(path)) return refuse_with(path, NULL);
    if (is_refused(folder)) return refuse_with(folder, NULL);
    for (int level = 0; level < LEVELS; level++) {
        *strrchr(folder, '/') = 0;
        const char *name = last_part(folder);
        if (*folder == 0 || (home != NULL && !strcmp(folder, home))) return 0;
        if (!is(SHARED, name) && refuse_beside(path, folder, &own)) return 1;
        if (!is(INNER, name)) return 0;
    }
    return 0;
}

/* A path of Windows', as Wine shows Linux' files: Z:\games\game.exe. */
static void from_windows(const char *word, char *path) {
    snprintf(path, PATH_MAX, "%s", word + 2);
    for (char *at = path; *at != 0; at++)
        if (*at == '\\') *at = '/';
}

static int refuse_word(const char *word) {
    char path[PATH_MAX];
    size_t length = strlen(word);
    if (length > 4 && !strcasecmp(word + length - 4, ".exe")) {
        if (is_refused(word)) return refuse_with(word, NULL);
        from_windows(word, path);
        if (refuse_program(word[1] == ':' ? path : word)) return 1;
    }
    return access(word, X_OK) == 0 && refuse_program(word);
}

/* Also what an interpreter, a loader or Wine was told to run. */
static int refuse_words(int count, char **words) {
    if (count > 0 && is_refused(words[0])) return refuse_with(words[0], NULL);
    for (int i = 1; i < count; i++)
        if (refuse_word(words[i])) return 1;
    return 0;
}

static int refuse_loaded(struct dl_phdr_info *info, size_t size, void *data) {
    const char *guard = guard_in(last_part(info->dlpi_name));
    (void)size, (void)data;
    return guard != NULL && refuse_with(info->dlpi_name, guard);
}

int refuse_now(void) {
    if (*why == 0 && dl_iterate_phdr(refuse_loaded, NULL)) report("refused", why);
    return *why != 0;
}

/* Takes this library out of LD_PRELOAD; returns whether it was there. */
static int take_out(void) {
    Dl_info own;
    char *list = getenv("LD_PRELOAD"), *left = list ? calloc(1, strlen(list) + 1) : NULL;
    int found = 0;
    if (left == NULL || dladdr((void *)refuse_now, &own) == 0) return 0;
    for (char *at = list; *at != 0;) {
        size_t length = strcspn(at, " :"), gap = strspn(at + length, " :");
        if (length == strlen(own.dli_fname) && !strncmp(at, own.dli_fname, length)) found = 1;
        else strncat(left, at, length + gap);
        at += length + gap;
    }
    if (found && setenv("LD_PRELOAD", left, 1) != 0) found = 0;
    free(left);
    return found;
}

/* glibc gives constructors what it gives main. */
__attribute__((constructor)) static void look(int count, char **words) {
    static char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    report("loaded", program);
    if (!refuse_program(program) && !refuse_words(count, words) && !dl_iterate_phdr(refuse_loaded, NULL)) return;
    report("refused", why);
    if (take_out()) execv(program, words);
}
