"""Aligned pairs of one scene: drawn as a game, and path-traced."""
