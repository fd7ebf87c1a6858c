#include "grab.h"

#include <stdio.h>
#include <stdlib.h>

static picture *at(grabber *g, uint64_t frame, grab_kind kind) { return &g->pictures[frame % IN_FLIGHT][kind]; }

void grab_forget(grabber *g) {
    for (int i = 0; i < IN_FLIGHT; i++)
        for (int k = 0; k < GRAB_KINDS; k++) free(g->pictures[i][k].memory);
    *g = (grabber){0};
}

static int has_buffers(const gl_abilities *can) {
    return gl_since(can, 21, 30) && gl.GenBuffers && gl.BindBuffer && gl.BufferData && gl.UnmapBuffer &&
           (can->version >= 30 ? gl.MapBufferRange != NULL : gl.MapBuffer != NULL);
}

/* With the buffer bound, if there are any. Returns where the pixels go. */
static void *room(picture *p, size_t bytes, int buffers) {
    if (!buffers) {
        if (p->bytes != bytes) {
            free(p->memory);
            p->memory = malloc(bytes);
            p->bytes = p->memory ? bytes : 0;
        }
        return p->memory;
    }
    if (p->buffer == 0) gl.GenBuffers(1, &p->buffer);
    gl.BindBuffer(GL_PIXEL_PACK_BUFFER, p->buffer);
    if (p->bytes != bytes) {
        gl.BufferData(GL_PIXEL_PACK_BUFFER, (ptrdiff_t)bytes, NULL, GL_STREAM_READ);
        p->bytes = bytes;
    }
    return NULL;
}

typedef struct saved {
    GLint framebuffer, buffer, read_buffer, pack[4];
} saved;

static const GLenum PACKING[] = {GL_PACK_ALIGNMENT, GL_PACK_ROW_LENGTH, GL_PACK_SKIP_ROWS, GL_PACK_SKIP_PIXELS};

static int packings(const gl_abilities *can) { return gl_since(can, 10, 30) ? 4 : 1; }

static int has_framebuffers(const gl_abilities *can) { return gl_since(can, 20, 20) && gl.BindFramebuffer; }

/* Where OpenGL ES 2 has one framebuffer for drawing and reading, that is it. */
static GLenum reading(const gl_abilities *can) { return gl_since(can, 20, 30) ? GL_READ_FRAMEBUFFER : GL_FRAMEBUFFER; }

static GLenum reads_of(const gl_abilities *can) {
    return gl_since(can, 20, 30) ? GL_READ_FRAMEBUFFER_BINDING : GL_FRAMEBUFFER_BINDING;
}

static int has_read_buffer(const gl_abilities *can) { return gl_since(can, 10, 30) && gl.ReadBuffer; }

static saved enter(const gl_abilities *can, GLuint framebuffer) {
    saved s = {0};
    for (int i = 0; i < packings(can); i++) {
        gl.GetIntegerv(PACKING[i], &s.pack[i]);
        gl.PixelStorei(PACKING[i], i == 0 ? 4 : 0);
    }
    if (has_buffers(can)) gl.GetIntegerv(GL_PIXEL_PACK_BUFFER_BINDING, &s.buffer);
    if (has_framebuffers(can)) {
        gl.GetIntegerv(reads_of(can), &s.framebuffer);
        if ((GLuint)s.framebuffer != framebuffer) gl.BindFramebuffer(reading(can), framebuffer);
    }
    if (framebuffer == 0 && has_read_buffer(can)) {
        gl.GetIntegerv(GL_READ_BUFFER, &s.read_buffer);
        if (s.read_buffer != GL_BACK) gl.ReadBuffer(GL_BACK);
    }
    return s;
}

static void leave(const gl_abilities *can, GLuint framebuffer, const saved *s, int resolved) {
    if (framebuffer == 0 && has_read_buffer(can) && s->read_buffer != GL_BACK) gl.ReadBuffer((GLenum)s->read_buffer);
    if (has_framebuffers(can) && (resolved || (GLuint)s->framebuffer != framebuffer))
        gl.BindFramebuffer(reading(can), (GLuint)s->framebuffer);
    if (has_buffers(can)) gl.BindBuffer(GL_PIXEL_PACK_BUFFER, (GLuint)s->buffer);
    for (int i = 0; i < packings(can); i++) gl.PixelStorei(PACKING[i], s->pack[i]);
}

