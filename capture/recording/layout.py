"""The format of a recorded session on disk. This file is its specification, version 1.

A session is a folder (`NAME.part` until it is complete):

    session.json    one `About`
    frames.jsonl    a `Section` line before the frames of every new size or set of buffers, an `Entry` line for
                    each frame, and an `End` line where the recording was ended properly
    color.mkv ...   one Matroska file for each buffer of a section (`color-1.mkv` in section 1, and so on)
    photo.mkv       the photoreal output as it was shown

Frames are matched by timestamp: a picture of any track belongs to the entry with the same `pts`, in milliseconds. Every
picture is a key frame, so a damaged picture damages no other.

Colours are lossless H.264 RGB. Alpha is not kept and reads as 255. The photo is nearly lossless H.264 4:2:0 in BT.709,
with even sides: at an odd side, the last line is stored twice. In pairs it is lossless RGB. All other buffers are
bit-exact FFV1 `gray16le`, which holds the buffer's bytes as 16-bit planes side by side (see `planes`).

The numbers of sections rise, but a number may be missing. Times rise from frame to frame. The structures below refuse
impossible values: names of buffers must be in `FORMATS`, so they are never paths, and numbers must be in their ranges.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from capture.checks import MATRICES, MAX_DROPPED, check_lens, check_matrix, check_numbers
from capture.errors import CaptureError
from capture.frame import FORMATS, MAX_SIDE, Buffer, Camera, CameraSource, Encoding, Flags, Frame, Kind

ABOUT, INDEX, PHOTO, PART = "session.json", "frames.jsonl", "photo", ".part"
FORMAT, VERSION = "realmaster-session", 1
COLOURS = (Kind.COLOR, Kind.SCENE_COLOR)
MS = 1_000_000
"""The number of nanoseconds in a tick of a session's clock, which is a millisecond."""
MAX_PTS = 10**12
"""The largest `pts`, in milliseconds: about thirty years."""
MAX_SECTION = 99_999
BUFFERS = {(kind.name.lower(), encoding.name) for kind, encoding in FORMATS}

