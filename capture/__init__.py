"""Getting frames and buffers out of games, screens and files. Never imports a model library."""
