"""The ring's writer in C, for engines that are not Python: header, source, example, and a mirror in ctypes."""
