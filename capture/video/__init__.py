"""Video files: the one place in the tree that imports PyAV (FFmpeg)."""
