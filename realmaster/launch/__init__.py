"""Starts what a session needs: the game, the server and the source, each watched until it ends."""
