"""The frame whose bytes are in `tests/golden`; run this file to write them anew (with a new version)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture.frame import Buffer, Camera, Encoding, Flags, Frame, Kind, pack_into, packed_size

GOLDEN = Path(__file__).parents[1] / "golden" / "frame_v1.bin"


def golden_frame() -> Frame:
    """A 4x2 frame with every field set to something telling."""
    steps = np.arange(16, dtype=np.float32).reshape(4, 4)
    return Frame(
        frame_id=0x0102030405060708, t_capture_ns=123_456_789, t_game=2.5, dt=0.0625, flags=Flags.RESET, dropped=2,
        session_id=42, camera=Camera(steps, steps + 16, steps + 32, steps + 48, near=0.25, far=512.0),
        buffers={Kind.COLOR: Buffer(Encoding.RGBA8, np.arange(32, dtype=np.uint8).reshape(2, 4, 4)),
                 Kind.DEPTH: Buffer(Encoding.INVERSE_Z, np.arange(8, dtype="<f2").reshape(2, 4, 1)),
                 Kind.MOTION: Buffer(Encoding.PIXELS, np.arange(16, dtype="<f2").reshape(2, 4, 2))})


if __name__ == "__main__":
    memory = bytearray(packed_size(golden_frame()))
    pack_into(golden_frame(), memoryview(memory))
    GOLDEN.write_bytes(memory)
