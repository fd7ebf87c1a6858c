/* The smallest game there is: a picture that slides, and its depth. cc -o example example.c realmaster.c */
#define _GNU_SOURCE
#include "realmaster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WIDTH = 64, HEIGHT = 48 };
static volatile sig_atomic_t over;
static rm_ring *ring;

static void stop(int signal_number) {
    (void)signal_number;
    over = 1;
    if (ring != NULL) rm_cancel(ring);
}

static int draw(uint64_t n, uint8_t *pixels, uint16_t *depth) {
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        uint8_t *p = pixels + 4 * i;
        p[0] = (uint8_t)(i % WIDTH + (int)n), p[1] = (uint8_t)(i / WIDTH), p[2] = (uint8_t)n, p[3] = 255;
        depth[i] = 0x3800; /* 0.5 as a half: two metres away */
    }
    rm_frame *frame = rm_begin(ring);
    frame->frame_id = n, frame->t_game = (double)n / 60, frame->dt = 1.0f / 60;
    frame->flags = n == 0 ? RM_RESET : 0;
    int error = rm_put(ring, RM_COLOR, RM_RGBA8, WIDTH, HEIGHT, pixels, 4 * WIDTH);
    if (!error) error = rm_put(ring, RM_DEPTH, RM_INVERSE_Z, WIDTH, HEIGHT, depth, 2 * WIDTH);
    return error ? error : rm_publish(ring);
}

/* example NAME [FRAMES]: publishes FRAMES frames, or until a signal; frame-locked if FRAMES is given. */
int main(int count, char **words) {
    static uint8_t pixels[WIDTH * HEIGHT * 4];
    static uint16_t depth[WIDTH * HEIGHT];
    const struct timespec pause = {0, 16000000};
    uint64_t frames = count > 2 ? strtoull(words[2], NULL, 10) : 0;
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    int error = rm_open(count > 1 ? words[1] : "example", rm_frame_bytes(sizeof pixels + sizeof depth),
                        frames ? RM_FRAMELOCKED : 0, &ring);
    for (uint64_t n = 0; !error && !over && (frames == 0 || n < frames); n++) {
        if (rm_wanted(ring)) error = draw(n, pixels, depth);
        if (!frames) nanosleep(&pause, NULL);
    }
    if (error) fprintf(stderr, "%s\n", rm_error(error));
    rm_close(ring);
    return error != 0;
}
