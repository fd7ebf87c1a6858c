"""Computes with a frame's buffers: pictures, warping, motion, interface, regions, and the probe that checks them."""
