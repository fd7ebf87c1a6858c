/* A game for the capture library to be tried on: a floor of posts round which a camera goes, in the way that argv[1] says.
 * cc game.c -lGL -lEGL -lX11 -lpthread -lm; game WAY [FRAMES]. Ends with 3 if OpenGL found an error that it did not make.
 */
#define GL_GLEXT_PROTOTYPES
#define _GNU_SOURCE
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GL/gl.h>
#include <GL/glext.h>
#include <GL/glx.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WIDTH = 640, HEIGHT = 360 };

static const char *way;
static int frames = 120, embedded;
static Display *display;
static Window window[2];
static GLXContext context[2];
static EGLDisplay screen;
static EGLSurface surface;
static EGLContext es;
static GLuint program, flat_program, buffer, framebuffer, depth, color;
static GLint at_projection, at_view;
static void (*swap)(Display *, GLXDrawable) = glXSwapBuffers;

static int is(const char *name) { return !strcmp(way, name); }

static const char *VERTEX = "attribute vec3 at; uniform mat4 projection, view; varying vec3 tint;\n"
    "void main() { tint = fract(at * vec3(0.37, 0.5, 0.23)) * 0.8 + 0.2;\n"
    "  gl_Position = projection * view * vec4(at, 1.0); }\n";
static const char *FLAT = "attribute vec3 at; varying vec3 tint;\n"
    "void main() { tint = vec3(1.0, 1.0, 0.0); gl_Position = vec4(at.xz * 0.02 - 0.7, 0.0, 1.0); }\n";
static const char *FRAGMENT = "#ifdef GL_ES\nprecision mediump float;\n#endif\n"
    "varying vec3 tint; void main() { gl_FragColor = vec4(tint, 1.0); }\n";

static void compile(GLuint program, GLenum kind, const char *text) {
    GLuint shader = glCreateShader(kind);
    glShaderSource(shader, 1, &text, NULL);
    glCompileShader(shader);
    glAttachShader(program, shader);
}

static GLuint linked(const char *vertex) {
    GLuint made = glCreateProgram();
    compile(made, GL_VERTEX_SHADER, vertex);
    compile(made, GL_FRAGMENT_SHADER, FRAGMENT);
    glBindAttribLocation(made, 0, "at");
    glLinkProgram(made);
    return made;
}

/* Posts, and the floor that they stand on: triangles. */
static int corners;
static void build(void) {
    static GLfloat all[20000];
    GLfloat *to = all;
#define PUT(a, b, c) *to++ = a, *to++ = b, *to++ = c
#define QUAD(a, b, c, d, e, f, g, h, i, j, k, l) PUT(a, b, c), PUT(d, e, f), PUT(g, h, i), PUT(a, b, c), PUT(g, h, i), PUT(j, k, l)
    for (int x = -10; x < 10; x += 2)
        for (int z = -10; z < 10; z += 2) {
            QUAD(x, 0, z, x + 2, 0, z, x + 2, 0, z + 2, x, 0, z + 2);
            float high = (float)((x * 7 + z * 3) & 3);
            QUAD(x, 0, z, x + .5f, 0, z, x + .5f, high, z, x, high, z);
            QUAD(x, 0, z, x, 0, z + .5f, x, high, z + .5f, x, high, z);
        }
    corners = (int)(to - all) / 3;
    glGenBuffers(1, &buffer);
    glBindBuffer(GL_ARRAY_BUFFER, buffer);
    glBufferData(GL_ARRAY_BUFFER, (char *)to - (char *)all, all, GL_STATIC_DRAW);
    glEnableVertexAttribArray(0);
    glVertexAttribPointer(0, 3, GL_FLOAT, GL_FALSE, 0, NULL);
}

