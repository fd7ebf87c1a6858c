"""Recorded sessions: how they lie on disk, and how they are written, read and mended."""
