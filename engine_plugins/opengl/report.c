#define _GNU_SOURCE
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE = 512, MOST_BYTES = 1 << 20 }; /* a launcher may start any number of programs */

/* Opened anew for each line: some games close every file that they have not opened themselves. */
void report(const char *event, const char *detail) {
    const char *path = getenv("REALMASTER_REPORT");
    char line[LINE];
    struct stat status;
    int saved = errno, file = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (file >= 0) {
        int bytes = snprintf(line, sizeof line - 1, "%s %d %s", event, (int)getpid(), detail);
        if (bytes > (int)sizeof line - 2) bytes = sizeof line - 2;
        for (int i = 0; i < bytes; i++)
            if (line[i] == '\n') line[i] = ' ';
        line[bytes] = '\n';
        /* One write for a line, so that those of two processes do not mix. */
        if (fstat(file, &status) == 0 && status.st_size < MOST_BYTES && write(file, line, (size_t)bytes + 1) < 0)
            errno = 0;
        close(file);
    }
    errno = saved;
}

void report_ring(const char *name) {
    char path[128], detail[160];
    struct stat status;
    snprintf(path, sizeof path, "/dev/shm/realmaster-%s.ring", name);
    if (stat(path, &status) != 0) return;
    snprintf(detail, sizeof detail, "%llu %s", (unsigned long long)status.st_ino, path);
    report("ring", detail);
}
