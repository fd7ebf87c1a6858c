"""Writes the outputs of sessions: videos, numbered pictures, recordings and the status."""
