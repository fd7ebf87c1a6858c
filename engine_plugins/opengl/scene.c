/* Which part of a frame is the scene.
 *
 * A frame is a row of segments: what is drawn through one viewport into one framebuffer between two clears of its depth.
 * The scene is the segment into whose depth most vertices are drawn in perspective; shadow maps are told by their shape,
 * and views that share the picture with others (a split screen) by how little of it they cover. Frames are alike, so the
 * last frame's scene is looked for in this one: a segment of the same framebuffer and viewport, with at least half as
 * many vertices, the first or second or third such one as before. Its depth is read just before it is cleared, else at
 * the end. If the segment is not there this time, there is no depth: none is better than another's.
 *
 * The interface is drawn over the picture on the stage: the screen or, in games that bring all of a frame to the screen
 * at once, the framebuffer that it is brought from. The picture without interface is read off the stage at the first of
 * these moments: the clear that ends the scene; the first flat draw without depth test after most of the scene; or,
 * where the scene has a framebuffer of its own, after the passes that bring it to the stage.
 */
#include "scene.h"

#include "camera.h"
#include "feed.h"
#include "grab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS = 64, NONE = -1 };

typedef struct segment {
    GLuint framebuffer;
    GLint view[4]; /* the viewport */
    int cleared, zero_to_one, colored;
    long perspective; /* vertices */
} segment;

struct scene {
    gl_abilities can;
    grabber grabber;
    uniforms uniforms;
    votes votes;
    int width, height;
    segment segments[SEGMENTS];
    int segment_count;
    GLuint drawing; /* framebuffer */
    GLint view[4];
    int drawing_known, view_known;
    struct { int known, rank; segment scene; GLuint stage; } target; /* of the last frame */
    int has_depth, has_scene, passes_after_scene, draws_on_screen;
    GLuint drawn_before_screen; /* the framebuffer that was drawn into before the screen was */
    shot shots[IN_FLIGHT];
    camera last_camera, last_taken; /* of the frame before, and of the one that was handed over before */
    uint64_t number, first, last_ns;
    int watched, was_watched, taken, cut; /* the frame before was looked at; the next to be published follows nothing */
};

static uint64_t frames; /* of all windows that were chosen, one after the other */

scene *scene_new(void) { return calloc(1, sizeof(scene)); }

uniforms *scene_uniforms(scene *s) { return &s->uniforms; }

const gl_abilities *scene_abilities(const scene *s) { return &s->can; }

void scene_doubt(scene *s) {
    s->drawing_known = s->view_known = 0;
    uniforms_doubt(&s->uniforms);
}

void scene_bind(scene *s, GLuint framebuffer) { s->drawing = framebuffer, s->drawing_known = 1; }

void scene_viewport(scene *s) { s->view_known = 0; }

GLuint scene_drawing(scene *s) {
    GLint bound = 0;
    if (!s->drawing_known) {
        if (gl_since(&s->can, 20, 20)) gl.GetIntegerv(GL_FRAMEBUFFER_BINDING, &bound);
        scene_bind(s, (GLuint)bound);
    }
    return s->drawing;
}

static const GLint *viewport(scene *s) {
    if (!s->view_known) gl.GetIntegerv(GL_VIEWPORT, s->view);
    s->view_known = 1;
    return s->view;
}

/* The last segment of a framebuffer; NULL if nothing was drawn into it yet. */
static segment *last_of(scene *s, GLuint framebuffer) {
    for (int i = s->segment_count - 1; i >= 0; i--)
        if (s->segments[i].framebuffer == framebuffer) return &s->segments[i];
    return NULL;
}

/* The segment being drawn; NULL if there are too many. */
static segment *current(scene *s) {
    GLuint drawing = scene_drawing(s);
    const GLint *view = viewport(s);
    for (int i = s->segment_count - 1; i >= 0; i--) {
        segment *at = &s->segments[i];
        if (at->framebuffer == drawing && !at->cleared && !memcmp(at->view, view, sizeof at->view)) return at;
    }
    if (s->segment_count == SEGMENTS) return NULL;
    GLint depth = 0, color = 1;
    if (!s->can.embedded && s->can.version >= 45) gl.GetIntegerv(GL_CLIP_DEPTH_MODE, &depth);
    if (drawing != 0)
        gl.GetFramebufferAttachmentParameteriv(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_ATTACHMENT_OBJECT_TYPE, &color);
    segment *made = &s->segments[s->segment_count++];
    *made = (segment){drawing, {view[0], view[1], view[2], view[3]}, 0, depth == GL_ZERO_TO_ONE, color != 0, 0};
    return made;
}

static int same_place(const segment *a, const segment *b) {
    return a->framebuffer == b->framebuffer && !memcmp(a->view, b->view, sizeof a->view);
}

static int is_big(const segment *s, const segment *as) { return s->perspective > 0 && s->perspective * 2 >= as->perspective; }

