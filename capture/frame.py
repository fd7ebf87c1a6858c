"""The contract of frames: what a game gives, in which units, and how it is laid out in memory.

A frame is a little-endian header of 1024 bytes, followed by its buffers. Each buffer is tightly packed, with its top
row first. The C and C# code has the same layout as `HEADER` and `BUFFER`. A buffer that the game does not have is left
out, never filled with zeros. Conventions:

* matrices: column vectors, stored column-major, without jitter; world units times
  `metres_per_unit` are metres; the camera looks along -z of view space unless `camera` says else
* DEPTH: `INVERSE_Z` is 1 / view-space distance in 1/m (0 = infinitely far), `LINEAR_Z` is metres
* MOTION: pixels, y down, previous = current + motion; it includes the motion of camera and objects
* NORMAL: world space; OBJECT_ID: 0 is the static world
* times: `t_capture_ns` is the capturing machine's monotonic clock in ns, `t_game` the game's own time in seconds

The header has 1024 bytes, so that 16 buffers fit and 128 bytes stay in reserve.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.errors import BadFrame, CaptureError
from capture.pool import SlabPool

MAGIC = 0x31464D52  # "RMF1" in memory
VERSION = 1
HEADER_BYTES = 1024
MAX_BUFFERS = 16
MAX_SIDE = 8192


class Kind(IntEnum):
    """What a buffer holds."""

    COLOR = 1  # final sRGB colour, with the interface
    SCENE_COLOR = 2  # the same without the interface
    DEPTH = 3
    MOTION = 4
    NORMAL = 5
    OBJECT_ID = 6


class Encoding(IntEnum):
    """What the numbers of a buffer mean; see `FORMATS`."""

    RGBA8 = 1
    INVERSE_Z = 2
    LINEAR_Z = 3
    PIXELS = 4
    WORLD_XYZ0 = 5
    INDEX = 6


FORMATS: dict[tuple[Kind, Encoding], tuple[str, int]] = {
    (Kind.COLOR, Encoding.RGBA8): ("<u1", 4),
    (Kind.SCENE_COLOR, Encoding.RGBA8): ("<u1", 4),
    (Kind.DEPTH, Encoding.INVERSE_Z): ("<f2", 1),
    (Kind.DEPTH, Encoding.LINEAR_Z): ("<f4", 1),
    (Kind.MOTION, Encoding.PIXELS): ("<f2", 2),
    (Kind.NORMAL, Encoding.WORLD_XYZ0): ("<f2", 4),
    (Kind.OBJECT_ID, Encoding.INDEX): ("<u4", 1),
}
"""The dtype and the number of channels of each kind and encoding. A frame may have no others."""


class Flags(IntFlag):
    """Facts about a frame."""

    NONE = 0
    RESET = 1  # a cut or teleport: the frames before have nothing to do with this one
    HUD_IN_COLOR = 2
    PAUSED = 4


class CameraSource(IntEnum):
    """Where the matrices come from; NONE means there are none."""

    NONE = 0
    ENGINE = 1
    DERIVED = 2  # rebuilt from a pose and a field of view


BUFFER = np.dtype({
    "names": ["kind", "encoding", "dtype", "channels", "width", "height", "offset", "bytes"],
    "formats": ["<u2", "<u2", "<u2", "<u2", "<u4", "<u4", "<u8", "<u8"], "itemsize": 32})

HEADER = np.dtype({
    "names": ["magic", "size", "version", "flags", "frame_id", "session_id", "t_game", "t_capture_ns", "dt",
              "dropped", "width", "height", "view", "projection", "previous_view", "previous_projection",
              "near", "far", "metres_per_unit", "camera_source", "buffer_count", "buffers"],
    "formats": ["<u4", "<u4", "<u4", "<u4", "<u8", "<u8", "<f8", "<u8", "<f4",
                "<u4", "<u4", "<u4", ("<f4", 16), ("<f4", 16), ("<f4", 16), ("<f4", 16),
                "<f4", "<f4", "<f4", "<u4", "<u4", (BUFFER, MAX_BUFFERS)],
    "offsets": [0, 4, 8, 12, 16, 24, 32, 40, 48,
                52, 56, 60, 64, 128, 192, 256,
                320, 324, 328, 332, 336, 384],
    "itemsize": HEADER_BYTES})
"""The layout of the header. The offsets in bytes are explicit: this table is the specification for C and C#."""

_DTYPE_CODES = {"<u1": 1, "<f2": 2, "<f4": 3, "<u4": 4}


@dataclass(frozen=True)
class Camera:
    """Matrices, (4, 4) f32, for column vectors, and the near and far planes in metres. `far` may be infinite."""

    view: NDArray[np.float32]
    projection: NDArray[np.float32]
    previous_view: NDArray[np.float32]
    previous_projection: NDArray[np.float32]
    near: float
    far: float
    source: CameraSource = CameraSource.ENGINE


