/* Stands between a game that knows nothing of RealMaster and its OpenGL: LD_PRELOAD=librealmaster-gl.so, with
 * REALMASTER_RING=NAME. Every function here watches and then calls the game's own.
 */
#include "real.h"
#include "window.h"

/* Between glBegin and glEnd, nothing may be asked. */
static __thread int begun __attribute__((tls_model("initial-exec")));

/* Whether this call is the game's, into the window that is watched. */
static int looking(void) { return real_depth == 1 && here != NULL && here->watched; }

static long sum(const GLsizei *counts, GLsizei n) {
    long all = 0;
    for (GLsizei i = 0; i < n; i++) all += counts[i];
    return all;
}

/* A function that draws about so many vertices. */
#define DRAW(name, declared, passed, vertices)                            \
    HOOK(void, name, declared) {                                          \
        void(*real) declared = (void(*) declared)enter(&hook_##name);     \
        if (looking() && !begun) scene_draw(here->scene, vertices);       \
        if (real) real passed;                                            \
        leave();                                                          \
    }

/* Any other function: what is done before the game's own. */
#define WATCH(name, declared, passed, before)                             \
    HOOK(void, name, declared) {                                          \
        void(*real) declared = (void(*) declared)enter(&hook_##name);     \
        if (looking()) before;                                            \
        if (real) real passed;                                            \
        leave();                                                          \
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
DRAW(glDrawArraysInstancedBaseInstance, (GLenum mode, GLint at, GLsizei count, GLsizei times, GLuint first),
     (mode, at, count, times, first), (long)count * times)
DRAW(glDrawElementsInstancedBaseInstance,
     (GLenum mode, GLsizei count, GLenum type, const void *at, GLsizei times, GLuint first),
     (mode, count, type, at, times, first), (long)count * times)
DRAW(glDrawElementsInstancedBaseVertexBaseInstance,
     (GLenum mode, GLsizei count, GLenum type, const void *at, GLsizei times, GLint base, GLuint first),
     (mode, count, type, at, times, base, first), (long)count * times)

HOOK(void, glBegin, (GLenum mode)) {
    void (*real)(GLenum) = (void (*)(GLenum))enter(&hook_glBegin);
    if (looking()) scene_draw(here->scene, 4);
    begun = 1;
    if (real) real(mode);
    leave();
}
HOOK(void, glEnd, (void)) {
    void (*real)(void) = (void (*)(void))enter(&hook_glEnd);
    if (real) real();
    begun = 0;
    leave();
}

/* What is drawn before a framebuffer is bound, a viewport set, a depth cleared. */
WATCH(glBindFramebuffer, (GLenum target, GLuint framebuffer), (target, framebuffer),
      if (target != GL_READ_FRAMEBUFFER) scene_bind(here->scene, framebuffer))
WATCH(glViewport, (GLint x, GLint y, GLsizei width, GLsizei height), (x, y, width, height), scene_viewport(here->scene))
WATCH(glViewportIndexedf, (GLuint at, GLfloat x, GLfloat y, GLfloat width, GLfloat height), (at, x, y, width, height),
      scene_viewport(here->scene))
WATCH(glViewportArrayv, (GLuint first, GLsizei count, const GLfloat *views), (first, count, views), scene_viewport(here->scene))
WATCH(glPopAttrib, (void), (), scene_viewport(here->scene))
WATCH(glBlitFramebuffer,
      (GLint a, GLint b, GLint c, GLint d, GLint e, GLint f, GLint g, GLint h, GLbitfield mask, GLenum filter),
      (a, b, c, d, e, f, g, h, mask, filter),
      if (mask & GL_COLOR_BUFFER_BIT) scene_copy(here->scene, scene_drawing(here->scene)))
WATCH(glClear, (GLbitfield mask), (mask),
      if (mask & GL_DEPTH_BUFFER_BIT) scene_depth_clear(here->scene, scene_drawing(here->scene)))
WATCH(glClearBufferfv, (GLenum what, GLint at, const GLfloat *value), (what, at, value),
      if (what == GL_DEPTH) scene_depth_clear(here->scene, scene_drawing(here->scene)))
WATCH(glClearBufferfi, (GLenum what, GLint at, GLfloat depth, GLint stencil), (what, at, depth, stencil),
      if (what == GL_DEPTH_STENCIL) scene_depth_clear(here->scene, scene_drawing(here->scene)))
WATCH(glClearNamedFramebufferfv, (GLuint in, GLenum what, GLint at, const GLfloat *value), (in, what, at, value),
      if (what == GL_DEPTH) scene_depth_clear(here->scene, in))
WATCH(glClearNamedFramebufferfi, (GLuint in, GLenum what, GLint at, GLfloat depth, GLint stencil),
      (in, what, at, depth, stencil), if (what == GL_DEPTH_STENCIL) scene_depth_clear(here->scene, in))

/* The end of what tiles were drawn for: what is given up cannot be read any more. */
static void give_up(GLsizei count, const GLenum *what) {
    for (GLsizei i = 0; i < count; i++)
        if (what[i] == GL_DEPTH || what[i] == GL_DEPTH_ATTACHMENT || what[i] == GL_DEPTH_STENCIL_ATTACHMENT)
            scene_depth_clear(here->scene, scene_drawing(here->scene));
}
WATCH(glInvalidateFramebuffer, (GLenum target, GLsizei count, const GLenum *what), (target, count, what),
      if (target != GL_READ_FRAMEBUFFER) give_up(count, what))
WATCH(glDiscardFramebufferEXT, (GLenum target, GLsizei count, const GLenum *what), (target, count, what), give_up(count, what))

/* Matrices. */
static void set(GLuint program, GLint at, GLboolean transpose, const GLfloat *values) {
    uniforms_set(scene_uniforms(here->scene), program, at, transpose, values);
}
static GLuint program(void) { return uniforms_program(scene_uniforms(here->scene), scene_abilities(here->scene)); }

WATCH(glUseProgram, (GLuint used), (used), uniforms_use(scene_uniforms(here->scene), used))
WATCH(glLinkProgram, (GLuint linked), (linked), uniforms_linked(scene_uniforms(here->scene), linked))
WATCH(glUniformMatrix4fv, (GLint at, GLsizei count, GLboolean transpose, const GLfloat *values), (at, count, transpose, values),
      if (count == 1) set(program(), at, transpose, values))
WATCH(glProgramUniformMatrix4fv, (GLuint to, GLint at, GLsizei count, GLboolean transpose, const GLfloat *values),
      (to, at, count, transpose, values), if (count == 1) set(to, at, transpose, values))
/* Shaders that were translated from HLSL have their matrices as four vectors. */
WATCH(glUniform4fv, (GLint at, GLsizei count, const GLfloat *values), (at, count, values),
      if (count == 4) set(program(), at, 0, values))

static void written(GLenum target, ptrdiff_t offset, ptrdiff_t bytes, const void *data) {
    GLint buffer = 0;
    if (target != GL_UNIFORM_BUFFER || data == NULL || offset < 0 || bytes < 0) return;
    gl.GetIntegerv(GL_UNIFORM_BUFFER_BINDING, &buffer);
    uniforms_write(scene_uniforms(here->scene), (GLuint)buffer, (size_t)offset, (size_t)bytes, data);
}
WATCH(glBufferData, (GLenum target, ptrdiff_t bytes, const void *data, GLenum usage), (target, bytes, data, usage),
      written(target, 0, bytes, data))
WATCH(glBufferSubData, (GLenum target, ptrdiff_t offset, ptrdiff_t bytes, const void *data), (target, offset, bytes, data),
      written(target, offset, bytes, data))

/* What was wrong before calls of ours is told first. */
HOOK(GLenum, glGetError, (void)) {
    GLenum (*real)(void) = (GLenum(*)(void))enter(&hook_glGetError);
    GLenum error = real_depth == 1 ? gl_error_held() : 0;
    if (error == 0 && real) error = real();
    leave();
    return error;
}

/* Older names of the same functions. */
ALSO(glBindFramebufferEXT, glBindFramebuffer);
ALSO(glBindFramebufferOES, glBindFramebuffer);
ALSO(glBlitFramebufferEXT, glBlitFramebuffer);
ALSO(glDrawRangeElementsEXT, glDrawRangeElements);
ALSO(glMultiDrawArraysEXT, glMultiDrawArrays);
ALSO(glMultiDrawElementsEXT, glMultiDrawElements);
ALSO(glDrawArraysInstancedARB, glDrawArraysInstanced);
ALSO(glDrawArraysInstancedEXT, glDrawArraysInstanced);
ALSO(glDrawElementsInstancedARB, glDrawElementsInstanced);
ALSO(glDrawElementsInstancedEXT, glDrawElementsInstanced);
ALSO(glDrawElementsBaseVertexEXT, glDrawElementsBaseVertex);
ALSO(glDrawElementsBaseVertexOES, glDrawElementsBaseVertex);
ALSO(glUseProgramObjectARB, glUseProgram);
ALSO(glUniformMatrix4fvARB, glUniformMatrix4fv);
ALSO(glUniform4fvARB, glUniform4fv);
