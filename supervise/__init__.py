"""Threads that tell when they fail. Imports nothing of ours; every other package may use it."""