Pts = Annotated[int, Meta(ge=0, le=MAX_PTS)]
Number = Annotated[int, Meta(ge=0, le=MAX_SECTION)]
Side = Annotated[int, Meta(ge=1, le=MAX_SIDE)]
Count = Annotated[int, Meta(ge=0, le=MAX_DROPPED)]
Matrix = Annotated[list[float], Meta(min_length=16, max_length=16)]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a session: what was recorded, and how. `pts` counts the time of `clock`: capture or game."""

    format: str = FORMAT
    version: int = VERSION
    source: str
    pacing: str
    clock: Literal["capture", "game"] = "capture"
    settings: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True, tag="section"):
    """The size and the buffers of the frames that follow. `buffers` maps names of kinds to names of encodings."""

    number: Number
    width: Side
    height: Side
    buffers: dict[str, str]

    def __post_init__(self) -> None:
        if "color" not in self.buffers or not BUFFERS.issuperset(self.buffers.items()):
            raise ValueError(f"a section has color and other buffers of FORMATS, not {self.buffers}")


class CameraEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A `capture.frame.Camera`. Its matrices are stored row by row. `far` is null if it is infinite."""

    view: Matrix
    projection: Matrix
    previous_view: Matrix
    previous_projection: Matrix
    near: float
    far: float | None
    source: Annotated[int, Meta(ge=1, le=int(max(CameraSource)))]


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag="frame"):
    """The facts of one frame, named as in `capture.frame.Frame`. `dropped` includes what the recorder lost."""

    pts: Pts
    section: Number
    frame_id: int
    t_capture_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    t_game: float
    dt: float
    flags: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    dropped: Count
    session_id: int
    metres_per_unit: float
    camera: CameraEntry | None


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The recording was ended properly after `frames` frames. `dropped` frames were lost after the last one."""

    frames: Count
    dropped: Count = 0


Line = Section | Entry | End
encode_line = msgspec.json.Encoder().encode
decode_line = msgspec.json.Decoder(Line).decode


def track_file(name: str, section: int) -> str:
    """The name of the file of track `name` in a section."""
    return f"{name}-{section}.mkv" if section else f"{name}.mkv"


def planes(data: NDArray[Any]) -> NDArray[np.uint16]:
    """Turns a buffer (H, W, C) of 2- or 4-byte numbers into n 16-bit planes side by side, low halves first.

    The result is (H, W * n) u16.
    """
    height, width, _ = data.shape
    halves = np.ascontiguousarray(data).view("<u2").reshape(height, width, -1)
    return np.ascontiguousarray(halves.transpose(0, 2, 1)).reshape(height, -1)


def from_planes(flat: NDArray[np.uint16], kind: Kind, encoding: Encoding) -> NDArray[Any]:
    """Undoes `planes`. Raises `CaptureError` if the width does not fit the encoding."""
    dtype, channels = FORMATS[kind, encoding]
    count = channels * np.dtype(dtype).itemsize // 2
    height, width = flat.shape
    if width % count:
        raise CaptureError(f"the {kind.name} track is {width} wide, which is not {count} planes: the file is damaged")
    halves = flat.reshape(height, count, width // count).transpose(0, 2, 1)
    return np.ascontiguousarray(halves).view(dtype)


def picture_of(kind: Kind, buffer: Buffer) -> NDArray[Any]:
    """The picture that a track holds for a buffer: (H, W, 3) u8 for colours, else planes, (H, W * n) u16."""
    return np.asarray(cv2.cvtColor(buffer.data, cv2.COLOR_RGBA2RGB)) if kind in COLOURS else planes(buffer.data)


def buffer_of(kind: Kind, encoding: Encoding, picture: NDArray[Any]) -> Buffer:
    """Undoes `picture_of`, with 255 for alpha. Raises `CaptureError` if the picture is not of this kind."""
    if picture.ndim != (3 if kind in COLOURS else 2):
        raise CaptureError(f"the {kind.name} track holds pictures of another kind: the file is damaged")
    if kind in COLOURS:
        return Buffer(encoding, np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), np.uint8))
    return Buffer(encoding, from_planes(picture, kind, encoding))


def entry_of(frame: Frame, pts: int, dropped: int) -> Entry:
    """The entry for `frame`. The writer fills in `section`."""
    camera = None
    if (c := frame.camera) is not None:
        rows = {n: [float(v) for v in getattr(c, n).ravel()] for n in MATRICES}
        camera = CameraEntry(**rows, near=c.near, far=None if math.isinf(c.far) else c.far, source=int(c.source))
    return Entry(pts=pts, section=0, frame_id=frame.frame_id, t_capture_ns=frame.t_capture_ns, t_game=frame.t_game,
                 dt=frame.dt, flags=int(frame.flags), dropped=min(frame.dropped + dropped, MAX_DROPPED),
                 session_id=frame.session_id, metres_per_unit=frame.metres_per_unit, camera=camera)


def facts_of(entry: Entry) -> dict[str, Any]:
    """Keyword arguments for the recorded `Frame`. Its capture time is its time in the session, in ns."""
    camera = None
    if (c := entry.camera) is not None:
        rows = [np.array(getattr(c, n), np.float32).reshape(4, 4) for n in MATRICES]
        camera = Camera(*rows, near=c.near, far=math.inf if c.far is None else c.far, source=CameraSource(c.source))
    return {"frame_id": entry.frame_id, "t_capture_ns": entry.pts * MS, "t_game": entry.t_game, "dt": entry.dt,
            "flags": Flags(entry.flags), "dropped": entry.dropped, "session_id": entry.session_id,
            "metres_per_unit": entry.metres_per_unit, "camera": camera}


def check_entry(entry: Entry) -> None:
    """Raises `BadFrame` if a value of `entry` is impossible."""
    check_numbers(msgspec.structs.asdict(entry))
    if (c := entry.camera) is not None:
        check_lens(c.near, math.inf if c.far is None else c.far)
        for name in MATRICES:
            check_matrix(name, tuple(getattr(c, name)))
