"""Code that runs inside engines and games, and the demo games themselves."""
