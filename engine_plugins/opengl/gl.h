/* The part of OpenGL that the capture library calls itself. Declared here, so that it compiles without GL's headers. */
#ifndef REALMASTER_GL_H
#define REALMASTER_GL_H

#include <stddef.h>
#include <stdint.h>

typedef unsigned int GLenum, GLuint, GLbitfield;
typedef int GLint, GLsizei;
typedef float GLfloat;
typedef unsigned char GLboolean, GLubyte;

enum {
    GL_BACK = 0x0405, GL_READ_BUFFER = 0x0C02, GL_DEPTH_TEST = 0x0B71, GL_DEPTH_BUFFER_BIT = 0x0100,
    GL_PROJECTION_MATRIX = 0x0BA7, GL_MODELVIEW_MATRIX = 0x0BA6, GL_VIEWPORT = 0x0BA2, GL_VERSION = 0x1F02,
    GL_RGBA = 0x1908, GL_DEPTH_COMPONENT = 0x1902, GL_UNSIGNED_BYTE = 0x1401, GL_FLOAT = 0x1406,
    GL_PACK_ROW_LENGTH = 0x0D02, GL_PACK_SKIP_ROWS = 0x0D03, GL_PACK_SKIP_PIXELS = 0x0D04, GL_PACK_ALIGNMENT = 0x0D05,
    GL_PIXEL_PACK_BUFFER = 0x88EB, GL_PIXEL_PACK_BUFFER_BINDING = 0x88ED, GL_STREAM_READ = 0x88E1,
    GL_READ_ONLY = 0x88B8, GL_FRAMEBUFFER = 0x8D40, GL_READ_FRAMEBUFFER = 0x8CA8, GL_DRAW_FRAMEBUFFER = 0x8CA9,
    GL_READ_FRAMEBUFFER_BINDING = 0x8CAA, GL_CONTEXT_PROFILE_MASK = 0x9126, GL_CORE_PROFILE = 1, GL_DEPTH = 0x1801,
    GL_DEPTH_STENCIL = 0x84F9,
    GL_UNIFORM_BUFFER = 0x8A11, GL_UNIFORM_BUFFER_BINDING = 0x8A28, GL_ACTIVE_UNIFORM_BLOCKS = 0x8A36,
    GL_UNIFORM_BLOCK_BINDING = 0x8A3F
};

/* The game's own functions, never our wrappers; NULL where the context has none. */
typedef struct gl_functions {
    GLenum (*GetError)(void);
    const GLubyte *(*GetString)(GLenum);
    void (*GetIntegerv)(GLenum, GLint *);
    void (*GetFloatv)(GLenum, GLfloat *);
    GLboolean (*IsEnabled)(GLenum);
    void (*ReadPixels)(GLint, GLint, GLsizei, GLsizei, GLenum, GLenum, void *);
    void (*ReadBuffer)(GLenum);
    void (*PixelStorei)(GLenum, GLint);
    void (*BindFramebuffer)(GLenum, GLuint);
    void (*GenBuffers)(GLsizei, GLuint *);
    void (*BindBuffer)(GLenum, GLuint);
    void (*BufferData)(GLenum, ptrdiff_t, const void *, GLenum);
    void *(*MapBuffer)(GLenum, GLenum);
    GLboolean (*UnmapBuffer)(GLenum);
    void (*GetProgramiv)(GLuint, GLenum, GLint *);
    void (*GetActiveUniformBlockiv)(GLuint, GLuint, GLenum, GLint *);
    void (*GetIntegeri_v)(GLenum, GLuint, GLint *);
} gl_functions;

extern gl_functions gl;

/* A function of the game's OpenGL by name; NULL if it has none. */
void *gl_find(const char *name);

#endif
