"""The writer in C, librealmaster.so beside this file, from Blender's own Python. Needs nothing but numpy."""

import ctypes
import struct
from pathlib import Path

import numpy as np

LIBRARY = Path(__file__).parent / "librealmaster.so"
COLOR, SCENE_COLOR, DEPTH, MOTION, NORMAL, OBJECT_ID = range(1, 7)
RGBA8, INVERSE_Z, LINEAR_Z, PIXELS, WORLD_XYZ0, INDEX = range(1, 7)
ENGINE_CAMERA, RESET, LOCKED = 1, 1, 1
PIXEL_BYTES = 28
"""Of a frame with every kind of buffer."""


class RingError(Exception):
    """Says what to do."""


def _load():
    if not LIBRARY.exists():
        raise RingError(f"{LIBRARY.name} is missing beside the add-on: build it as its README says")
    lib, ring = ctypes.CDLL(str(LIBRARY)), ctypes.c_void_p
    lib.rm_frame_bytes.argtypes, lib.rm_frame_bytes.restype = (ctypes.c_uint64,), ctypes.c_uint64
    lib.rm_open.argtypes = (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_int, ctypes.POINTER(ring))
    lib.rm_reopen.argtypes = (ring, ctypes.c_uint64)
    for name in ("rm_wanted", "rm_publish", "rm_close", "rm_beat"):
        getattr(lib, name).argtypes = (ring,)
    lib.rm_begin.argtypes, lib.rm_begin.restype = (ring,), ctypes.c_void_p
    lib.rm_put.argtypes = (ring, ctypes.c_int, ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p,
                           ctypes.c_int64)
    lib.rm_error.argtypes, lib.rm_error.restype = (ctypes.c_int,), ctypes.c_char_p
    return lib


class Writer:
    """A ring for frames of so many pixels with any buffers. Raises `RingError` if there is no room for it."""

    def __init__(self, name, pixels, locked=False):
        self._lib, self._ring, self.pixels = _load(), ctypes.c_void_p(), pixels
        self._before = None
        self._check(self._lib.rm_open(name.encode(), self._lib.rm_frame_bytes(pixels * PIXEL_BYTES),
                                      LOCKED if locked else 0, ctypes.byref(self._ring)))

    def grow(self, pixels):
        """The same ring for frames of more pixels. Raises `RingError` if there is no room: then it is as it was."""
        self._check(self._lib.rm_reopen(self._ring, self._lib.rm_frame_bytes(pixels * PIXEL_BYTES)))
        self.pixels = pixels

    def _check(self, code):
        if code:
            raise RingError(self._lib.rm_error(code).decode())

    def wanted(self):
        """Whether somebody reads."""
        return bool(self._lib.rm_wanted(self._ring))

    def publish(self, number, time, dt, camera, buffers):
        """`camera` is (view, projection, near, far) or None, `buffers` are (kind, encoding, array), bottom row first.

        Offsets are those of rm_frame in realmaster.h.
        """
        frame = (ctypes.c_ubyte * 1024).from_address(self._lib.rm_begin(self._ring))
        struct.pack_into("<I", frame, 12, RESET if self._before is None else 0)
        struct.pack_into("<Q", frame, 16, number)
        struct.pack_into("<d", frame, 32, time)
        struct.pack_into("<f", frame, 48, dt)
        if camera is not None:
            view, projection, near, far = camera
            before = self._before or camera
            for i, matrix in enumerate((view, projection, before[0], before[1])):
                struct.pack_into("<16f", frame, 64 + 64 * i, *np.asarray(matrix, np.float32).T.ravel())
            struct.pack_into("<fffI", frame, 320, near, far, 1, ENGINE_CAMERA)
        for kind, encoding, array in buffers:
            rows = np.ascontiguousarray(array)
            height, width = rows.shape[:2]
            self._check(self._lib.rm_put(self._ring, kind, encoding, width, height,
                                         rows.ctypes.data + rows.strides[0] * (height - 1), -rows.strides[0]))
        self._check(self._lib.rm_publish(self._ring))
        self._before = camera or (np.eye(4), np.eye(4), 1, 2)

    def close(self):
        """No more frames come."""
        self._lib.rm_close(self._ring)