@dataclass(frozen=True)
class Buffer:
    """One buffer: `data` is (H, W, C). `FORMATS` gives its dtype and channels."""

    encoding: Encoding
    data: NDArray[Any]


@dataclass(frozen=True)
class Frame:
    """One frame of a game, with the buffers that the game gave. Raises `BadFrame` if a buffer is not valid."""

    frame_id: int
    t_capture_ns: int
    buffers: Mapping[Kind, Buffer]
    t_game: float = 0.0
    dt: float = 0.0
    flags: Flags = Flags.NONE
    dropped: int = 0  # frames lost between the frame before and this one
    session_id: int = 0
    camera: Camera | None = None
    metres_per_unit: float = 1.0
    size: tuple[int, int] = field(init=False)  # width and height of COLOR

    def __post_init__(self) -> None:
        if Kind.COLOR not in self.buffers:
            raise BadFrame("a frame needs a COLOR buffer: the game must hand over its final image")
        for kind, buffer in self.buffers.items():
            check_buffer(kind, buffer)
        height, width = self.buffers[Kind.COLOR].data.shape[:2]
        object.__setattr__(self, "size", (width, height))

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """A copy of the final colour, (H, W, 3) u8 sRGB."""
        # OpenCV drops a channel ten times faster than numpy copies a strided view.
        return np.asarray(cv2.cvtColor(self.buffers[Kind.COLOR].data, cv2.COLOR_RGBA2RGB), np.uint8)


def check_buffer(kind: Kind, buffer: Buffer) -> None:
    """Raises `BadFrame` unless `buffer` is in one of `FORMATS` and its sides are 1 to `MAX_SIDE`."""
    known = FORMATS.get((kind, buffer.encoding))
    if known is None:
        raise BadFrame(f"{kind.name} cannot be encoded as {buffer.encoding.name}; see FORMATS in capture/frame.py")
    data = buffer.data
    dtype, channels = known
    if data.ndim != 3 or data.shape[2] != channels or data.dtype != np.dtype(dtype):
        raise BadFrame(f"{kind.name} as {buffer.encoding.name} is (H, W, {channels}) {dtype}, "
                           f"not {data.shape} {data.dtype.str}")
    if not 0 < data.shape[0] <= MAX_SIDE or not 0 < data.shape[1] <= MAX_SIDE:
        raise BadFrame(f"{kind.name} is {data.shape[1]}x{data.shape[0]}; a side is 1 to {MAX_SIDE} pixels")


def color_frame(frame_id: int, t_capture_ns: int, rgb: NDArray[np.uint8], **rest: Any) -> Frame:
    """Makes a frame of final colour only, from `rgb`, (H, W, 3) u8. `rest` are further fields of `Frame`."""
    rgba = np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2RGBA), np.uint8)
    return Frame(frame_id, t_capture_ns, {Kind.COLOR: Buffer(Encoding.RGBA8, rgba)}, **rest)


def packed_size(frame: Frame) -> int:
    """The number of bytes that `pack_into` needs for `frame`."""
    return HEADER_BYTES + sum(_aligned(b.data.nbytes) for b in frame.buffers.values())


def _aligned(count: int) -> int:
    return (count + 63) // 64 * 64


def pack_into(frame: Frame, memory: memoryview) -> int:
    """Writes `frame` to `memory` and returns its size in bytes. Raises `CaptureError` if it does not fit."""
    total = packed_size(frame)
    if total > len(memory):
        raise CaptureError(f"a frame of {total} bytes does not fit a slot of {len(memory)}: "
                           "open the ring for the game's real size and buffers")
    header = np.zeros((), HEADER)
    for name, value in (("magic", MAGIC), ("size", HEADER_BYTES), ("version", VERSION), ("flags", int(frame.flags)),
                        ("frame_id", frame.frame_id), ("session_id", frame.session_id), ("t_game", frame.t_game),
                        ("t_capture_ns", frame.t_capture_ns), ("dt", frame.dt), ("dropped", frame.dropped),
                        ("width", frame.size[0]), ("height", frame.size[1]),
                        ("metres_per_unit", frame.metres_per_unit), ("buffer_count", len(frame.buffers))):
        header[name] = value
    if frame.camera is not None:
        _pack_camera(header, frame.camera)
    offset = HEADER_BYTES
    for i, (kind, buffer) in enumerate(frame.buffers.items()):
        data = buffer.data
        height, width, channels = data.shape
        header["buffers"][i] = (kind, buffer.encoding, _DTYPE_CODES[data.dtype.newbyteorder("<").str
                                if data.dtype.itemsize > 1 else "<u1"], channels, width, height, offset, data.nbytes)
        target = np.frombuffer(memory, data.dtype, data.size, offset).reshape(data.shape)
        np.copyto(target, data)
        offset += _aligned(data.nbytes)
    memory[:HEADER_BYTES] = header.tobytes()
    return total


