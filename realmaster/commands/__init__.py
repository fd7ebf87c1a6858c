"""One module a command: each has `run(settings) -> exit status`."""
