/* Stands between a game that knows nothing of RealMaster and its OpenGL: LD_PRELOAD=librealmaster-gl.so, with
 * REALMASTER_RING=NAME. Every function here watches and then calls the game's own.
 *
 * Games find OpenGL by linking to it, by glXGetProcAddress, eglGetProcAddress, or by dlopen and dlsym (SDL), so all of
 * these are taken over.
 */
#define _GNU_SOURCE
#include "scene.h"
#include "uniforms.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef void *(*lookup)(const char *);
typedef void *(*symbol)(void *, const char *);

gl_functions gl;
static lookup get_proc; /* the game's own glXGetProcAddress or eglGetProcAddress */
static pthread_t drawer;
static int drawer_known;

/* The real dlsym. Its version is that of the oldest glibc of the architecture, which every later one keeps. */
static symbol real_dlsym(void) {
    static symbol real;
    static const char *const versions[] = {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.34", "GLIBC_2.0"};
    for (int i = 0; real == NULL && i < 4; i++) real = (symbol)dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    return real;
}

void *gl_find(const char *name) {
    void *found = real_dlsym()(RTLD_NEXT, name);
    if (found == NULL && get_proc == NULL) {
        void *library = dlopen("libGL.so.1", RTLD_LAZY | RTLD_LOCAL);
        if (library != NULL) get_proc = (lookup)real_dlsym()(library, "glXGetProcAddressARB");
    }
    return found != NULL || get_proc == NULL ? found : get_proc(name);
}

static void need(void *slot, const char *name) {
    if (*(void **)slot == NULL) *(void **)slot = gl_find(name);
}

static int watched(void) { return scene_watched && pthread_equal(drawer, pthread_self()); }

static int draws(void) { return !drawer_known || pthread_equal(drawer, pthread_self()); }

static long sum(const GLsizei *counts, GLsizei n) {
    long all = 0;
    for (GLsizei i = 0; i < n; i++) all += counts[i];
    return all;
}

/* A function that draws about so many vertices. */
#define DRAW(name, declared, passed, vertices)   \
    static void(*real_##name) declared;          \
    EXPORT void name declared {                  \
        need(&real_##name, #name);               \
        if (watched()) scene_before_draw(vertices); \
        real_##name passed;                      \
    }

enum { SOME = 64 }; /* where the number is hidden: in a display list, or in the GPU's memory */

DRAW(glDrawArrays, (GLenum mode, GLint at, GLsizei count), (mode, at, count), count)
DRAW(glDrawElements, (GLenum mode, GLsizei count, GLenum type, const void *at), (mode, count, type, at), count)
DRAW(glDrawRangeElements, (GLenum mode, GLuint from, GLuint to, GLsizei count, GLenum type, const void *at),
     (mode, from, to, count, type, at), count)
DRAW(glDrawElementsBaseVertex, (GLenum mode, GLsizei count, GLenum type, const void *at, GLint base),
     (mode, count, type, at, base), count)
DRAW(glDrawRangeElementsBaseVertex,
     (GLenum mode, GLuint from, GLuint to, GLsizei count, GLenum type, const void *at, GLint base),
     (mode, from, to, count, type, at, base), count)
DRAW(glDrawArraysInstanced, (GLenum mode, GLint at, GLsizei count, GLsizei times), (mode, at, count, times),
     (long)count * times)
DRAW(glDrawElementsInstanced, (GLenum mode, GLsizei count, GLenum type, const void *at, GLsizei times),
     (mode, count, type, at, times), (long)count * times)
DRAW(glDrawElementsInstancedBaseVertex,
     (GLenum mode, GLsizei count, GLenum type, const void *at, GLsizei times, GLint base),
     (mode, count, type, at, times, base), (long)count * times)
DRAW(glMultiDrawArrays, (GLenum mode, const GLint *at, const GLsizei *counts, GLsizei n), (mode, at, counts, n),
     sum(counts, n))
DRAW(glMultiDrawElements, (GLenum mode, const GLsizei *counts, GLenum type, const void *const *at, GLsizei n),
     (mode, counts, type, at, n), sum(counts, n))
DRAW(glMultiDrawElementsBaseVertex,
     (GLenum mode, const GLsizei *counts, GLenum type, const void *const *at, GLsizei n, const GLint *base),
     (mode, counts, type, at, n, base), sum(counts, n))
DRAW(glDrawArraysIndirect, (GLenum mode, const void *at), (mode, at), SOME)
DRAW(glDrawElementsIndirect, (GLenum mode, GLenum type, const void *at), (mode, type, at), SOME)
DRAW(glMultiDrawArraysIndirect, (GLenum mode, const void *at, GLsizei n, GLsizei stride), (mode, at, n, stride),
     (long)SOME * n)
DRAW(glMultiDrawElementsIndirect, (GLenum mode, GLenum type, const void *at, GLsizei n, GLsizei stride),
     (mode, type, at, n, stride), (long)SOME * n)
DRAW(glCallList, (GLuint list), (list), SOME)
DRAW(glCallLists, (GLsizei n, GLenum type, const void *lists), (n, type, lists), (long)SOME * n)
DRAW(glBegin, (GLenum mode), (mode), 4)
DRAW(glBlitFramebuffer,
     (GLint a, GLint b, GLint c, GLint d, GLint e, GLint f, GLint g, GLint h, GLbitfield mask, GLenum filter),
     (a, b, c, d, e, f, g, h, mask, filter), 4)

static void (*real_glBindFramebuffer)(GLenum, GLuint);
EXPORT void glBindFramebuffer(GLenum target, GLuint framebuffer) {
    need(&real_glBindFramebuffer, "glBindFramebuffer");
    if (target != GL_READ_FRAMEBUFFER && draws()) scene_bind(framebuffer);
    real_glBindFramebuffer(target, framebuffer);
}

static void (*real_glClear)(GLbitfield);
EXPORT void glClear(GLbitfield mask) {
    need(&real_glClear, "glClear");
    if (mask & GL_DEPTH_BUFFER_BIT && watched()) scene_before_depth_clear();
    real_glClear(mask);
}

static void (*real_glClearBufferfv)(GLenum, GLint, const GLfloat *);
EXPORT void glClearBufferfv(GLenum what, GLint at, const GLfloat *value) {
    need(&real_glClearBufferfv, "glClearBufferfv");
    if (what == GL_DEPTH && watched()) scene_before_depth_clear();
    real_glClearBufferfv(what, at, value);
}

static void (*real_glClearBufferfi)(GLenum, GLint, GLfloat, GLint);
EXPORT void glClearBufferfi(GLenum what, GLint at, GLfloat depth, GLint stencil) {
    need(&real_glClearBufferfi, "glClearBufferfi");
    if (what == GL_DEPTH_STENCIL && watched()) scene_before_depth_clear();
    real_glClearBufferfi(what, at, depth, stencil);
}

#define OWN(name) *(void **)&gl.name = gl_find("gl" #name)
static void find_all(void) {
    OWN(GetError), OWN(GetString), OWN(GetIntegerv), OWN(GetFloatv), OWN(IsEnabled), OWN(ReadPixels), OWN(ReadBuffer);
    OWN(PixelStorei), OWN(BindFramebuffer), OWN(GenBuffers), OWN(BindBuffer), OWN(BufferData), OWN(MapBuffer);
    OWN(UnmapBuffer), OWN(GetProgramiv), OWN(GetActiveUniformBlockiv), OWN(GetIntegeri_v);
}

/* Programs are followed always, and so are their projections: many are set once and never again. */
static int may_be_projection(const GLfloat *m) { return m[11] == 1 || m[11] == -1 || m[14] == 1 || m[14] == -1; }

static int follows(const GLfloat *m) { return watched() || (may_be_projection(m) && draws()); }

static void (*real_glUseProgram)(GLuint);
EXPORT void glUseProgram(GLuint program) {
    need(&real_glUseProgram, "glUseProgram");
    if (draws()) uniforms_use(program);
    real_glUseProgram(program);
}

static void (*real_glUniformMatrix4fv)(GLint, GLsizei, GLboolean, const GLfloat *);
EXPORT void glUniformMatrix4fv(GLint at, GLsizei count, GLboolean transpose, const GLfloat *values) {
    need(&real_glUniformMatrix4fv, "glUniformMatrix4fv");
    if (count == 1 && follows(values)) uniforms_set(uniforms_program(), at, transpose, values);
    real_glUniformMatrix4fv(at, count, transpose, values);
}

static void (*real_glProgramUniformMatrix4fv)(GLuint, GLint, GLsizei, GLboolean, const GLfloat *);
EXPORT void glProgramUniformMatrix4fv(GLuint program, GLint at, GLsizei count, GLboolean transpose, const GLfloat *values) {
    need(&real_glProgramUniformMatrix4fv, "glProgramUniformMatrix4fv");
    if (count == 1 && follows(values)) uniforms_set(program, at, transpose, values);
    real_glProgramUniformMatrix4fv(program, at, count, transpose, values);
}

/* Shaders that were translated from HLSL have their matrices as four vectors. */
static void (*real_glUniform4fv)(GLint, GLsizei, const GLfloat *);
EXPORT void glUniform4fv(GLint at, GLsizei count, const GLfloat *values) {
    need(&real_glUniform4fv, "glUniform4fv");
    if (count == 4 && follows(values)) uniforms_set(uniforms_program(), at, 0, values);
    real_glUniform4fv(at, count, values);
}

static void written(GLenum target, size_t offset, size_t bytes, const void *data) {
    GLint buffer = 0;
    if (target != GL_UNIFORM_BUFFER || data == NULL || !draws()) return;
    if (gl.GetIntegerv == NULL) find_all();
    gl.GetIntegerv(GL_UNIFORM_BUFFER_BINDING, &buffer);
    uniforms_write((GLuint)buffer, offset, bytes, data);
}

static void (*real_glBufferData)(GLenum, ptrdiff_t, const void *, GLenum);
EXPORT void glBufferData(GLenum target, ptrdiff_t bytes, const void *data, GLenum usage) {
    need(&real_glBufferData, "glBufferData");
    written(target, 0, (size_t)bytes, data);
    real_glBufferData(target, bytes, data, usage);
}

static void (*real_glBufferSubData)(GLenum, ptrdiff_t, ptrdiff_t, const void *);
EXPORT void glBufferSubData(GLenum target, ptrdiff_t offset, ptrdiff_t bytes, const void *data) {
    need(&real_glBufferSubData, "glBufferSubData");
    written(target, (size_t)offset, (size_t)bytes, data);
    real_glBufferSubData(target, offset, bytes, data);
}

static void swap(const char *context_name, int width, int height) {
    static void *(*context)(void);
    if (!drawer_known) {
        find_all();
        *(void **)&context = gl_find(context_name);
    }
    drawer = pthread_self(), drawer_known = 1;
    if (gl.ReadPixels && context) scene_swap(context(), width, height);
}

/* Whether the window's size should be asked for: the X server takes as long to answer as a small frame takes to draw.
 * A game whose window has changed sets another viewport; one that does not is found out within half a second or so. */
static int size_may_differ(void) {
    static GLint last[4];
    static int since;
    GLint view[4] = {0};
    if (gl.GetIntegerv) gl.GetIntegerv(GL_VIEWPORT, view);
    int differs = memcmp(view, last, sizeof view) != 0 || since-- == 0;
    memcpy(last, view, sizeof view);
    if (differs) since = 30;
    return differs;
}

static void (*real_glXSwapBuffers)(void *, unsigned long);
EXPORT void glXSwapBuffers(void *display, unsigned long drawable) {
    static void (*query)(void *, unsigned long, int, unsigned *);
    static unsigned width, height;
    static unsigned long asked;
    need(&real_glXSwapBuffers, "glXSwapBuffers");
    need(&query, "glXQueryDrawable");
    if (query && (size_may_differ() || drawable != asked))
        query(display, drawable, 0x801D /* GLX_WIDTH */, &width), query(display, drawable, 0x801E, &height);
    asked = drawable;
    swap("glXGetCurrentContext", (int)width, (int)height);
    real_glXSwapBuffers(display, drawable);
}

static unsigned (*real_eglSwapBuffers)(void *, void *);
EXPORT unsigned eglSwapBuffers(void *display, void *surface) {
    static unsigned (*query)(void *, void *, int, int *);
    int width = 0, height = 0;
    need(&real_eglSwapBuffers, "eglSwapBuffers");
    need(&query, "eglQuerySurface");
    if (query) query(display, surface, 0x3057 /* EGL_WIDTH */, &width), query(display, surface, 0x3056, &height);
    swap("eglGetCurrentContext", width, height);
    return real_eglSwapBuffers(display, surface);
}

EXPORT void *glXGetProcAddressARB(const GLubyte *name);
EXPORT void *glXGetProcAddress(const GLubyte *name);
EXPORT void *eglGetProcAddress(const char *name);
EXPORT void *dlsym(void *handle, const char *name);
static void *real_glXGetProcAddressARB, *real_glXGetProcAddress, *real_eglGetProcAddress;

#define ENTRY(name) {#name, (void *)name, (void **)&real_##name}
static const struct { const char *name; void *own; void **real; } WRAPPED[] = {
    ENTRY(glDrawArrays), ENTRY(glDrawElements), ENTRY(glDrawRangeElements), ENTRY(glDrawElementsBaseVertex),
    ENTRY(glDrawRangeElementsBaseVertex), ENTRY(glDrawArraysInstanced), ENTRY(glDrawElementsInstanced),
    ENTRY(glDrawElementsInstancedBaseVertex), ENTRY(glMultiDrawArrays), ENTRY(glMultiDrawElements),
    ENTRY(glMultiDrawElementsBaseVertex), ENTRY(glDrawArraysIndirect), ENTRY(glDrawElementsIndirect),
    ENTRY(glMultiDrawArraysIndirect), ENTRY(glMultiDrawElementsIndirect), ENTRY(glCallList), ENTRY(glCallLists),
    ENTRY(glBegin), ENTRY(glBlitFramebuffer), ENTRY(glBindFramebuffer), ENTRY(glClear), ENTRY(glClearBufferfv),
    ENTRY(glClearBufferfi), ENTRY(glUseProgram), ENTRY(glUniformMatrix4fv), ENTRY(glProgramUniformMatrix4fv),
    ENTRY(glUniform4fv), ENTRY(glBufferData), ENTRY(glBufferSubData),
    ENTRY(glXSwapBuffers), ENTRY(eglSwapBuffers), ENTRY(glXGetProcAddress), ENTRY(glXGetProcAddressARB),
    ENTRY(eglGetProcAddress),
    /* older names of the same functions */
    {"glBindFramebufferEXT", (void *)glBindFramebuffer, (void **)&real_glBindFramebuffer},
    {"glBlitFramebufferEXT", (void *)glBlitFramebuffer, (void **)&real_glBlitFramebuffer},
    {"glDrawRangeElementsEXT", (void *)glDrawRangeElements, (void **)&real_glDrawRangeElements},
    {"glMultiDrawArraysEXT", (void *)glMultiDrawArrays, (void **)&real_glMultiDrawArrays},
    {"glMultiDrawElementsEXT", (void *)glMultiDrawElements, (void **)&real_glMultiDrawElements},
    {"glUseProgramObjectARB", (void *)glUseProgram, (void **)&real_glUseProgram},
    {"glUniformMatrix4fvARB", (void *)glUniformMatrix4fv, (void **)&real_glUniformMatrix4fv},
    {"glUniform4fvARB", (void *)glUniform4fv, (void **)&real_glUniform4fv},
};

/* Our function of this name, if there is one, for a game that has found `real`. */
static void *instead(const char *name, void *real) {
    if (real == NULL) return NULL;
    for (size_t i = 0; i < sizeof WRAPPED / sizeof *WRAPPED; i++)
        if (!strcmp(name, WRAPPED[i].name)) {
            if (real != WRAPPED[i].own && *WRAPPED[i].real == NULL) *WRAPPED[i].real = real;
            return WRAPPED[i].own;
        }
    return real;
}

static void *proc(void **real, const char *own, const char *name) {
    need(real, own);
    if (get_proc == NULL) get_proc = (lookup)*real;
    return *real == NULL ? NULL : instead(name, ((lookup)*real)(name));
}

void *glXGetProcAddressARB(const GLubyte *name) {
    return proc(&real_glXGetProcAddressARB, "glXGetProcAddressARB", (const char *)name);
}

void *glXGetProcAddress(const GLubyte *name) {
    return proc(&real_glXGetProcAddress, "glXGetProcAddress", (const char *)name);
}

void *eglGetProcAddress(const char *name) { return proc(&real_eglGetProcAddress, "eglGetProcAddress", name); }

void *dlsym(void *handle, const char *name) {
    /* Anything else goes on as a jump, so that the real one still sees who asked: RTLD_NEXT depends on it. */
    if (strncmp(name, "gl", 2) != 0 && strncmp(name, "egl", 3) != 0) return real_dlsym()(handle, name);
    return instead(name, real_dlsym()(handle, name));
}
