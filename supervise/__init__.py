"""Threads that report their failures. Every other package may use this one, and it imports none of them."""
