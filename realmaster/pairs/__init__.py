"""Aligned pairs of one scene, drawn as a game and path-traced: rendering, checking, and the dataset's format."""
