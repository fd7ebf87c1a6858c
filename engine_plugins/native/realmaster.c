/* The writer's end of a ring: see realmaster.h. Build: cc -std=c11 -O2 -shared -fPIC -o librealmaster.so realmaster.c */
#define _GNU_SOURCE
#include "realmaster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 8, CELL = 64, PAGE = 4096, LOCKED_FRAMES = 2 };
static const int64_t STALE_NS = 2000000000; /* a reader whose heartbeat is older, or further ahead, is taken for dead */

struct rm_ring {
    char path[96];
    uint8_t *memory;
    rm_control *control;
    ino_t inode;
    uint64_t bytes, used; /* of the mapping; of the frame begun, 0 if none is */
    uint64_t next_due_ns;
    int framelocked, cancelled;
};

static const struct { uint16_t encoding, dtype, channels, size; } FORMATS[] = {
    {RM_RGBA8, 1, 4, 1}, {RM_INVERSE_Z, 2, 1, 2}, {RM_LINEAR_Z, 3, 1, 4},
    {RM_PIXELS, 2, 2, 2}, {RM_WORLD_XYZ0, 2, 4, 2}, {RM_INDEX, 4, 1, 4}};

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t aligned(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

static uint64_t load(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }

static void store(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

static uint8_t *slot_of(const rm_ring *ring) {
    return ring->memory + PAGE + ring->control->head % SLOTS * ring->control->slot_bytes;
}

uint64_t rm_frame_bytes(uint64_t buffer_bytes) { return sizeof(rm_frame) + aligned(buffer_bytes, 64) + 64 * RM_MAX_BUFFERS; }

static int good_name(const char *name) {
    size_t length = strlen(name);
    return length > 0 && length <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == length;
}

/* A fresh file, renamed over an old one: a reader of a crashed game's ring keeps its own inode. `part` becomes its name.
 * A full disk is told here, not by a SIGBUS later. */
static int map_file(rm_ring *ring, char *part) {
    int file = mkostemp(part, O_CLOEXEC); /* mode 0600, and nobody else's file */
    if (file < 0) return RM_NO_ROOM;
    int full = posix_fallocate(file, 0, (off_t)ring->bytes);
    void *memory = full ? MAP_FAILED : mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
    struct stat status = {0};
    fstat(file, &status);
    close(file);
    if (memory == MAP_FAILED) {
        unlink(part);
        return RM_NO_ROOM;
    }
    ring->memory = memory;
    ring->control = memory;
    ring->inode = status.st_ino;
    return 0;
}

/* A new file for frames of so many bytes, under the ring's name. */
static int renew(rm_ring *ring, uint64_t frame_bytes) {
    char part[128];
    uint64_t slot_bytes = aligned(frame_bytes + CELL, PAGE);
    snprintf(part, sizeof part, "%s.XXXXXX", ring->path);
    ring->bytes = PAGE + SLOTS * slot_bytes;
    int error = map_file(ring, part);
    if (error) return error;
    rm_control *control = ring->control;
    control->version = RM_VERSION, control->slots = SLOTS, control->slot_bytes = slot_bytes, control->silent = 1;
    control->session_id = control->heartbeat_ns = now_ns();
    __atomic_store_n(&control->magic, (uint32_t)RM_RING_MAGIC, __ATOMIC_RELEASE);
    if (rename(part, ring->path) == 0) return 0;
    unlink(part);
    munmap(ring->memory, ring->bytes);
    return RM_NAME_TAKEN;
}

int rm_open(const char *name, uint64_t frame_bytes, int mode, rm_ring **out) {
    *out = NULL;
    if (!good_name(name)) return RM_BAD_NAME;
    rm_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) return RM_NO_ROOM;
    snprintf(ring->path, sizeof ring->path, "/dev/shm/realmaster-%s.ring", name);
    ring->framelocked = mode == RM_FRAMELOCKED;
    int error = renew(ring, frame_bytes);
    if (error) {
        free(ring);
        return error;
    }
    *out = ring;
    return 0;
}

/* Whose the ring's name is: 1 if it is this ring's, 0 if nobody's, -1 if another's. */
static int has_name(const rm_ring *ring) {
    struct stat status;
    if (lstat(ring->path, &status) != 0) return 0;
    return status.st_ino == ring->inode ? 1 : -1;
}

int rm_reopen(rm_ring *ring, uint64_t frame_bytes) {
    if (has_name(ring) < 0) return RM_LOST_NAME;
    rm_ring old = *ring;
    int error = renew(ring, frame_bytes);
    if (error) {
        *ring = old;
        return error;
    }
    ring->used = 0;
    munmap(old.memory, old.bytes);
    return 0;
}

static int lives(const uint64_t *heartbeat_ns) {
    int64_t age = (int64_t)(now_ns() - load(heartbeat_ns));
    return age > -STALE_NS && age < STALE_NS;
}

void rm_beat(rm_ring *ring) { store(&ring->control->heartbeat_ns, now_ns()); }

int rm_wanted(rm_ring *ring) {
    rm_beat(ring);
    /* The first frame is always wanted: it tells readers that come what there is to see. */
    const rm_control *control = ring->control;
    return ring->framelocked || control->head == 0 || lives(&control->reader_heartbeat_ns) || lives(&control->looked_ns);
}

/* Evenly spaced on average, and without bursts, as in `realmaster/stream/pacing.py`. */
int rm_due(rm_ring *ring) {
    uint64_t period = load(&ring->control->reader_period_ns), now = now_ns();
    if (ring->framelocked || ring->control->head == 0 || !lives(&ring->control->reader_heartbeat_ns)) return 1;
    if (ring->next_due_ns > now + 2 * period) ring->next_due_ns = now; /* it was longer */
    if (now + period / 4 < ring->next_due_ns) return 0;
    ring->next_due_ns = ring->next_due_ns + period > now ? ring->next_due_ns + period : now;
    return 1;
}

static void wait_for_reader(rm_ring *ring) {
    const struct timespec pause = {0, 200000};
    while (!__atomic_load_n(&ring->cancelled, __ATOMIC_RELAXED)) {
        uint64_t head = ring->control->head;
        const uint64_t *heartbeat_ns = &ring->control->reader_heartbeat_ns;
        int came = load(heartbeat_ns) != 0;
        int ahead = came ? head - load(&ring->control->reader_done) >= LOCKED_FRAMES && lives(heartbeat_ns) : head > 0;
        if (!ahead) return;
        rm_beat(ring);
        nanosleep(&pause, NULL);
    }
}

void rm_cancel(rm_ring *ring) { __atomic_store_n(&ring->cancelled, 1, __ATOMIC_RELAXED); }

rm_frame *rm_begin(rm_ring *ring) {
    if (ring->framelocked) wait_for_reader(ring);
    uint8_t *slot = slot_of(ring);
    store((uint64_t *)slot, 2 * ring->control->head + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* nothing of the frame is written before readers can tell */
    rm_frame *frame = (rm_frame *)(slot + CELL);
    memset(frame, 0, sizeof *frame);
    frame->magic = RM_FRAME_MAGIC, frame->size = sizeof *frame, frame->version = RM_VERSION;
    frame->metres_per_unit = 1;
    frame->t_capture_ns = now_ns();
    frame->session_id = ring->control->session_id;
    ring->used = sizeof *frame;
    return frame;
}

static int fits(int kind, int encoding) {
    static const int OF[] = {0, RM_RGBA8, RM_RGBA8, RM_INVERSE_Z, RM_PIXELS, RM_WORLD_XYZ0, RM_INDEX};
    if (kind < RM_COLOR || kind > RM_OBJECT_ID) return 0;
    return encoding == OF[kind] || (kind == RM_DEPTH && encoding == RM_LINEAR_Z);
}

int rm_put(rm_ring *ring, int kind, int encoding, uint32_t width, uint32_t height, const void *pixels, int64_t row_bytes) {
    rm_frame *frame = (rm_frame *)(slot_of(ring) + CELL);
    if (ring->used == 0) return RM_BAD_ORDER;
    if (!fits(kind, encoding) || width == 0 || height == 0 || width > RM_MAX_SIDE || height > RM_MAX_SIDE) return RM_BAD_BUFFER;
    for (uint32_t i = 0; i < frame->buffer_count; i++)
        if (frame->buffers[i].kind == kind) return RM_BAD_ORDER;
    uint64_t row = (uint64_t)width * FORMATS[encoding - 1].channels * FORMATS[encoding - 1].size;
    uint64_t bytes = row * height;
    if (ring->used + bytes > ring->control->slot_bytes - CELL) return RM_TOO_LARGE;
    uint8_t *to = (uint8_t *)frame + ring->used;
    const uint8_t *from = pixels;
    for (uint32_t y = 0; y < height; y++, to += row, from += row_bytes) memcpy(to, from, row);
    frame->buffers[frame->buffer_count++] = (rm_buffer){
        (uint16_t)kind, (uint16_t)encoding, FORMATS[encoding - 1].dtype, FORMATS[encoding - 1].channels,
        width, height, ring->used, bytes};
    if (kind == RM_COLOR) frame->width = width, frame->height = height;
    ring->used += aligned(bytes, 64);
    return 0;
}

int rm_publish(rm_ring *ring) {
    uint8_t *slot = slot_of(ring);
    rm_frame *frame = (rm_frame *)(slot + CELL);
    if (ring->used == 0 || frame->width == 0) return RM_BAD_ORDER;
    uint64_t head = ring->control->head;
    store((uint64_t *)slot, 2 * head + 2);
    store(&ring->control->head, head + 1);
    store(&ring->control->heartbeat_ns, now_ns());
    ring->used = 0;
    return 0;
}

void rm_close(rm_ring *ring) {
    if (ring == NULL) return;
    __atomic_store_n(&ring->control->closed, 1u, __ATOMIC_RELEASE);
    if (has_name(ring) > 0) unlink(ring->path);
    munmap(ring->memory, ring->bytes);
    free(ring);
}

const char *rm_error(int code) {
    switch (code) {
    case 0: return "nothing is wrong";
    case RM_BAD_NAME: return "a ring's name is 1 to 64 letters, digits, '-' or '_'";
    case RM_NO_ROOM: return "no room for the ring in /dev/shm: free some shared memory or lower the game's resolution";
    case RM_TOO_LARGE: return "the frame does not fit: open the ring for all of its buffers (rm_frame_bytes)";
    case RM_BAD_BUFFER: return "no such buffer: see rm_kind and rm_encoding, sides are 1 to 8192 pixels";
    case RM_NAME_TAKEN: return "something in /dev/shm has the ring's name that is not ours to replace: choose another name";
    case RM_LOST_NAME: return "another game publishes the ring of this name by now: give one of them its own";
    case RM_BAD_ORDER: return "out of order: rm_begin, then rm_put once for each kind with COLOR among them, then rm_publish";
    default: return "unknown code";
    }
}
