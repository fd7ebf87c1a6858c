/* Which part of a frame is the scene.
 *
 * A frame is a row of segments: what is drawn into one framebuffer between two clears of its depth. The scene is the
 * segment with most vertices in perspective; shadow maps are told by their shape. Frames are alike, so the last frame's
 * scene is looked for in this one, and its depth is read just before it is cleared, else at the end. If the segment is
 * not there this time, there is no depth: none is better than another's.
 *
 * The interface is drawn over the picture on the stage: the screen or, in games that bring all of a frame to the screen
 * at once, the framebuffer that it is brought from. The picture without interface is read off the stage at the first of
 * these moments: the clear that ends the scene; the first flat draw without depth test after most of the scene; or,
 * where the scene has a framebuffer of its own, after the passes that bring it to the stage.
 */
#define _GNU_SOURCE
#include "scene.h"

#include "../native/realmaster.h"
#include "camera.h"
#include "grab.h"
#include "refuse.h"
#include "report.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SEGMENTS = 64 };
static const float FARTHEST_M = 1e6f; /* where the far plane is at infinity */

typedef struct segment {
    GLuint framebuffer;
    int clear; /* how many segments of the framebuffer came before, in this frame */
    int right_shape, cleared, width, height; /* of the viewport */
    long perspective;                        /* vertices */
} segment;

typedef struct shot { /* a frame in flight */
    int used, has_depth, has_scene, reset;
    int width, height, depth_width, depth_height;
    uint64_t number, t_ns;
    float dt;
    camera now, before;
} shot;

int scene_watched;

static segment segments[SEGMENTS];
static int segment_count;
static GLuint drawing;             /* framebuffer */
static struct { int known; segment scene; GLuint stage; } target; /* of the last frame */
static int has_depth, has_scene, screen_passes, passes_after_scene, draws_on_screen;
static GLuint drawn_before_screen; /* the framebuffer that was drawn into before the screen was */
static int width, height;
static uint64_t number, first;     /* of the frame being drawn, and of the first in this ring */
static shot shots[IN_FLIGHT];
static camera last_camera;
static uint64_t last_ns;
static int was_watched, cut; /* the frame before was looked at; the next to be published follows nothing */
static void *last_context;
static rm_ring *ring;
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER; /* while it is opened, closed, or kept alive */
static float metres_per_unit = 1;
static int locked, failed;
static pid_t owner;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static float number_from(const char *name, float otherwise) {
    const char *text = getenv(name);
    float value = text ? strtof(text, NULL) : 0;
    return value > 0 ? value : otherwise;
}

/* The last segment of a framebuffer; NULL if nothing was drawn into it yet. */
static segment *last_of(GLuint framebuffer) {
    for (int i = segment_count - 1; i >= 0; i--)
        if (segments[i].framebuffer == framebuffer) return &segments[i];
    return NULL;
}

/* The segment being drawn; NULL if there are too many. */
static segment *current(void) {
    segment *last = last_of(drawing);
    if (last != NULL && !last->cleared) return last;
    if (segment_count == SEGMENTS) return NULL;
    GLint view[4] = {0};
    gl.GetIntegerv(GL_VIEWPORT, view);
    float aspect = view[3] > 0 ? (float)view[2] / (float)view[3] * (float)height / (float)width : 0;
    int right = fabsf(aspect - 1) < 0.1f && view[2] * 2 >= width;
    segments[segment_count] = (segment){drawing, last == NULL ? 0 : last->clear + 1, right, 0, view[2], view[3], 0};
    return &segments[segment_count++];
}

static segment *target_segment(void) {
    for (int i = 0; target.known && i < segment_count; i++)
        if (segments[i].framebuffer == target.scene.framebuffer && segments[i].clear == target.scene.clear) return &segments[i];
    return NULL;
}

/* Most of the scene has been drawn. */
static int scene_drawn(void) {
    const segment *s = target_segment();
    return s != NULL && s->perspective > 0 && s->perspective * 2 >= target.scene.perspective;
}

static void grab_depth(void) {
    const segment *s = target_segment();
    if (!has_depth && s != NULL) has_depth = grab_begin(number, GRAB_DEPTH, s->framebuffer, s->width, s->height);
}

static void grab_scene(void) {
    if (!has_scene) has_scene = grab_begin(number, GRAB_SCENE, target.stage, width, height);
}

void scene_bind(GLuint framebuffer) { drawing = framebuffer; }

void scene_before_depth_clear(void) {
    segment *last = last_of(drawing);
    if (last == NULL || last->cleared) return;
    if (last == target_segment() && scene_drawn()) {
        grab_depth();
        if (drawing == target.stage) grab_scene();
    }
    last->cleared = 1;
}

