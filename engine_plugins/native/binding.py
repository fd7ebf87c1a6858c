"""The C library from Python: how its tests and benchmarks call it, and the mirror that holds its layout in place."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from capture.errors import CaptureError
from capture.frame import Frame, Kind

SOURCE = Path(__file__).parent
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")


class RmBuffer(ctypes.Structure):
    """`rm_buffer`."""

    _fields_ = (("kind", ctypes.c_uint16), ("encoding", ctypes.c_uint16), ("dtype", ctypes.c_uint16),
                ("channels", ctypes.c_uint16), ("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("offset", ctypes.c_uint64), ("bytes", ctypes.c_uint64))


class RmFrame(ctypes.Structure):
    """`rm_frame`."""

    _fields_ = (("magic", ctypes.c_uint32), ("size", ctypes.c_uint32), ("version", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("frame_id", ctypes.c_uint64), ("session_id", ctypes.c_uint64),
                ("t_game", ctypes.c_double), ("t_capture_ns", ctypes.c_uint64), ("dt", ctypes.c_float),
                ("dropped", ctypes.c_uint32), ("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("view", ctypes.c_float * 16), ("projection", ctypes.c_float * 16),
                ("previous_view", ctypes.c_float * 16), ("previous_projection", ctypes.c_float * 16),
                ("near", ctypes.c_float), ("far", ctypes.c_float), ("metres_per_unit", ctypes.c_float),
                ("camera_source", ctypes.c_uint32), ("buffer_count", ctypes.c_uint32),
                ("reserved", ctypes.c_uint8 * 44), ("buffers", RmBuffer * 16), ("reserve", ctypes.c_uint8 * 128))


class RmControl(ctypes.Structure):
    """`rm_control`."""

    _fields_ = (("magic", ctypes.c_uint32), ("version", ctypes.c_uint32), ("slots", ctypes.c_uint32),
                ("closed", ctypes.c_uint32), ("slot_bytes", ctypes.c_uint64), ("silent", ctypes.c_uint32),
                ("padding", ctypes.c_uint8 * 36), ("head", ctypes.c_uint64), ("padding2", ctypes.c_uint8 * 56),
                ("heartbeat_ns", ctypes.c_uint64), ("session_id", ctypes.c_uint64), ("padding3", ctypes.c_uint8 * 48),
                ("reader_heartbeat_ns", ctypes.c_uint64), ("reader_done", ctypes.c_uint64),
                ("reader_lease", ctypes.c_uint64), ("looked_ns", ctypes.c_uint64),
                ("reader_period_ns", ctypes.c_uint64), ("padding4", ctypes.c_uint8 * 3864))


def build(folder: Path) -> Path:
    """Compiles the library into `folder`. Raises `CaptureError` with the compiler's words."""
    library = folder / "librealmaster.so"
    command = ["cc", *FLAGS, "-shared", "-fPIC", "-o", str(library), str(SOURCE / "realmaster.c")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CaptureError("the library in C needs a C compiler: apt-get install gcc libc6-dev") from error
    if done.returncode:
        raise CaptureError(f"the library in C does not compile: {done.stderr}")
    return library


def load(library: Path) -> Any:
    """The library with its functions' types declared."""
    lib = ctypes.CDLL(str(library))
    ring = ctypes.c_void_p
    lib.rm_frame_bytes.argtypes, lib.rm_frame_bytes.restype = (ctypes.c_uint64,), ctypes.c_uint64
    lib.rm_open.argtypes = (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_int, ctypes.POINTER(ring))
    lib.rm_reopen.argtypes = (ring, ctypes.c_uint64)
    lib.rm_wanted.argtypes = lib.rm_publish.argtypes = lib.rm_close.argtypes = (ring,)
    lib.rm_begin.argtypes, lib.rm_begin.restype = (ring,), ctypes.POINTER(RmFrame)
    lib.rm_put.argtypes = (ring, ctypes.c_int, ctypes.c_int, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p,
                           ctypes.c_int64)
    lib.rm_error.argtypes, lib.rm_error.restype = (ctypes.c_int,), ctypes.c_char_p
    return lib


class NativeWriter:
    """The writer in C with the face of `capture.ring.RingWriter`. Raises `CaptureError` with the library's words."""

    def __init__(self, lib: Any, name: str, frame_bytes: int, framelocked: bool = False) -> None:
        self.lib, self.ring = lib, ctypes.c_void_p()
        self._check(lib.rm_open(name.encode(), frame_bytes, int(framelocked), ctypes.byref(self.ring)))

    def _check(self, code: int) -> None:
        if code:
            raise CaptureError(self.lib.rm_error(code).decode())

    def wanted(self) -> bool:
        """Whether somebody reads."""
        return bool(self.lib.rm_wanted(self.ring))

    def publish(self, frame: Frame, bottom_up: bool = False) -> None:
        """Writes a frame; `bottom_up` hands the rows over as OpenGL has them, last row first in memory."""
        header = self.lib.rm_begin(self.ring).contents
        for name in ("frame_id", "t_game", "dt", "dropped", "t_capture_ns", "session_id", "metres_per_unit"):
            setattr(header, name, getattr(frame, name))
        header.flags = int(frame.flags)
        if (camera := frame.camera) is not None:
            for name in ("view", "projection", "previous_view", "previous_projection"):
                getattr(header, name)[:] = getattr(camera, name).T.ravel().tolist()
            header.near, header.far, header.camera_source = camera.near, camera.far, int(camera.source)
        for kind, buffer in frame.buffers.items():
            self._put(kind, int(buffer.encoding), buffer.data, bottom_up)
        self._check(self.lib.rm_publish(self.ring))

    def _put(self, kind: Kind, encoding: int, data: np.ndarray, bottom_up: bool) -> None:
        rows = np.ascontiguousarray(data[::-1] if bottom_up else data)
        stride, at = rows.strides[0], rows.ctypes.data
        if bottom_up:
            at, stride = at + stride * (len(rows) - 1), -stride
        self._check(self.lib.rm_put(self.ring, int(kind), encoding, data.shape[1], data.shape[0], at, stride))

    def close(self) -> None:
        """The game is over."""
        self.lib.rm_close(self.ring)
