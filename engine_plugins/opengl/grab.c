#include "grab.h"

#include <stdlib.h>

typedef struct picture {
    GLuint buffer;
    size_t bytes; /* of the buffer, or of `memory` where there are no pixel buffer objects */
    void *memory;
    int filled, mapped;
} picture;

static picture pictures[IN_FLIGHT][GRAB_KINDS];
static int no_depth; /* this context refuses to read depth, as OpenGL ES does */

static picture *at(uint64_t frame, enum grab_kind kind) { return &pictures[frame % IN_FLIGHT][kind]; }

void grab_reset(void) {
    no_depth = 0;
    for (int i = 0; i < IN_FLIGHT; i++)
        for (int k = 0; k < GRAB_KINDS; k++) {
            free(pictures[i][k].memory);
            pictures[i][k] = (picture){0};
        }
}

static int has_buffers(void) { return gl.GenBuffers && gl.BindBuffer && gl.BufferData && gl.MapBuffer && gl.UnmapBuffer; }

/* With the buffer bound, if there are any. Returns where the pixels go. */
static void *room(picture *p, size_t bytes) {
    if (!has_buffers()) {
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

static const GLenum PACKING[] = {GL_PACK_ROW_LENGTH, GL_PACK_SKIP_ROWS, GL_PACK_SKIP_PIXELS, GL_PACK_ALIGNMENT};

static saved enter(GLuint framebuffer) {
    saved s = {0};
    for (int i = 0; i < 4; i++) {
        gl.GetIntegerv(PACKING[i], &s.pack[i]);
        gl.PixelStorei(PACKING[i], i == 3 ? 4 : 0);
    }
    if (has_buffers()) gl.GetIntegerv(GL_PIXEL_PACK_BUFFER_BINDING, &s.buffer);
    if (gl.BindFramebuffer) {
        gl.GetIntegerv(GL_READ_FRAMEBUFFER_BINDING, &s.framebuffer);
        if ((GLuint)s.framebuffer != framebuffer) gl.BindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer);
    }
    if (framebuffer == 0 && gl.ReadBuffer) {
        gl.GetIntegerv(GL_READ_BUFFER, &s.read_buffer);
        if (s.read_buffer != GL_BACK) gl.ReadBuffer(GL_BACK);
    }
    return s;
}

static void leave(GLuint framebuffer, const saved *s) {
    if (framebuffer == 0 && gl.ReadBuffer && s->read_buffer != GL_BACK) gl.ReadBuffer((GLenum)s->read_buffer);
    if (gl.BindFramebuffer && (GLuint)s->framebuffer != framebuffer)
        gl.BindFramebuffer(GL_READ_FRAMEBUFFER, (GLuint)s->framebuffer);
    if (has_buffers()) gl.BindBuffer(GL_PIXEL_PACK_BUFFER, (GLuint)s->buffer);
    for (int i = 0; i < 4; i++) gl.PixelStorei(PACKING[i], s->pack[i]);
}

static void clear_errors(void) {
    for (int i = 0; i < 16 && gl.GetError() != 0; i++) {}
}

int grab_begin(uint64_t frame, enum grab_kind kind, GLuint framebuffer, int width, int height) {
    picture *p = at(frame, kind);
    int depth = kind == GRAB_DEPTH;
    if (p->filled || (depth && no_depth)) return p->filled;
    clear_errors();
    saved s = enter(framebuffer);
    void *to = room(p, (size_t)width * (size_t)height * 4);
    if (to != NULL || has_buffers())
        gl.ReadPixels(0, 0, width, height, depth ? GL_DEPTH_COMPONENT : GL_RGBA, depth ? GL_FLOAT : GL_UNSIGNED_BYTE, to);
    p->filled = p->bytes > 0 && gl.GetError() == 0;
    if (depth && !p->filled) no_depth = 1;
    leave(framebuffer, &s);
    clear_errors();
    return p->filled;
}

const void *grab_look(uint64_t frame, enum grab_kind kind) {
    picture *p = at(frame, kind);
    if (!p->filled) return NULL;
    if (!has_buffers()) return p->memory;
    GLint bound = 0;
    gl.GetIntegerv(GL_PIXEL_PACK_BUFFER_BINDING, &bound);
    gl.BindBuffer(GL_PIXEL_PACK_BUFFER, p->buffer);
    const void *pixels = gl.MapBuffer(GL_PIXEL_PACK_BUFFER, GL_READ_ONLY);
    gl.BindBuffer(GL_PIXEL_PACK_BUFFER, (GLuint)bound);
    p->mapped = pixels != NULL;
    return pixels;
}

void grab_end(uint64_t frame) {
    GLint bound = 0;
    if (has_buffers()) gl.GetIntegerv(GL_PIXEL_PACK_BUFFER_BINDING, &bound);
    for (int k = 0; k < GRAB_KINDS; k++) {
        picture *p = at(frame, (enum grab_kind)k);
        if (p->mapped) {
            gl.BindBuffer(GL_PIXEL_PACK_BUFFER, p->buffer);
            gl.UnmapBuffer(GL_PIXEL_PACK_BUFFER);
        }
        p->mapped = p->filled = 0;
    }
    if (has_buffers()) gl.BindBuffer(GL_PIXEL_PACK_BUFFER, (GLuint)bound);
}
