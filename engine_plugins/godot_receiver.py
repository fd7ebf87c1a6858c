"""Publishes the frames of a Godot game: `python -m engine_plugins.godot_receiver --ring godot`.

The add-ons in godot3/ and godot4/ connect to it on loopback, since scripts of Godot can write to a socket but not to
shared memory. It asks for a frame by sending a byte, and only while somebody reads the ring.
"""

from __future__ import annotations

import argparse
import dataclasses
import socket
import struct
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from capture.errors import CaptureError
from capture.frame import MAX_SIDE, Buffer, Camera, CameraSource, Encoding, Flags, Frame, Kind, packed_size
from capture.ring import RingWriter
from engine_plugins.publish import ending

PORT = 8190
MAGIC = 0x31474D52
HEADER = struct.Struct("<IIIIII dd ff 12f ff")
"""Magic, flags, width, height, buffers, 0; game time and step in s; near and far in m; the view's columns without
their last row; half the width and height of what is seen at distance 1. Padded to `HEADER_BYTES`."""
HEADER_BYTES = 256
COLOR, SCENE, PACKED_DEPTH, RAW_DEPTH, TOP_DOWN = 1, 2, 4, 8, 16
"""What follows, in this order, four bytes a pixel, bottom row first unless `TOP_DOWN`: colours RGBA8; depth as near / z
in 24 bits, red the coarsest; or as the z-buffer's floats, 1 at the near plane and 0 at the far one."""
LOOK_SECONDS = 0.05


class Game:
    """One connection of a game."""

    def __init__(self, connection: socket.socket, over: Callable[[], bool]) -> None:
        self.connection, self.over = connection, over
        connection.settimeout(LOOK_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._before: Camera | None = None
        self._number = 0

    def ask(self) -> None:
        """For one frame."""
        self.connection.sendall(b"?")

    def receive(self) -> Frame | None:
        """The frame that was asked for; None if the game or we end. Raises `CaptureError` if it is none."""
        head = self._exactly(HEADER_BYTES)
        if head is None:
            return None
        magic, flags, width, height, present, _, t_game, dt, near, far, *rest = HEADER.unpack_from(head)
        if magic != MAGIC or not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE or not present & COLOR:
            raise CaptureError("what connected is not the RealMaster add-on of this version")
        images: dict[int, NDArray[np.uint8]] = {}
        for bit in (COLOR, SCENE, PACKED_DEPTH, RAW_DEPTH):
            if present & bit:
                data = self._exactly(width * height * 4)
                if data is None:
                    return None
                images[bit] = np.frombuffer(data, np.uint8).reshape(height, width, 4)[::1 if present & TOP_DOWN else -1]
        camera = _camera(near, far, rest, self._before) if present & (PACKED_DEPTH | RAW_DEPTH) else None
        self._before = camera
        self._number += 1
        return Frame(self._number, time.monotonic_ns(), _buffers(images, near, far), t_game=t_game, dt=dt,
                     flags=Flags(flags & (Flags.RESET | Flags.PAUSED)) | (Flags.NONE if present & SCENE
                                                                         else Flags.HUD_IN_COLOR), camera=camera)

    def _exactly(self, count: int) -> bytearray | None:
        got = bytearray(count)
        view, at = memoryview(got), 0
        while at < count:
            try:
                read = self.connection.recv_into(view[at:])
            except TimeoutError:
                if self.over():
                    return None
                continue
            except ConnectionError:
                return None
            if read == 0:
                return None
            at += read
        return got


def _buffers(images: dict[int, NDArray[np.uint8]], near: float, far: float) -> dict[Kind, Buffer]:
    buffers = {Kind.COLOR: Buffer(Encoding.RGBA8, images[COLOR])}
    if SCENE in images:
        buffers[Kind.SCENE_COLOR] = Buffer(Encoding.RGBA8, images[SCENE])
    inverse = None
    if PACKED_DEPTH in images:
        red, green, blue = (images[PACKED_DEPTH][..., k].astype(np.float32) for k in range(3))
        inverse = (red * 65536 + green * 256 + blue) / (16777215 * near)
    elif RAW_DEPTH in images:
        raw = np.ascontiguousarray(images[RAW_DEPTH]).view("<f4")[..., 0]
        inverse = np.where(raw > 0, raw * (1 / near - 1 / far) + 1 / far, 0)
    if inverse is not None:
        buffers[Kind.DEPTH] = Buffer(Encoding.INVERSE_Z, inverse[..., None].astype(np.float16))
    return buffers


def _camera(near: float, far: float, rest: list[float], before: Camera | None) -> Camera:
    view, projection = np.eye(4, dtype=np.float32), np.zeros((4, 4), np.float32)
    view[:3] = np.array(rest[:12], np.float32).reshape(4, 3).T
    projection[0, 0], projection[1, 1] = 1 / rest[12], 1 / rest[13]
    projection[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    projection[3, 2] = -1
    own = Camera(view, projection, view, projection, near, far, CameraSource.ENGINE)
    return own if before is None else dataclasses.replace(own, previous_view=before.view,
                                                          previous_projection=before.projection)


def serve(listener: socket.socket, ring: str, over: Callable[[], bool]) -> None:
    """Takes games, one after the other, until `over()`. Raises `CaptureError` if there is no room for a ring."""
    listener.settimeout(LOOK_SECONDS)
    while not over():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with connection:
            try:
                _publish(Game(connection, over), ring, over)
            except ConnectionError:
                continue  # the game is gone; the next may come


def _publish(game: Game, ring: str, over: Callable[[], bool]) -> None:
    writer: RingWriter | None = None
    try:
        while not over():
            if writer is not None and not writer.reader_alive():
                writer.beat()
                time.sleep(LOOK_SECONDS)
                continue
            game.ask()
            frame = game.receive()
            if frame is None:
                return
            if writer is not None and packed_size(frame) > writer.slot_bytes:
                writer.close()  # the window has grown
                writer = None
            writer = writer or RingWriter(ring, packed_size(frame))
            writer.publish(frame)
    finally:
        if writer is not None:
            writer.close()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m engine_plugins.godot_receiver", description=__doc__)
    parser.add_argument("--ring", default="godot", help="name of the ring to publish (default: godot)")
    parser.add_argument("--port", type=int, default=PORT, help=f"where the add-on connects to (default: {PORT})")
    given = parser.parse_args()
    _, over = ending()
    try:
        with socket.create_server(("127.0.0.1", given.port)) as listener:
            print(f"waiting for a Godot game on port {listener.getsockname()[1]}", flush=True)
            serve(listener, given.ring, over)
    except (CaptureError, OSError) as error:
        sys.exit(f"cannot receive: {error}")


if __name__ == "__main__":
    main()
