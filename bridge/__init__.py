"""Connects the game's machine with the model server over ZeroMQ. It never imports a model library."""