/* The last frame's scene in this one, once most of it is drawn. */
static segment *find_target(scene *s) {
    int rank = 0;
    for (int i = 0; s->target.known && i < s->segment_count; i++) {
        segment *at = &s->segments[i];
        if (same_place(at, &s->target.scene) && is_big(at, &s->target.scene) && rank++ == s->target.rank) return at;
    }
    return NULL;
}

static int begin_grab(scene *s, grab_kind kind, GLuint framebuffer, area part) {
    if (!s->taken) return 0;
    gl_errors_hold();
    int done = grab_begin(&s->grabber, &s->can, s->number, kind, framebuffer, part);
    gl_errors_drop();
    return done;
}

static area all_of(const scene *s) { return (area){0, 0, s->width, s->height}; }

/* Of the stage all is read, and elsewhere what the viewport shows, which is brought to all of the stage. */
static area depth_area(const scene *s, const segment *of) {
    if (of->framebuffer == s->target.stage) return all_of(s);
    return (area){of->view[0], of->view[1], of->view[2], of->view[3]};
}

static void grab_depth(scene *s, const segment *of) {
    if (!s->has_depth) s->has_depth = begin_grab(s, GRAB_DEPTH, of->framebuffer, depth_area(s, of));
}

static void grab_scene(scene *s) {
    if (!s->has_scene) s->has_scene = begin_grab(s, GRAB_SCENE, s->target.stage, all_of(s));
}

/* A clear that is cut to a corner leaves the scene there. */
static int clears_most(const segment *of) {
    GLint box[4] = {0};
    if (!gl.IsEnabled(GL_SCISSOR_TEST)) return 1;
    gl.GetIntegerv(GL_SCISSOR_BOX, box);
    return (long)box[2] * box[3] * 3 >= (long)of->view[2] * of->view[3] * 2;
}

void scene_depth_clear(scene *s, GLuint framebuffer) {
    const segment *target = find_target(s);
    for (int i = 0; i < s->segment_count; i++) {
        segment *at = &s->segments[i];
        if (at->framebuffer != framebuffer || at->cleared) continue;
        if (at == target) {
            grab_depth(s, at);
            if (framebuffer == s->target.stage) grab_scene(s);
        }
        at->cleared = clears_most(at);
    }
}

/* Something is drawn over what is there. */
static void pass(scene *s, GLuint to, int flat) {
    if (to == 0) s->draws_on_screen++;
    else if (s->draws_on_screen == 0) s->drawn_before_screen = to;
    const segment *target = to == s->target.stage && !s->has_scene ? find_target(s) : NULL;
    if (target == NULL) return;
    if (target->framebuffer != s->target.stage) {
        static int screen_passes;
        if (screen_passes == 0) {
            const char *text = getenv("REALMASTER_SCREEN_PASSES");
            screen_passes = text && atoi(text) > 0 ? atoi(text) : 1;
        }
        if (s->passes_after_scene++ == screen_passes) grab_scene(s);
    } else if (flat) {
        grab_depth(s, target);
        grab_scene(s);
    }
}

void scene_copy(scene *s, GLuint to) {
    scene_bind(s, to);
    current(s);
    pass(s, to, 1);
}

void scene_draw(scene *s, long vertices) {
    segment *at = current(s);
    if (at == NULL) return;
    camera found[CANDIDATES];
    GLboolean writes = 0;
    int count = camera_candidates(&s->uniforms, &s->can, found), tested = gl.IsEnabled(GL_DEPTH_TEST);
    pass(s, at->framebuffer, count == 0 && !tested);
    if (count == 0 || !tested) return;
    gl.GetBooleanv(GL_DEPTH_WRITEMASK, &writes);
    if (!writes) return;
    at->perspective += vertices;
    camera_vote(&s->votes, (int)(at - s->segments), vertices, found, count, at->zero_to_one);
}

/* Whether a segment may be the whole picture's scene. */
static int suits(const scene *s, const segment *at, GLuint stage) {
    const GLint *v = at->view;
    if (at->perspective == 0 || !at->colored || v[2] <= 0 || v[3] <= 0) return 0;
    if (at->framebuffer == stage) {
        int left = v[0] > 0 ? v[0] : 0, bottom = v[1] > 0 ? v[1] : 0;
        int right = v[0] + v[2] < s->width ? v[0] + v[2] : s->width;
        int top = v[1] + v[3] < s->height ? v[1] + v[3] : s->height;
        return right > left && top > bottom && (long)(right - left) * (top - bottom) * 3 >= (long)s->width * s->height * 2;
    }
    float aspect = (float)v[2] / (float)v[3] * (float)s->height / (float)s->width;
    return fabsf(aspect - 1) < 0.1f && v[2] * 2 >= s->width;
}

/* Another view of the same size beside it, with nearly as much in it: two players, two eyes. */
static int has_twin(const scene *s, const segment *of) {
    if (of->view[2] * 10 > s->width * 9) return 0;
    for (int i = 0; i < s->segment_count; i++) {
        const segment *at = &s->segments[i];
        if (!same_place(at, of) && at->view[2] == of->view[2] && at->view[3] == of->view[3] && is_big(at, of)) return 1;
    }
    return 0;
}

