"""Windows of an X server: found by their title, then followed by their id. Linux alone."""
