"""Reads frames and buffers from games, screens and files. It never imports a model library."""
