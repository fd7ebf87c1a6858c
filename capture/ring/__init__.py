"""A shared-memory ring of frames between a game and the capture layer on one host: its two ends."""

from __future__ import annotations

from capture.ring.layout import CELL_BYTES, CONTROL, CONTROL_BYTES, ring_path
from capture.ring.reader import RingReader, in_use
from capture.ring.writer import RingWriter, remove_ring

__all__ = ("CELL_BYTES", "CONTROL", "CONTROL_BYTES", "RingReader", "RingWriter", "in_use", "remove_ring", "ring_path")
