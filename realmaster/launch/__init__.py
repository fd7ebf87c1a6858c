"""Starts the game, the server and the source of a session, and watches them until they end."""
