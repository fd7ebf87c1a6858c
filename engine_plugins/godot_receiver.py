"""Publishes the frames of a Godot game: `python -m engine_plugins.godot_receiver --ring godot`.

The add-ons in godot3/ and godot4/ connect to it on loopback, since scripts of Godot can write to a socket but not to
shared memory. It asks for a frame by sending a byte, and only while somebody reads the ring.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from capture.checks import check_frame
from capture.errors import BadFrame, CaptureError
from capture.frame import MAX_SIDE, Buffer, Camera, CameraSource, Encoding, Flags, Frame, Kind
from engine_plugins.publish import Publisher, ending

PORT = 8190
MAGIC = 0x31474D52
MAGIC_BYTES = struct.pack("<I", MAGIC)
HEADER = struct.Struct("<IIIIII dd ff 12f ff")
"""Magic, flags, width, height, buffers, 0; game time and step in s; near and far in m; the view's columns without
their last row; half the width and height of what is seen at distance 1. Padded to `HEADER_BYTES`."""
HEADER_BYTES = 256
COLOR, SCENE, PACKED_DEPTH, RAW_DEPTH, TOP_DOWN = 1, 2, 4, 8, 16
"""What follows, in this order, four bytes a pixel, bottom row first unless `TOP_DOWN`: colours RGBA8; depth as near / z
in 24 bits, red the coarsest; or as the z-buffer's floats, 1 at the near plane and 0 at the far one."""
LOOK_SECONDS = 0.05
HELLO_SECONDS, FRAME_SECONDS = 2.0, 10.0
"""How long what has connected may take to send the first header, and a game to send a frame that it was asked for."""
MOST_CALLERS = 8
"""Connections that have not sent a header yet, at most."""


class NotAGame(Exception):
    """What connected does not speak as our add-on does, or not at all: its connection ends, and nothing else."""