def _pack_camera(header: Any, camera: Camera) -> None:
    for name in ("view", "projection", "previous_view", "previous_projection"):
        header[name] = getattr(camera, name).T.ravel()  # column-major
    header["near"], header["far"], header["camera_source"] = camera.near, camera.far, camera.source


def unpack(memory: memoryview, pool: SlabPool | None = None, kinds: Collection[Kind] = tuple(Kind)) -> Frame:
    """Reads a packed frame and copies its buffers.

    Args:
        memory: the packed frame.
        pool: gives the memory for the buffers, if there is one.
        kinds: the buffers to copy. COLOR must be among them.

    Raises:
        BadFrame: the bytes are not a valid frame.
    """
    def copy(offset: int, into: NDArray[np.uint8]) -> None:
        np.copyto(into, np.frombuffer(memory, np.uint8, len(into), offset))

    return unpack_by(copy, memory[:HEADER_BYTES], len(memory), pool, kinds)


def unpack_by(read: Callable[[int, NDArray[np.uint8]], None], head: memoryview, size: int,
              pool: SlabPool | None = None, kinds: Collection[Kind] = tuple(Kind)) -> Frame:
    """Reads a packed frame that is not in memory, such as one in a file.

    Args:
        read: fills an array, (N,) u8, with the frame's bytes from an offset on.
        head: the frame's header.
        size: the number of bytes of the frame.
        pool: as for `unpack`.
        kinds: as for `unpack`.

    Raises:
        BadFrame: the bytes are not a valid frame.
    """
    if len(head) < HEADER_BYTES:
        raise BadFrame("not a frame: shorter than its header")
    header = np.frombuffer(head, HEADER, 1)[0]
    if header["magic"] != MAGIC or header["size"] != HEADER_BYTES or header["version"] != VERSION:
        raise BadFrame(f"not a version {VERSION} frame: rebuild the engine plugin against this version")
    count = int(header["buffer_count"])
    if not 0 < count <= MAX_BUFFERS:
        raise BadFrame(f"a frame has 1 to {MAX_BUFFERS} buffers, not {count}")
    found = [_locate(entry, size) for entry in header["buffers"][:count]]
    wanted = [b for b in found if b.kind in kinds]
    total = sum(_aligned(b.size) for b in wanted)
    slab = pool.take(total) if pool else np.empty(total, np.uint8)
    buffers: dict[Kind, Buffer] = {}
    at = 0
    for b in wanted:
        copied = slab[at:at + b.size]
        read(b.offset, copied)
        buffers[b.kind] = Buffer(b.encoding, copied.view(b.dtype).reshape(b.shape))
        at += _aligned(b.size)
    return Frame(
        frame_id=int(header["frame_id"]), t_capture_ns=int(header["t_capture_ns"]), buffers=buffers,
        t_game=float(header["t_game"]), dt=float(header["dt"]), flags=Flags(int(header["flags"])),
        dropped=int(header["dropped"]), session_id=int(header["session_id"]), camera=_unpack_camera(header),
        metres_per_unit=float(header["metres_per_unit"]))


@dataclass(frozen=True)
class _Located:
    """The position of a buffer in a packed frame, checked. `offset` and `size` are in bytes."""

    kind: Kind
    encoding: Encoding
    dtype: str
    shape: tuple[int, int, int]
    offset: int
    size: int


def _locate(entry: Any, limit: int) -> _Located:
    """Reads and checks the header's entry of one buffer, which must end within `limit` bytes."""
    try:
        kind, encoding = Kind(int(entry["kind"])), Encoding(int(entry["encoding"]))
        dtype, channels = FORMATS[kind, encoding]
    except (ValueError, KeyError) as error:
        raise BadFrame(f"unknown buffer kind or encoding: {error}") from error
    width, height, offset = int(entry["width"]), int(entry["height"]), int(entry["offset"])
    if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
        raise BadFrame(f"{kind.name} is {width}x{height}; a side is 1 to {MAX_SIDE} pixels")
    size = width * height * channels * np.dtype(dtype).itemsize
    if int(entry["bytes"]) != size or offset < HEADER_BYTES or offset + size > limit:
        raise BadFrame(f"{kind.name} says {int(entry['bytes'])} bytes at {offset}; "
                           f"its size needs {size} within {limit}")
    return _Located(kind, encoding, dtype, (height, width, channels), offset, size)


def _unpack_camera(header: Any) -> Camera | None:
    try:
        source = CameraSource(int(header["camera_source"]))
    except ValueError as error:
        raise BadFrame(str(error)) from error
    if source is CameraSource.NONE:
        return None
    matrices = (header[n].reshape(4, 4).T.copy()
                for n in ("view", "projection", "previous_view", "previous_projection"))
    return Camera(*matrices, near=float(header["near"]), far=float(header["far"]), source=source)