/* Up to 16 frames later, so that a game is not slowed down by what never works. */
static void failed(grabber *g, uint64_t frame, grab_kind kind, GLenum error) {
    static const char *const what[] = {"colour", "picture without interface", "depth"};
    static int told[GRAB_KINDS];
    unsigned shift = g->failures[kind] < 4 ? g->failures[kind] : 4;
    g->failures[kind]++;
    g->again[kind] = frame + (1u << shift);
    if (g->failures[kind] == 8 && !told[kind]++)
        fprintf(stderr, "realmaster: no %s of this game: its framebuffer cannot be read (OpenGL error 0x%x)\n", what[kind], error);
}

int grab_begin(grabber *g, const gl_abilities *can, uint64_t frame, grab_kind kind, GLuint framebuffer, area part) {
    picture *p = at(g, frame, kind);
    int depth = kind == GRAB_DEPTH, buffers = has_buffers(can), resolved = 0;
    if (p->filled || frame < g->again[kind]) return p->filled;
    saved s = enter(can, framebuffer);
    if (resolve_needed(can, framebuffer)) {
        resolved = 1;
        if (resolve(&g->resolvers[kind], depth, part)) part.x = part.y = 0;
    }
    void *to = room(p, (size_t)part.width * (size_t)part.height * 4, buffers);
    p->as_integers = depth && can->embedded; /* of OpenGL ES, only extensions read depth, and only some of them floats */
    if (p->bytes > 0)
        gl.ReadPixels(part.x, part.y, part.width, part.height, depth ? GL_DEPTH_COMPONENT : GL_RGBA,
                      !depth ? GL_UNSIGNED_BYTE : p->as_integers ? GL_UNSIGNED_INT : GL_FLOAT, to);
    GLenum error = gl.GetError();
    p->filled = p->bytes > 0 && error == 0;
    if (p->filled) g->failures[kind] = 0;
    else failed(g, frame, kind, error);
    leave(can, framebuffer, &s, resolved);
    return p->filled;
}

const void *grab_look(grabber *g, const gl_abilities *can, uint64_t frame, grab_kind kind, int *as_integers) {
    picture *p = at(g, frame, kind);
    if (!p->filled) return NULL;
    if (as_integers != NULL) *as_integers = p->as_integers;
    if (!has_buffers(can)) return p->memory;
    GLint bound = 0;
    gl.GetIntegerv(GL_PIXEL_PACK_BUFFER_BINDING, &bound);
    gl.BindBuffer(GL_PIXEL_PACK_BUFFER, p->buffer);
    const void *pixels = can->version >= 30 ? gl.MapBufferRange(GL_PIXEL_PACK_BUFFER, 0, (ptrdiff_t)p->bytes, GL_MAP_READ_BIT)
                                            : gl.MapBuffer(GL_PIXEL_PACK_BUFFER, GL_READ_ONLY);
    gl.BindBuffer(GL_PIXEL_PACK_BUFFER, (GLuint)bound);
    p->mapped = pixels != NULL;
    return pixels;
}

void grab_end(grabber *g, const gl_abilities *can, uint64_t frame) {
    GLint bound = 0;
    if (has_buffers(can)) gl.GetIntegerv(GL_PIXEL_PACK_BUFFER_BINDING, &bound);
    for (int k = 0; k < GRAB_KINDS; k++) {
        picture *p = at(g, frame, (grab_kind)k);
        if (p->mapped) {
            gl.BindBuffer(GL_PIXEL_PACK_BUFFER, p->buffer);
            gl.UnmapBuffer(GL_PIXEL_PACK_BUFFER);
        }
        p->mapped = p->filled = 0;
    }
    if (has_buffers(can)) gl.BindBuffer(GL_PIXEL_PACK_BUFFER, (GLuint)bound);
}