/* The scene of the frame that has just been drawn is what the next one is searched for. */
static void choose_target(scene *s) {
    const segment *best = NULL, *stage = last_of(s, s->drawn_before_screen);
    int at_once = s->draws_on_screen == 1 && stage && stage->view[2] == s->width && stage->view[3] == s->height;
    GLuint staged = at_once ? s->drawn_before_screen : 0;
    for (int i = 0; i < s->segment_count; i++) {
        const segment *at = &s->segments[i];
        if (suits(s, at, staged) && (best == NULL || at->perspective >= best->perspective)) best = at;
    }
    s->target.known = best != NULL && !has_twin(s, best);
    if (!s->target.known) return;
    s->target.scene = *best, s->target.stage = staged, s->target.rank = 0;
    for (const segment *at = s->segments; at < best; at++) s->target.rank += same_place(at, best) && is_big(at, best);
}

static camera find_camera(const scene *s, const segment *target) {
    if (target == NULL) return (camera){0};
    float aspect = (float)target->view[2] / (float)target->view[3];
    camera found = camera_of(&s->votes, (int)(target - s->segments), aspect, &s->last_camera);
    if (found.known && target->framebuffer == s->target.stage)
        matrix_widen(found.projection, target->view, s->width, s->height);
    return found;
}

/* The frame before is surely drawn by now, so its pixels are there without waiting. */
static void publish_previous(scene *s) {
    shot *before = &s->shots[(s->number + IN_FLIGHT - 1) % IN_FLIGHT];
    if (!before->used) return;
    if (before->number + 1 == s->number) {
        pixels p = {0};
        p.color = grab_look(&s->grabber, &s->can, before->number, GRAB_COLOR, NULL);
        if (before->has_scene) p.scene = grab_look(&s->grabber, &s->can, before->number, GRAB_SCENE, NULL);
        if (before->has_depth) p.depth = grab_look(&s->grabber, &s->can, before->number, GRAB_DEPTH, &p.as_integers);
        before->has_depth = p.depth != NULL;
        feed_publish(before, &p);
    }
    grab_end(&s->grabber, &s->can, before->number);
    before->used = 0;
}

/* Ends the frame as far as it was watched. */
static void finish(scene *s) {
    const segment *target = find_target(s);
    shot *mine = &s->shots[s->number % IN_FLIGHT];
    if (target != NULL) {
        if (!target->cleared) grab_depth(s, target); /* it is still there */
        if (target->framebuffer != s->target.stage && s->passes_after_scene > 0) grab_scene(s);
    }
    uint64_t now = feed_now_ns();
    camera found = find_camera(s, target);
    /* In the first frame that is looked at, the scene is not known yet. Only the very first is handed over all the
     * same: it tells readers what there is. */
    int used = begin_grab(s, GRAB_COLOR, 0, all_of(s)) && (s->was_watched || s->number == s->first);
    area deep = target != NULL ? depth_area(s, target) : (area){0, 0, 0, 0};
    *mine = (shot){used, s->has_depth && target != NULL, s->has_scene, s->cut, s->width, s->height, deep.width, deep.height,
                   s->number, now, s->last_ns ? (float)(now - s->last_ns) * 1e-9f : 0, found,
                   s->last_taken.known ? s->last_taken : found};
    if (used) s->cut = 0, s->last_ns = now, s->last_taken = found;
    else grab_end(&s->grabber, &s->can, s->number);
    s->last_camera = found;
    publish_previous(s);
    choose_target(s);
    s->was_watched = 1;
}

void scene_forget(scene *s, int gone) {
    if (gone) {
        grab_forget(&s->grabber);
        memset(&s->uniforms, 0, sizeof s->uniforms);
        s->can.version = 0;
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        if (!gone) grab_end(&s->grabber, &s->can, (uint64_t)i);
        s->shots[i].used = 0;
    }
    s->watched = s->was_watched = s->target.known = s->last_camera.known = s->last_taken.known = 0;
    s->cut = 1;
}

/* Programs and buffers may change while nobody looks. */
static void look_anew(scene *s) { memset(&s->uniforms, 0, sizeof s->uniforms); }

static int start(scene *s, int width, int height) {
    if (s->can.version == 0) s->can = gl_look();
    scene_forget(s, 0);
    s->width = width, s->height = height;
    s->first = frames + 1;
    return feed_open(width, height);
}

int scene_swap(scene *s, int width, int height) {
    int fresh = width != s->width || height != s->height || s->number != frames;
    int open = 1, before = s->watched;
    if (fresh || before) gl_errors_hold();
    if (fresh) open = start(s, width, height);
    else if (before) finish(s);
    s->number = ++frames;
    s->segment_count = s->has_depth = s->has_scene = s->passes_after_scene = s->draws_on_screen = 0;
    s->drawn_before_screen = 0;
    s->votes.count = 0;
    s->watched = open && feed_wanted();
    s->taken = s->watched && feed_due();
    if (before && !s->watched) scene_forget(s, 0);
    if (!before && s->watched) look_anew(s);
    scene_doubt(s);
    if (fresh || before) gl_errors_drop();
    return s->watched;
}
