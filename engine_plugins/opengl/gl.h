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
    GL_COLOR_BUFFER_BIT = 0x4000, GL_DEPTH_WRITEMASK = 0x0B72, GL_SCISSOR_TEST = 0x0C11, GL_SCISSOR_BOX = 0x0C10,
    GL_PROJECTION_MATRIX = 0x0BA7, GL_MODELVIEW_MATRIX = 0x0BA6, GL_VIEWPORT = 0x0BA2, GL_VERSION = 0x1F02,
    GL_RGBA = 0x1908, GL_DEPTH_COMPONENT = 0x1902, GL_UNSIGNED_BYTE = 0x1401, GL_UNSIGNED_INT = 0x1405, GL_FLOAT = 0x1406,
    GL_NEAREST = 0x2600, GL_PACK_ROW_LENGTH = 0x0D02, GL_PACK_SKIP_ROWS = 0x0D03, GL_PACK_SKIP_PIXELS = 0x0D04,
    GL_PACK_ALIGNMENT = 0x0D05, GL_PIXEL_PACK_BUFFER = 0x88EB, GL_PIXEL_PACK_BUFFER_BINDING = 0x88ED,
    GL_STREAM_READ = 0x88E1, GL_MAP_READ_BIT = 1, GL_READ_ONLY = 0x88B8, GL_SAMPLE_BUFFERS = 0x80A8,
    GL_FRAMEBUFFER = 0x8D40, GL_FRAMEBUFFER_BINDING = 0x8CA6, GL_READ_FRAMEBUFFER = 0x8CA8, GL_DRAW_FRAMEBUFFER = 0x8CA9,
    GL_READ_FRAMEBUFFER_BINDING = 0x8CAA, GL_RENDERBUFFER = 0x8D41, GL_RENDERBUFFER_BINDING = 0x8CA7,
    GL_COLOR_ATTACHMENT0 = 0x8CE0, GL_DEPTH_ATTACHMENT = 0x8D00, GL_STENCIL_ATTACHMENT = 0x8D20, GL_TEXTURE = 0x1702,
    GL_ATTACHMENT_OBJECT_TYPE = 0x8CD0, GL_ATTACHMENT_OBJECT_NAME = 0x8CD1, GL_RENDERBUFFER_INTERNAL_FORMAT = 0x8D44,
    GL_RENDERBUFFER_STENCIL_SIZE = 0x8D55, GL_TEXTURE_2D_MULTISAMPLE = 0x9100, GL_TEXTURE_BINDING_2D_MULTISAMPLE = 0x9104,
    GL_TEXTURE_INTERNAL_FORMAT = 0x1003, GL_FRAMEBUFFER_COMPLETE = 0x8CD5, GL_DEPTH_STENCIL_ATTACHMENT = 0x821A,
    GL_CONTEXT_PROFILE_MASK = 0x9126, GL_CORE_PROFILE = 1, GL_DEPTH = 0x1801, GL_DEPTH_STENCIL = 0x84F9,
    GL_CLIP_DEPTH_MODE = 0x935D, GL_ZERO_TO_ONE = 0x935F, GL_CURRENT_PROGRAM = 0x8B8D, GL_ACTIVE_UNIFORMS = 0x8B86,
    GL_FLOAT_MAT4 = 0x8B5C, GL_FLOAT_VEC4 = 0x8B52, GL_UNIFORM_BUFFER = 0x8A11, GL_UNIFORM_BUFFER_BINDING = 0x8A28,
    GL_ACTIVE_UNIFORM_BLOCKS = 0x8A36, GL_UNIFORM_BLOCK_BINDING = 0x8A3F, GL_COPY_READ_BUFFER = 0x8F36,
    GL_BUFFER_SIZE = 0x8764
};

/* The game's own functions, never our wrappers; NULL where the process has none. */
typedef struct gl_functions {
    GLenum (*GetError)(void);
    const GLubyte *(*GetString)(GLenum);
    void (*GetIntegerv)(GLenum, GLint *);
    void (*GetFloatv)(GLenum, GLfloat *);
    void (*GetBooleanv)(GLenum, GLboolean *);
    GLboolean (*IsEnabled)(GLenum);
    void (*Enable)(GLenum);
    void (*Disable)(GLenum);
    void (*ReadPixels)(GLint, GLint, GLsizei, GLsizei, GLenum, GLenum, void *);
    void (*ReadBuffer)(GLenum);
    void (*PixelStorei)(GLenum, GLint);
    void (*BindTexture)(GLenum, GLuint);
    void (*GetTexLevelParameteriv)(GLenum, GLint, GLenum, GLint *);
    void (*BindFramebuffer)(GLenum, GLuint);
    void (*GenFramebuffers)(GLsizei, GLuint *);
    GLenum (*CheckFramebufferStatus)(GLenum);
    void (*FramebufferRenderbuffer)(GLenum, GLenum, GLenum, GLuint);
    void (*GetFramebufferAttachmentParameteriv)(GLenum, GLenum, GLenum, GLint *);
    void (*BlitFramebuffer)(GLint, GLint, GLint, GLint, GLint, GLint, GLint, GLint, GLbitfield, GLenum);
    void (*GenRenderbuffers)(GLsizei, GLuint *);
    void (*BindRenderbuffer)(GLenum, GLuint);
    void (*RenderbufferStorage)(GLenum, GLenum, GLsizei, GLsizei);
    void (*GetRenderbufferParameteriv)(GLenum, GLenum, GLint *);
    void (*GenBuffers)(GLsizei, GLuint *);
    void (*BindBuffer)(GLenum, GLuint);
    void (*BufferData)(GLenum, ptrdiff_t, const void *, GLenum);
    void *(*MapBuffer)(GLenum, GLenum);
    void *(*MapBufferRange)(GLenum, ptrdiff_t, ptrdiff_t, GLbitfield);
    GLboolean (*UnmapBuffer)(GLenum);
    void (*GetBufferParameteriv)(GLenum, GLenum, GLint *);
    void (*GetBufferSubData)(GLenum, ptrdiff_t, ptrdiff_t, void *);
    void (*GetProgramiv)(GLuint, GLenum, GLint *);
    void (*GetActiveUniform)(GLuint, GLuint, GLsizei, GLsizei *, GLint *, GLenum *, char *);
    GLint (*GetUniformLocation)(GLuint, const char *);
    void (*GetUniformfv)(GLuint, GLint, GLfloat *);
    void (*GetActiveUniformBlockiv)(GLuint, GLuint, GLenum, GLint *);
    void (*GetIntegeri_v)(GLenum, GLuint, GLint *);
} gl_functions;

extern gl_functions gl;

/* What the current context can do. The process has functions that a context of an older version must not be asked with. */
typedef struct gl_abilities {
    int embedded; /* OpenGL ES */
    int version;  /* 10 * major + minor */
    int stack;    /* of matrices */
} gl_abilities;

gl_abilities gl_look(void);
static inline int gl_since(const gl_abilities *can, int desktop, int embedded) {
    return can->version >= (can->embedded ? embedded : desktop);
}

/* Finds all of `gl`; does nothing the second time. */
void gl_find_all(void);

/* Around calls of ours that may go wrong: what the game did wrong before them is held for it, and what we did is dropped. */
void gl_errors_hold(void);
void gl_errors_drop(void);
/* The error that is held for the game in this thread, which is not held any more. 0 if there is none. */
GLenum gl_error_held(void);

#endif
