"""Reads the pixels of a drawable, by the MIT-SHM extension if possible: that is 20 times as fast as the connection.

Requests as in the X Consortium's "MIT-SHM: The MIT Shared Memory Extension", protocol version 1.1.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray
from Xlib import X
from Xlib.error import CatchError
from Xlib.protocol import rq

NAME, ALL_PLANES = "MIT-SHM", 0xFFFFFFFF
IPC_PRIVATE, IPC_CREAT, IPC_RMID = 0, 0o1000, 0


class _Attach(rq.Request):
    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(1), rq.RequestLength(), rq.Card32("segment"), rq.Card32("id"),
                         rq.Bool("read_only"), rq.Pad(3))


class _Detach(rq.Request):
    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(2), rq.RequestLength(), rq.Card32("segment"))


class _GetImage(rq.ReplyRequest):
    _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(4), rq.RequestLength(), rq.Drawable("drawable"), rq.Int16("x"),
                         rq.Int16("y"), rq.Card16("width"), rq.Card16("height"), rq.Card32("plane_mask"),
                         rq.Card8("format"), rq.Pad(3), rq.Card32("segment"), rq.Card32("offset"))
    _reply = rq.Struct(rq.ReplyCode(), rq.Card8("depth"), rq.Card16("sequence_number"), rq.ReplyLength(),
                       rq.Card32("visual"), rq.Card32("size"), rq.Pad(16))


class Images:
    """Reads pictures over the connection `server`."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self._segment, self._address, self._room = 0, 0, 0
        self._libc = ctypes.CDLL(None)
        self._libc.shmat.restype = ctypes.c_void_p
        self._libc.shmat.argtypes = ctypes.c_int, ctypes.c_void_p, ctypes.c_int
        self._libc.shmget.argtypes = ctypes.c_int, ctypes.c_size_t, ctypes.c_int
        self._libc.shmdt.argtypes = (ctypes.c_void_p,)
        extension = server.query_extension(NAME)
        self._opcode = extension.major_opcode if extension else 0
        self._shared = bool(extension)

    def get(self, drawable: Any, border: int, width: int, height: int) -> NDArray[np.uint8]:
        """The pixels inside a border, (H, W, 4) u8 BGRX. Raises `XError` if the drawable is gone or too small."""
        size = width * height * 4
        if self._shared and size > self._room:
            self._grow(size)
        if self._shared:
            _GetImage(display=self.server.display, opcode=self._opcode, drawable=drawable.id, x=border, y=border,
                      width=width, height=height, plane_mask=ALL_PLANES, format=X.ZPixmap, segment=self._segment,
                      offset=0)
            data = ctypes.string_at(self._address, size)
        else:
            data = drawable.get_image(border, border, width, height, X.ZPixmap, ALL_PLANES).data
        return np.frombuffer(data, np.uint8, size).reshape(height, width, 4)

    def _grow(self, size: int) -> None:
        """Shares memory with the server, if it runs on this machine. No other program can attach that memory."""
        self.close()
        shared = self._libc.shmget(IPC_PRIVATE, size, IPC_CREAT | 0o600)
        address = self._libc.shmat(shared, None, 0) if shared >= 0 else None
        failed = CatchError()
        self._segment = self.server.display.allocate_resource_id()
        if address not in {None, ctypes.c_void_p(-1).value}:
            _Attach(display=self.server.display, onerror=failed, opcode=self._opcode, segment=self._segment,
                    id=shared, read_only=False)
            self.server.sync()
            self._address, self._room = int(address or 0), size
        if shared >= 0:
            self._libc.shmctl(shared, IPC_RMID, None)  # it is freed when both sides have detached it
        if failed.get_error() is not None or not self._address:
            self.close()
            self._shared = False

    def close(self) -> None:
        """Frees the shared memory."""
        if self._address:
            _Detach(display=self.server.display, onerror=CatchError(), opcode=self._opcode, segment=self._segment)
            self._libc.shmdt(self._address)
        self._address = self._room = 0