static void look(float angle) {
    float c = cosf(angle), s = sinf(angle), n = 0.5f, f = 50;
    float wide = is("split") ? 0.5f : 1, up = 1.5f;
    GLfloat p[16] = {up * HEIGHT / (WIDTH * wide), 0, 0, 0, 0, up, 0, 0, 0, 0, (n + f) / (n - f), -1, 0, 0, 2 * n * f / (n - f), 0};
    GLfloat v[16] = {c, 0, s, 0, 0, 1, 0, 0, -s, 0, c, 0, 0, -1.7f, -6, 1};
    glUniformMatrix4fv(at_projection, 1, GL_FALSE, p);
    glUniformMatrix4fv(at_view, 1, GL_FALSE, v);
}

static void prepare(void) {
    program = linked(VERTEX), flat_program = linked(FLAT);
    at_projection = glGetUniformLocation(program, "projection"), at_view = glGetUniformLocation(program, "view");
    build();
    glUseProgram(program);
    look(0.3f);
    glEnable(GL_DEPTH_TEST);
    glClearColor(0.4f, 0.6f, 0.9f, 1);
}

/* A framebuffer of the game's own. */
static void own_framebuffer(int samples, int with_depth) {
    glGenFramebuffers(1, &framebuffer);
    glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
    glGenRenderbuffers(1, &color), glGenRenderbuffers(1, &depth);
    glBindRenderbuffer(GL_RENDERBUFFER, color);
    glRenderbufferStorageMultisample(GL_RENDERBUFFER, samples, GL_RGBA8, WIDTH, HEIGHT);
    glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, color);
    glBindRenderbuffer(GL_RENDERBUFFER, depth);
    glRenderbufferStorageMultisample(GL_RENDERBUFFER, samples, GL_DEPTH24_STENCIL8, WIDTH, HEIGHT);
    if (with_depth) glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_STENCIL_ATTACHMENT, GL_RENDERBUFFER, depth);
}

static void draw_flat(void) {
    glDisable(GL_DEPTH_TEST);
    glUseProgram(flat_program);
    glDrawArrays(GL_TRIANGLES, 0, 90);
    glUseProgram(program);
    glEnable(GL_DEPTH_TEST);
}

static void draw_world(void) {
    if (is("nodepth")) glDisable(GL_DEPTH_TEST);
    glDrawArrays(GL_TRIANGLES, 0, corners);
    glEnable(GL_DEPTH_TEST);
}

static void draw_views(void) {
    if (is("split")) { /* two players */
        for (int i = 0; i < 2; i++) {
            glViewport(i * WIDTH / 2, 0, WIDTH / 2, HEIGHT);
            draw_world();
        }
        glViewport(0, 0, WIDTH, HEIGHT);
        return;
    }
    if (is("offset")) glViewport(0, 28, WIDTH, HEIGHT);
    draw_world();
    if (is("offset")) glViewport(0, 0, WIDTH, HEIGHT);
}

static void draw(int frame) {
    int own = is("samples") || is("late");
    if (own) glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
    if (is("late") && frame == 40)
        glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_STENCIL_ATTACHMENT, GL_RENDERBUFFER, depth);
    if (is("flats") && frame % 5 == 0)
        for (int i = 0; i < 3; i++) draw_flat();
    glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
    if (!is("once")) look(0.02f * (float)frame);
    draw_views();
    if (own) {
        glBindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer);
        glBindFramebuffer(GL_DRAW_FRAMEBUFFER, 0);
        glBlitFramebuffer(0, 0, WIDTH, HEIGHT, 0, 0, WIDTH, HEIGHT, GL_COLOR_BUFFER_BIT, GL_NEAREST);
        glBindFramebuffer(GL_FRAMEBUFFER, 0);
    }
    draw_flat();
}

