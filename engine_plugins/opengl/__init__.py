"""Capture from OpenGL games that know nothing of RealMaster."""