void scene_before_draw(long vertices) {
    segment *s = current();
    if (s == NULL) return;
    int perspective = camera_draw((int)(s - segments), vertices);
    if (drawing == 0) draws_on_screen++;
    else if (draws_on_screen == 0) drawn_before_screen = drawing;
    if (target.known && drawing == target.stage && !has_scene && scene_drawn()) {
        if (target.scene.framebuffer != target.stage) {
            if (passes_after_scene++ == screen_passes) grab_scene();
        } else if (!perspective && !gl.IsEnabled(GL_DEPTH_TEST)) {
            grab_depth();
            grab_scene();
        }
    }
    if (perspective) s->perspective += vertices;
}

/* The scene of the frame that has just been drawn is what the next one is searched for. */
static void choose_target(void) {
    const segment *best = NULL;
    for (int i = 0; i < segment_count; i++)
        if (segments[i].right_shape && segments[i].perspective > 0 &&
            (best == NULL || segments[i].perspective >= best->perspective)) best = &segments[i];
    target.known = best != NULL;
    if (best != NULL) target.scene = *best;
    const segment *stage = last_of(drawn_before_screen);
    int at_once = draws_on_screen == 1 && stage != NULL && stage->width == width && stage->height == height;
    target.stage = at_once ? drawn_before_screen : 0;
}

static float far_of(const camera *c) {
    float p10 = c->projection[10];
    return p10 + 1 < 0 ? c->projection[14] / (p10 + 1) * metres_per_unit : INFINITY;
}

/* Distance along the view's axis in metres; where nothing was drawn, that of the far plane. */
static void put_depth(const shot *s) {
    const float *depth = grab_look(s->number, GRAB_DEPTH);
    size_t wide = (size_t)s->depth_width, high = (size_t)s->depth_height;
    float *metres = depth ? malloc(wide * high * sizeof *metres) : NULL;
    if (metres == NULL) return;
    float p10 = s->now.projection[10], p14 = s->now.projection[14], far = fminf(far_of(&s->now), FARTHEST_M);
    for (size_t i = 0; i < wide * high; i++) {
        float below = 2 * depth[i] - 1 + p10; /* 0 at a far plane at infinity, and by rounding a little more */
        metres[i] = below < 0 ? fminf(p14 / below * metres_per_unit, far) : far;
    }
    rm_put(ring, RM_DEPTH, RM_LINEAR_Z, (uint32_t)wide, (uint32_t)high, metres + (high - 1) * wide, -4 * (int64_t)wide);
    free(metres);
}

/* A picture that was read before the end is the scene if most of it came to the screen as it was: else something more
 * was done to it, and all of the picture would be taken for interface.
 */
static int came_to_the_screen(const shot *s, const uint8_t *scene, const uint8_t *color) {
    size_t pixels = (size_t)s->width * (size_t)s->height, same = 0, looked = 0;
    if (scene == NULL || color == NULL) return 0;
    for (size_t i = 0; i < pixels; i += 61, looked++) same += !memcmp(scene + 4 * i, color + 4 * i, 3);
    return same * 2 > looked;
}

static void put_picture(const shot *s, const uint8_t *pixels, int as) {
    if (pixels != NULL)
        rm_put(ring, as, RM_RGBA8, (uint32_t)s->width, (uint32_t)s->height,
               pixels + (size_t)(s->height - 1) * (size_t)s->width * 4, -4 * (int64_t)s->width);
}

static void publish(shot *s) {
    const uint8_t *color = grab_look(s->number, GRAB_COLOR);
    const uint8_t *scene = s->has_scene ? grab_look(s->number, GRAB_SCENE) : NULL;
    if (!came_to_the_screen(s, scene, color)) scene = NULL;
    rm_frame *frame = rm_begin(ring);
    frame->frame_id = s->number, frame->t_capture_ns = s->t_ns, frame->t_game = (double)s->t_ns * 1e-9, frame->dt = s->dt;
    frame->flags = (s->reset ? RM_RESET : 0) | (scene ? 0 : RM_HUD_IN_COLOR);
    frame->metres_per_unit = metres_per_unit;
    if (s->now.known) {
        const float *p = s->now.projection;
        memcpy(frame->view, s->now.view, sizeof frame->view);
        memcpy(frame->projection, p, sizeof frame->projection);
        memcpy(frame->previous_view, s->before.view, sizeof frame->view);
        memcpy(frame->previous_projection, s->before.projection, sizeof frame->projection);
        frame->near_m = p[14] / (p[10] - 1) * metres_per_unit;
        frame->far_m = far_of(&s->now);
        frame->camera_source = RM_DERIVED_CAMERA;
    }
    put_picture(s, color, RM_COLOR);
    put_picture(s, scene, RM_SCENE_COLOR);
    if (s->has_depth && s->now.known) put_depth(s);
    rm_publish(ring);
}