/* Every third frame makes one error before it is shown, and must find that one after it, and no other. */
static void show(int frame) {
    int wrong = frame % 3 == 0;
    if (wrong) glEnable(0xFFFF);
    if (!embedded) swap(display, window[0]);
    else if (is("damage")) {
        static PFNEGLSWAPBUFFERSWITHDAMAGEKHRPROC with_damage;
        if (!with_damage) with_damage = (PFNEGLSWAPBUFFERSWITHDAMAGEKHRPROC)eglGetProcAddress("eglSwapBuffersWithDamageKHR");
        EGLint all[] = {0, 0, WIDTH, HEIGHT};
        if (with_damage) with_damage(screen, surface, all, 1);
        else eglSwapBuffers(screen, surface);
    } else eglSwapBuffers(screen, surface);
    GLenum found = glGetError();
    if (found != (wrong ? GL_INVALID_ENUM : 0) || glGetError() != 0) {
        fprintf(stderr, "frame %d: OpenGL error 0x%x\n", frame, found);
        _exit(3);
    }
}

static void second_window(void) {
    glXMakeCurrent(display, window[1], context[1]);
    glClearColor(1, 0, 0, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    glXSwapBuffers(display, window[1]);
    glXMakeCurrent(display, window[0], context[0]);
}

static void *play(void *unused) {
    if (!embedded) glXMakeCurrent(display, window[0], context[0]);
    prepare();
    if (is("samples")) own_framebuffer(4, 1);
    if (is("late")) own_framebuffer(0, 0);
    for (int frame = 1; frame != frames; frame++) {
        draw(frame);
        show(frame);
        if (is("windows")) second_window();
        if (is("none")) {
            glXMakeCurrent(display, None, NULL);
            glXMakeCurrent(display, window[0], context[0]);
        }
        if (is("fork") && frame % 20 == 0) {
            pid_t child = fork();
            if (child == 0) exit(0);
            waitpid(child, NULL, 0);
        }
    }
    return unused;
}

static void open_glx(void) {
    int wanted[] = {GLX_RGBA, GLX_DOUBLEBUFFER, GLX_DEPTH_SIZE, 24, None};
    XVisualInfo *visual = glXChooseVisual(display, DefaultScreen(display), wanted);
    XSetWindowAttributes how = {.colormap = XCreateColormap(display, DefaultRootWindow(display), visual->visual, AllocNone)};
    for (int i = 0; i < 2; i++) {
        window[i] = XCreateWindow(display, DefaultRootWindow(display), 0, 0, WIDTH, HEIGHT, 0, visual->depth, InputOutput,
                                  visual->visual, CWColormap, &how);
        context[i] = glXCreateContext(display, visual, NULL, True);
        if (i == 0 || is("windows")) XMapWindow(display, window[i]);
    }
}

static void open_egl(void) {
    EGLint wanted[] = {EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT, EGL_DEPTH_SIZE, 24, EGL_RED_SIZE, 8, EGL_NONE};
    EGLint version[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE}, count = 0;
    EGLConfig config;
    screen = eglGetDisplay((EGLNativeDisplayType)display);
    eglInitialize(screen, NULL, NULL);
    eglChooseConfig(screen, wanted, &config, 1, &count);
    eglBindAPI(EGL_OPENGL_ES_API);
    window[0] = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, WIDTH, HEIGHT, 0, 0, 0);
    XMapWindow(display, window[0]);
    surface = eglCreateWindowSurface(screen, config, window[0], NULL);
    es = eglCreateContext(screen, config, EGL_NO_CONTEXT, version);
    eglMakeCurrent(screen, surface, surface, es);
}

int main(int count, char **words) {
    pthread_t other;
    way = count > 1 ? words[1] : "plain";
    if (count > 2) frames = atoi(words[2]);
    embedded = is("es") || is("damage");
    XInitThreads();
    display = XOpenDisplay(NULL);
    if (display == NULL) return 2;
    if (embedded) open_egl();
    else open_glx();
    if (is("dlsym")) *(void **)&swap = dlsym(dlopen("libGL.so.1", RTLD_LAZY), "glXSwapBuffers"); /* as SDL does */
    if (is("thread")) {
        glXMakeCurrent(display, window[1], context[1]); /* as a launcher that has looked at what OpenGL can do */
        glXMakeCurrent(display, None, NULL);
        pthread_create(&other, NULL, play, NULL);
        pthread_join(other, NULL);
    } else play(NULL);
    return 0;
}
