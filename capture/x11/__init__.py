"""Finds windows of an X server by their title, and grabs them by their id. Linux only."""