/* The frame before is surely drawn by now, so its pixels are there without waiting. */
static void publish_previous(void) {
    shot *s = &shots[(number + IN_FLIGHT - 1) % IN_FLIGHT];
    if (s->used && s->number + 1 == number) publish(s);
    if (s->used) grab_end(s->number);
    s->used = 0;
}

/* A game that loads a level draws nothing for long, and has not crashed. */
static void *keep_alive(void *unused) {
    const struct timespec pause = {0, 500000000};
    for (;;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&ring_lock);
        if (refuse_now()) failed = 1; /* an anti-cheat was loaded meanwhile */
        else if (ring != NULL) rm_beat(ring);
        pthread_mutex_unlock(&ring_lock);
    }
    return unused;
}

static void open_ring(void) {
    pthread_t keeper;
    const char *name = getenv("REALMASTER_RING");
    uint64_t bytes = rm_frame_bytes((uint64_t)width * (uint64_t)height * 24); /* depth may be drawn twice as large */
    int error = 0;
    pthread_mutex_lock(&ring_lock);
    if (name == NULL || refuse_now()) failed = 1;
    else if (ring != NULL) error = rm_reopen(ring, bytes);
    else if ((error = rm_open(name, bytes, locked ? RM_FRAMELOCKED : 0, &ring)) == 0 &&
             pthread_create(&keeper, NULL, keep_alive, NULL) == 0) pthread_detach(keeper);
    pthread_mutex_unlock(&ring_lock);
    owner = getpid();
    if (error) {
        fprintf(stderr, "realmaster: %s\n", rm_error(error));
        report("failed", rm_error(error));
        failed = 1;
    } else if (!failed) report_ring(name);
}

/* Nobody reads any more, or what was begun is of another size: nothing of it may be taken for the next frame's. */
static void forget(void) {
    for (int i = 0; i < IN_FLIGHT; i++) {
        grab_end((uint64_t)i);
        shots[i].used = 0;
    }
    was_watched = target.known = last_camera.known = 0;
    cut = 1;
}

static void start(void *context, int now_width, int now_height) {
    if (ring == NULL) report("swap", "");
    metres_per_unit = number_from("REALMASTER_METRES_PER_UNIT", 1);
    screen_passes = (int)number_from("REALMASTER_SCREEN_PASSES", 1);
    locked = getenv("REALMASTER_LOCKED") != NULL;
    if (context != last_context) {
        memset(shots, 0, sizeof shots);
        grab_reset();
        camera_reset();
        drawing = 0;
    }
    forget();
    first = number + 1;
    last_context = context, width = now_width, height = now_height;
    open_ring();
}

/* Ends the frame as far as it was watched. */
static void finish(void) {
    const segment *s = target_segment();
    shot *mine = &shots[number % IN_FLIGHT];
    if (s != NULL && scene_drawn()) {
        if (s == last_of(s->framebuffer) && !s->cleared) grab_depth(); /* it is still there */
        if (s->framebuffer != target.stage && passes_after_scene > 0) grab_scene();
    }
    uint64_t now = now_ns();
    camera found = s != NULL ? camera_of((int)(s - segments), &last_camera) : (camera){0};
    /* In the first frame that is looked at, the scene is not known yet. Only the very first is handed over all the
     * same: it tells readers what there is. */
    int used = grab_begin(number, GRAB_COLOR, 0, width, height) && (was_watched || number == first);
    *mine = (shot){used, has_depth && s != NULL, has_scene, cut, width, height, s ? s->width : 0, s ? s->height : 0, number, now,
                   last_ns ? (float)(now - last_ns) * 1e-9f : 0, found, last_camera.known ? last_camera : found};
    if (used) cut = 0;
    else grab_end(number);
    last_camera = found, last_ns = now;
    publish_previous();
    choose_target();
    was_watched = 1;
}

void scene_swap(void *context, int now_width, int now_height) {
    if (failed || now_width <= 0 || now_height <= 0) return;
    if (ring == NULL || context != last_context || now_width != width || now_height != height)
        start(context, now_width, now_height);
    else if (scene_watched)
        finish();
    if (failed) return;
    number++;
    segment_count = has_depth = has_scene = passes_after_scene = draws_on_screen = 0;
    drawn_before_screen = 0;
    camera_frame();
    scene_watched = rm_wanted(ring);
    if (!scene_watched && was_watched) forget();
}

/* A child of the game has the same ring, which is not its to close. */
__attribute__((destructor)) static void end(void) {
    if (owner != getpid()) return;
    pthread_mutex_lock(&ring_lock);
    rm_close(ring);
    ring = NULL;
    pthread_mutex_unlock(&ring_lock);
}
