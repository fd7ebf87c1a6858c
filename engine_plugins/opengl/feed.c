#define _GNU_SOURCE
#include "feed.h"

#include "../native/realmaster.h"
#include "refuse.h"
#include "report.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const float FARTHEST_M = 1e6f; /* where the far plane is at infinity */

static rm_ring *ring;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* while the ring is opened, closed, written, or kept alive */
static float metres_per_unit = 1;
static uint64_t ring_bytes, too_many; /* of a frame: of the ring's, and what there was no room for */
static pid_t owner;
static int refused; /* for good */

uint64_t feed_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A game that loads a level draws nothing for long, and has not crashed. */
static void *keep_alive(void *unused) {
    const struct timespec pause = {0, 500000000};
    for (;;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&lock);
        if (refuse_now()) refused = 1; /* an anti-cheat was loaded meanwhile */
        else if (ring != NULL) rm_beat(ring);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static int first_open(const char *name, uint64_t bytes) {
    pthread_t keeper;
    const char *scale = getenv("REALMASTER_METRES_PER_UNIT");
    float value = scale ? strtof(scale, NULL) : 0;
    if (value > 0) metres_per_unit = value;
    report("swap", "");
    int error = rm_open(name, bytes, getenv("REALMASTER_LOCKED") ? RM_FRAMELOCKED : 0, &ring);
    if (!error && pthread_create(&keeper, NULL, keep_alive, NULL) == 0) pthread_detach(keeper);
    owner = getpid();
    return error;
}

int feed_open(int width, int height) {
    const char *name = getenv("REALMASTER_RING");
    uint64_t bytes = rm_frame_bytes((uint64_t)width * (uint64_t)height * 24); /* depth may be drawn twice as large */
    int error = 0;
    if (name == NULL || refused || refuse_now() || bytes == too_many) return 0;
    pthread_mutex_lock(&lock);
    if (owner != getpid()) ring = NULL; /* a child of the game has the same ring, which is not its own */
    if (ring != NULL && bytes == ring_bytes) {
        pthread_mutex_unlock(&lock);
        return 1;
    }
    error = ring == NULL ? first_open(name, bytes) : rm_reopen(ring, bytes);
    pthread_mutex_unlock(&lock);
    too_many = error ? bytes : 0;
    if (!error) ring_bytes = bytes;
    if (!error) report_ring(name);
    /* What has the name by now is seen instead: a game, say, that its launcher has started. */
    else if (error != RM_LOST_NAME) report("failed", rm_error(error)), fprintf(stderr, "realmaster: %s\n", rm_error(error));
    return !error;
}

int feed_wanted(void) { return ring != NULL && !refused && owner == getpid() && rm_wanted(ring); }

int feed_due(void) { return rm_due(ring); }

static float far_of(const camera *c) {
    float p10 = c->projection[10];
    return p10 + 1 < 0 ? c->projection[14] / (p10 + 1) * metres_per_unit : INFINITY;
}

static float depth_at(const pixels *p, size_t i) {
    return p->as_integers ? (float)((double)((const uint32_t *)p->depth)[i] / 4294967295.0) : ((const float *)p->depth)[i];
}

/* Where next to nothing was drawn, depth says nothing: what is seen there was drawn without it. */
static int is_drawn(const shot *s, const pixels *p) {
    size_t count = (size_t)s->depth_width * (size_t)s->depth_height, drawn = 0;
    float cleared = s->now.reversed ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        float d = depth_at(p, i);
        if (s->now.reversed ? d < cleared : d > cleared) cleared = d;
    }
    for (size_t i = 0; i < count; i++) drawn += depth_at(p, i) != cleared;
    return drawn * 50 > count;
}

/* Distance along the view's axis in metres; where nothing was drawn, that of the far plane. */
static void put_depth(const shot *s, const pixels *p) {
    size_t wide = (size_t)s->depth_width, high = (size_t)s->depth_height;
    float *metres = malloc(wide * high * sizeof *metres);
    if (metres == NULL) return;
    float p10 = s->now.projection[10], p14 = s->now.projection[14], far = fminf(far_of(&s->now), FARTHEST_M);
    for (size_t i = 0; i < wide * high; i++) {
        float d = depth_at(p, i);
        /* 0 at a far plane at infinity, and by rounding a little more */
        float below = s->now.reversed ? 1 + p10 - 2 * d : 2 * d - 1 + p10;
        metres[i] = below < 0 ? fminf(p14 / below * metres_per_unit, far) : far;
    }
    rm_put(ring, RM_DEPTH, RM_LINEAR_Z, (uint32_t)wide, (uint32_t)high, metres + (high - 1) * wide, -4 * (int64_t)wide);
    free(metres);
}

/* A picture that was read before the end is the scene if most of it came to the screen as it was: else something more
 * was done to it, and all of the picture would be taken for interface.
 */
static int came_to_the_screen(const shot *s, const pixels *p) {
    size_t count = (size_t)s->width * (size_t)s->height, same = 0, looked = 0;
    if (p->scene == NULL || p->color == NULL) return 0;
    for (size_t i = 0; i < count; i += 61, looked++) same += !memcmp(p->scene + 4 * i, p->color + 4 * i, 3);
    return same * 2 > looked;
}

static void put_picture(const shot *s, const uint8_t *picture, int as) {
    if (picture != NULL)
        rm_put(ring, as, RM_RGBA8, (uint32_t)s->width, (uint32_t)s->height,
               picture + (size_t)(s->height - 1) * (size_t)s->width * 4, -4 * (int64_t)s->width);
}

static void put_camera(const shot *s, rm_frame *frame) {
    const float *p = s->now.projection;
    memcpy(frame->view, s->now.view, sizeof frame->view);
    memcpy(frame->projection, p, sizeof frame->projection);
    memcpy(frame->previous_view, s->before.view, sizeof frame->view);
    memcpy(frame->previous_projection, s->before.projection, sizeof frame->projection);
    frame->near_m = p[14] / (p[10] - 1) * metres_per_unit;
    frame->far_m = far_of(&s->now);
    frame->camera_source = RM_DERIVED_CAMERA;
}

void feed_publish(const shot *s, const pixels *p) {
    int flat = s->has_depth && !is_drawn(s, p);
    int has_scene = !flat && came_to_the_screen(s, p), has_camera = !flat && s->now.known;
    pthread_mutex_lock(&lock);
    if (ring != NULL && !refused && p->color != NULL) {
        rm_frame *frame = rm_begin(ring);
        frame->frame_id = s->number, frame->t_capture_ns = s->t_ns, frame->t_game = (double)s->t_ns * 1e-9;
        frame->dt = s->dt, frame->metres_per_unit = metres_per_unit;
        frame->flags = (s->reset ? RM_RESET : 0) | (has_scene ? 0 : RM_HUD_IN_COLOR);
        if (has_camera) put_camera(s, frame);
        put_picture(s, p->color, RM_COLOR);
        if (has_scene) put_picture(s, p->scene, RM_SCENE_COLOR);
        if (has_camera && s->has_depth) put_depth(s, p);
        rm_publish(ring);
    }
    pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void end(void) {
    if (ring == NULL || owner != getpid()) return;
    rm_cancel(ring); /* a frame-locked game waits for its reader with the lock held */
    pthread_mutex_lock(&lock);
    rm_close(ring);
    ring = NULL;
    pthread_mutex_unlock(&lock);
}
