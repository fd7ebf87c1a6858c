"""The demo game: a procedural street whose scene is plain data (see `scene`)."""