class Game:
    """One connection of a game, or of what may turn out to be one: it was asked for a frame when it came."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.head, self.due = connection, bytearray(), time.monotonic() + HELLO_SECONDS
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._before: Camera | None = None
        self._number = 0
        self.ask()

    def ask(self) -> None:
        """For one frame."""
        self.connection.sendall(b"?")

    def greeted(self) -> bool:
        """Whether the first frame's header is here. Call when there is something to read, or to see if it is too late.

        Raises `NotAGame` at the first byte that is wrong, and `OSError` if it is gone.
        """
        try:
            self.head += self.connection.recv(HEADER_BYTES - len(self.head)) or _gone()
        except BlockingIOError:
            if time.monotonic() > self.due:
                raise NotAGame(f"it said nothing for {HELLO_SECONDS:g} s") from None
        if not self.head.startswith(MAGIC_BYTES[:len(self.head)]):
            raise NotAGame("it is not the RealMaster add-on")
        return len(self.head) == HEADER_BYTES

    def receive(self, over: Callable[[], bool]) -> Frame | None:
        """The frame that was asked for; None if `over()`.

        Raises `BadFrame` if that frame cannot be: the next one may be good. Raises `NotAGame`, and `OSError` if it is
        gone.
        """
        due = time.monotonic() + FRAME_SECONDS
        head = self.head or self._exactly(HEADER_BYTES, due, over)
        self.head = bytearray()
        if head is None:
            return None
        magic, flags, width, height, present, _, t_game, dt, near, far, *rest = HEADER.unpack_from(head)
        if magic != MAGIC or not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE or not present & COLOR:
            raise NotAGame("it is not the RealMaster add-on of this version")
        images: dict[int, NDArray[np.uint8]] = {}
        for bit in (COLOR, SCENE, PACKED_DEPTH, RAW_DEPTH):
            if present & bit:
                data = self._exactly(width * height * 4, due, over)
                if data is None:
                    return None
                images[bit] = np.frombuffer(data, np.uint8).reshape(height, width, 4)[::1 if present & TOP_DOWN else -1]
        camera = _camera(near, far, rest, self._before) if present & (PACKED_DEPTH | RAW_DEPTH) else None
        self._before = camera
        self._number += 1
        frame = Frame(self._number, time.monotonic_ns(), _buffers(images, near, far), t_game=t_game, dt=dt,
                      flags=Flags(flags & (Flags.RESET | Flags.PAUSED)) | (Flags.NONE if present & SCENE
                                                                          else Flags.HUD_IN_COLOR), camera=camera)
        check_frame(frame)
        return frame

    def rest(self) -> None:
        """Waits a little, with nothing asked. Raises `NotAGame`, and `OSError` if it is gone."""
        try:
            if not self.connection.recv(1, socket.MSG_PEEK):
                _gone()
        except TimeoutError:
            return
        raise NotAGame("it sends what nobody asked for")

    def _exactly(self, count: int, due: float, over: Callable[[], bool]) -> bytearray | None:
        got = bytearray(count)
        view, at = memoryview(got), 0
        while at < count:
            try:
                at += self.connection.recv_into(view[at:]) or _gone()
            except TimeoutError:
                if over():
                    return None
            if time.monotonic() > due:
                raise NotAGame(f"a frame was not whole after {FRAME_SECONDS:g} s")
        return got


def _gone() -> NoReturn:
    raise ConnectionError("it closed its connection")


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
    """From the header's numbers. Raises `BadFrame` if they are none of a camera's."""
    if not 0 < near < far < math.inf or not 0 < min(rest[12:14]) <= max(rest[12:14]) < math.inf:
        raise BadFrame(f"the camera sees from {near} to {far} m, {rest[12]} wide and {rest[13]} high at distance 1")
    view, projection = np.eye(4, dtype=np.float32), np.zeros((4, 4), np.float32)
    view[:3] = np.array(rest[:12], np.float32).reshape(4, 3).T
    projection[0, 0], projection[1, 1] = 1 / rest[12], 1 / rest[13]
    projection[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    projection[3, 2] = -1
    own = Camera(view, projection, view, projection, near, far, CameraSource.ENGINE)
    return own if before is None else dataclasses.replace(own, previous_view=before.view,
                                                          previous_projection=before.projection)


def serve(listener: socket.socket, ring: str, over: Callable[[], bool]) -> None:
    """Takes games, one after the other, until `over()`. Raises `CaptureError` if there is no room for a ring.

    Whoever says nothing, or something else, meanwhile, does not keep a game waiting.
    """
    listener.setblocking(False)
    callers: list[Game] = []
    try:
        while not over():
            ready, _, _ = select.select([listener, *(caller.connection for caller in callers)], [], [], LOOK_SECONDS)
            if listener in ready:
                _accept(listener, callers)
            for caller in list(callers):
                try:
                    if not caller.greeted():
                        continue
                    _publish(caller, ring, over)
                except NotAGame as error:
                    print(f"left a connection: {error}", file=sys.stderr, flush=True)
                except OSError:
                    pass  # it is gone
                callers.remove(caller)
                caller.connection.close()
    finally:
        for caller in callers:
            caller.connection.close()


def _accept(listener: socket.socket, callers: list[Game]) -> None:
    """Adds whoever connects; beyond `MOST_CALLERS`, the one that has waited longest gives way."""
    try:
        connection, _ = listener.accept()
        callers.append(Game(connection))
    except OSError:
        return  # gone again already
    if len(callers) > MOST_CALLERS:
        callers.pop(0).connection.close()


def _publish(game: Game, ring: str, over: Callable[[], bool]) -> None:
    """Publishes a game's frames for as long as somebody reads them."""
    game.connection.settimeout(LOOK_SECONDS)
    publisher, complaint, asked = Publisher(ring), "", True
    try:
        while not over():
            if not asked and publisher.writer is not None and not publisher.writer.reader_alive():
                publisher.writer.beat()
                game.rest()
                continue
            if not asked:
                game.ask()
            asked = False
            try:
                frame = game.receive(over)
            except BadFrame as error:
                if str(error) != complaint:
                    complaint = str(error)
                    print(f"left out a frame: {error}", file=sys.stderr, flush=True)
                continue
            if frame is not None:
                publisher.publish(frame)
    finally:
        publisher.close()


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
