#include "gl.h"

#include "real.h"

#include <string.h>

gl_functions gl;

#define OWN(name) *(void **)&gl.name = real_find("gl" #name)
void gl_find_all(void) {
    if (gl.ReadPixels != NULL) return;
    OWN(GetError), OWN(GetString), OWN(GetIntegerv), OWN(GetFloatv), OWN(GetBooleanv), OWN(IsEnabled), OWN(Enable);
    OWN(Disable), OWN(ReadBuffer), OWN(PixelStorei), OWN(BindTexture), OWN(GetTexLevelParameteriv), OWN(BindFramebuffer);
    OWN(GenFramebuffers), OWN(CheckFramebufferStatus), OWN(FramebufferRenderbuffer);
    OWN(GetFramebufferAttachmentParameteriv), OWN(BlitFramebuffer), OWN(GenRenderbuffers), OWN(BindRenderbuffer);
    OWN(RenderbufferStorage), OWN(GetRenderbufferParameteriv), OWN(GenBuffers), OWN(BindBuffer), OWN(BufferData);
    OWN(MapBuffer), OWN(MapBufferRange), OWN(UnmapBuffer), OWN(GetBufferParameteriv), OWN(GetBufferSubData);
    OWN(GetProgramiv), OWN(GetActiveUniform), OWN(GetUniformLocation), OWN(GetUniformfv), OWN(GetActiveUniformBlockiv);
    OWN(GetIntegeri_v), OWN(ReadPixels);
}

gl_abilities gl_look(void) {
    static const char EMBEDDED[] = "OpenGL ES";
    gl_abilities can = {0};
    GLint mask = 0;
    const char *version = (const char *)gl.GetString(GL_VERSION);
    if (version == NULL) return can;
    can.embedded = !strncmp(version, EMBEDDED, sizeof EMBEDDED - 1);
    version += strcspn(version, "0123456789"); /* "OpenGL ES 3.2", "OpenGL ES-CM 1.1", "4.5 (Core Profile)" */
    if (version[0] != 0 && version[1] == '.') can.version = 10 * (version[0] - '0') + version[2] - '0';
    if (!can.embedded && can.version >= 32) gl.GetIntegerv(GL_CONTEXT_PROFILE_MASK, &mask);
    can.stack = can.embedded ? can.version < 20 : !(mask & GL_CORE_PROFILE);
    return can;
}

static __thread GLenum held;

void gl_errors_hold(void) {
    GLenum error;
    for (int i = 0; i < 16 && (error = gl.GetError()) != 0; i++)
        if (held == 0) held = error;
}

void gl_errors_drop(void) {
    for (int i = 0; i < 16 && gl.GetError() != 0; i++) {}
}

GLenum gl_error_held(void) {
    GLenum error = held;
    held = 0;
    return error;
}
