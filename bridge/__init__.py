"""The wire between the game's machine and the model server. Never imports a model library."""
