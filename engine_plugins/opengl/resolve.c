#include "resolve.h"

/* In the format of the game's picture: nothing else may be resolved into. */
static GLint format_of(GLenum attachment) {
    GLint type = 0, name = 0, format = 0, before = 0;
    gl.GetFramebufferAttachmentParameteriv(GL_READ_FRAMEBUFFER, attachment, GL_ATTACHMENT_OBJECT_TYPE, &type);
    gl.GetFramebufferAttachmentParameteriv(GL_READ_FRAMEBUFFER, attachment, GL_ATTACHMENT_OBJECT_NAME, &name);
    if (type == GL_RENDERBUFFER) {
        gl.GetIntegerv(GL_RENDERBUFFER_BINDING, &before);
        gl.BindRenderbuffer(GL_RENDERBUFFER, (GLuint)name);
        gl.GetRenderbufferParameteriv(GL_RENDERBUFFER, GL_RENDERBUFFER_INTERNAL_FORMAT, &format);
        gl.BindRenderbuffer(GL_RENDERBUFFER, (GLuint)before);
    } else if (type == GL_TEXTURE && gl.GetTexLevelParameteriv) {
        gl.GetIntegerv(GL_TEXTURE_BINDING_2D_MULTISAMPLE, &before);
        gl.BindTexture(GL_TEXTURE_2D_MULTISAMPLE, (GLuint)name);
        gl.GetTexLevelParameteriv(GL_TEXTURE_2D_MULTISAMPLE, 0, GL_TEXTURE_INTERNAL_FORMAT, &format);
        gl.BindTexture(GL_TEXTURE_2D_MULTISAMPLE, (GLuint)before);
    }
    return format;
}

int resolve_needed(const gl_abilities *can, GLuint framebuffer) {
    GLint several = 0, drawn = 0;
    if (framebuffer == 0 || !gl_since(can, 30, 30) || !gl.BlitFramebuffer) return 0;
    gl.GetIntegerv(GL_FRAMEBUFFER_BINDING, &drawn);
    if ((GLuint)drawn != framebuffer) gl.BindFramebuffer(GL_DRAW_FRAMEBUFFER, framebuffer); /* of which alone it is known */
    gl.GetIntegerv(GL_SAMPLE_BUFFERS, &several);
    if ((GLuint)drawn != framebuffer) gl.BindFramebuffer(GL_DRAW_FRAMEBUFFER, (GLuint)drawn);
    return several > 0;
}

/* Our framebuffer, bound for drawing, with one picture of this format and size. */
static int prepare(resolver *r, GLenum attachment, GLint format, area part) {
    GLint bound = 0;
    if (r->framebuffer == 0) gl.GenFramebuffers(1, &r->framebuffer), gl.GenRenderbuffers(1, &r->renderbuffer);
    gl.BindFramebuffer(GL_DRAW_FRAMEBUFFER, r->framebuffer);
    if (format == r->format && part.width == r->width && part.height == r->height) return 1;
    gl.GetIntegerv(GL_RENDERBUFFER_BINDING, &bound);
    gl.BindRenderbuffer(GL_RENDERBUFFER, r->renderbuffer);
    gl.RenderbufferStorage(GL_RENDERBUFFER, (GLenum)format, part.width, part.height);
    gl.BindRenderbuffer(GL_RENDERBUFFER, (GLuint)bound);
    gl.FramebufferRenderbuffer(GL_DRAW_FRAMEBUFFER, attachment, GL_RENDERBUFFER, r->renderbuffer);
    int done = gl.CheckFramebufferStatus(GL_DRAW_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE;
    r->format = done ? format : 0, r->width = part.width, r->height = part.height;
    return done;
}

int resolve(resolver *r, int depth, area part) {
    GLint drawn = 0;
    GLint format = format_of(depth ? GL_DEPTH_ATTACHMENT : GL_COLOR_ATTACHMENT0);
    if (format == 0) return 0;
    gl.GetIntegerv(GL_FRAMEBUFFER_BINDING, &drawn);
    int done = prepare(r, depth ? GL_DEPTH_ATTACHMENT : GL_COLOR_ATTACHMENT0, format, part);
    if (done) {
        int cut = gl.IsEnabled(GL_SCISSOR_TEST);
        if (cut) gl.Disable(GL_SCISSOR_TEST);
        gl.BlitFramebuffer(part.x, part.y, part.x + part.width, part.y + part.height, 0, 0, part.width, part.height,
                           depth ? GL_DEPTH_BUFFER_BIT : GL_COLOR_BUFFER_BIT, GL_NEAREST);
        if (cut) gl.Enable(GL_SCISSOR_TEST);
        gl.BindFramebuffer(GL_READ_FRAMEBUFFER, r->framebuffer);
    }
    gl.BindFramebuffer(GL_DRAW_FRAMEBUFFER, (GLuint)drawn);
    return done;
}
