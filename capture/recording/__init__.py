"""Recorded sessions: their format on disk, and how they are written, read and repaired."""
