/* What an engine hands to RealMaster, and how: see engine_plugins/PROTOCOL.md. C11, no dependencies, Linux.
 *
 *     rm_ring *ring;
 *     int error = rm_open("mygame", rm_frame_bytes(width * height * 4 + width * height * 2), 0, &ring);
 *     for each frame:
 *         if (!rm_wanted(ring)) continue;                // nobody reads: no readback, no cost
 *         rm_frame *frame = rm_begin(ring);              // zeroed; fill in what you know
 *         frame->frame_id = n; frame->t_game = seconds; frame->dt = step;
 *         rm_put(ring, RM_COLOR, RM_RGBA8, width, height, pixels, width * 4);
 *         rm_put(ring, RM_DEPTH, RM_INVERSE_Z, width, height, halves, width * 2);
 *         rm_publish(ring);
 *     rm_close(ring);
 *
 * All functions return 0 or a negative code, which rm_error puts into words. One thread at a time.
 */
#ifndef REALMASTER_H
#define REALMASTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define RM_ASSERT(what) static_assert(what, #what)
#else
#define RM_ASSERT(what) _Static_assert(what, #what)
#endif

enum { RM_FRAME_MAGIC = 0x31464D52, RM_RING_MAGIC = 0x31524D52, RM_VERSION = 1, RM_MAX_BUFFERS = 16, RM_MAX_SIDE = 8192 };

enum rm_kind { RM_COLOR = 1, RM_SCENE_COLOR, RM_DEPTH, RM_MOTION, RM_NORMAL, RM_OBJECT_ID };
/* Bytes a pixel: RGBA8 4, INVERSE_Z 2 (half, 1/m), LINEAR_Z 4 (float, m), PIXELS 4 (2 halves), WORLD_XYZ0 8 (4 halves),
 * INDEX 4. COLOR and SCENE_COLOR are RGBA8, DEPTH is INVERSE_Z or LINEAR_Z, the rest are in this order. */
enum rm_encoding { RM_RGBA8 = 1, RM_INVERSE_Z, RM_LINEAR_Z, RM_PIXELS, RM_WORLD_XYZ0, RM_INDEX };
enum rm_flags { RM_RESET = 1, RM_HUD_IN_COLOR = 2, RM_PAUSED = 4 };
enum rm_camera { RM_NO_CAMERA = 0, RM_ENGINE_CAMERA = 1, RM_DERIVED_CAMERA = 2 };
enum rm_mode { RM_FRAMELOCKED = 1 };

enum rm_code {
    RM_BAD_NAME = -1, RM_NO_ROOM = -2, RM_TOO_LARGE = -3, RM_BAD_BUFFER = -4, RM_BAD_ORDER = -5, RM_NAME_TAKEN = -6,
    RM_LOST_NAME = -7
};

typedef struct rm_buffer {
    uint16_t kind, encoding, dtype, channels; /* dtype: 1 u8, 2 half, 3 float, 4 u32 */
    uint32_t width, height;
    uint64_t offset, bytes; /* from the frame's start */
} rm_buffer;

/* Matrices are column-major, for column vectors, without jitter; the camera looks along -z. Times in seconds, but
 * t_capture_ns: the monotonic clock. rm_begin and rm_publish fill in what is not yours. */
typedef struct rm_frame {
    uint32_t magic, size, version, flags;
    uint64_t frame_id, session_id;
    double t_game;
    uint64_t t_capture_ns;
    float dt;
    uint32_t dropped, width, height;
    float view[16], projection[16], previous_view[16], previous_projection[16];
    float near_m, far_m, metres_per_unit;
    uint32_t camera_source, buffer_count;
    uint8_t reserved[44];
    rm_buffer buffers[RM_MAX_BUFFERS];
    uint8_t reserve[128];
} rm_frame;

typedef struct rm_control {
    uint32_t magic, version, slots, closed;
    uint64_t slot_bytes;
    uint32_t silent; /* 1: nobody is woken, readers look by themselves */
    uint8_t padding[36];
    uint64_t head; /* frames published */
    uint8_t padding2[56];
    uint64_t heartbeat_ns, session_id;
    uint8_t padding3[48];
    /* Of the reader that acknowledges, whose number is reader_lease; looked_ns is the last sign of life of any reader. */
    uint64_t reader_heartbeat_ns, reader_done, reader_lease, looked_ns;
    uint64_t reader_period_ns; /* it takes one frame in so long; 0: every one */
    uint8_t padding4[3864];
} rm_control;

RM_ASSERT(sizeof(rm_buffer) == 32);
RM_ASSERT(sizeof(rm_frame) == 1024 && offsetof(rm_frame, view) == 64 && offsetof(rm_frame, near_m) == 320);
RM_ASSERT(offsetof(rm_frame, buffer_count) == 336 && offsetof(rm_frame, buffers) == 384);
RM_ASSERT(sizeof(rm_control) == 4096 && offsetof(rm_control, head) == 64 && offsetof(rm_control, heartbeat_ns) == 128);
RM_ASSERT(offsetof(rm_control, reader_heartbeat_ns) == 192 && offsetof(rm_control, silent) == 24);
RM_ASSERT(offsetof(rm_control, looked_ns) == 216 && offsetof(rm_control, reader_period_ns) == 224);

typedef struct rm_ring rm_ring;

/* Bytes of a frame with so many bytes of buffers, padding included. */
uint64_t rm_frame_bytes(uint64_t buffer_bytes);
/* Makes the ring NAME for frames of `frame_bytes` at most; `mode` is 0 or RM_FRAMELOCKED, which waits for the reader. */
int rm_open(const char *name, uint64_t frame_bytes, int mode, rm_ring **ring);
/* The same ring for frames of another size, as when a window was resized: readers find the new one by themselves. If
 * another game has taken over the name, nothing is changed and the answer is RM_LOST_NAME. */
int rm_reopen(rm_ring *ring, uint64_t frame_bytes);
/* Whether somebody reads: what is published otherwise is seen by nobody. Says that the game lives, too. */
int rm_wanted(rm_ring *ring);
/* Whether the reader will take the frame that begins now: it may want fewer than a game draws. Ask once a frame. */
int rm_due(rm_ring *ring);
/* Says that the game lives, which a game that draws nothing for two seconds should; from any thread. */
void rm_beat(rm_ring *ring);
/* Ends a frame-locked game's waiting, for good; from any thread, or a signal's handler. */
void rm_cancel(rm_ring *ring);
/* Begins a frame and returns its header, in the ring's own memory. */
rm_frame *rm_begin(rm_ring *ring);
/* Copies one buffer in. `row_bytes` may be negative: `pixels` then is the topmost row, which comes last in memory. */
int rm_put(rm_ring *ring, int kind, int encoding, uint32_t width, uint32_t height, const void *pixels, int64_t row_bytes);
/* Hands the frame over. It needs a COLOR buffer. */
int rm_publish(rm_ring *ring);
/* Says that the game is over, and removes the ring. */
void rm_close(rm_ring *ring);
/* A code in words. */
const char *rm_error(int code);

#ifdef __cplusplus
}
#endif
#endif
