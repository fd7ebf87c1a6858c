"""A frame's buffers as signals: pictures, warping, motion, interface, regions, and the probe that checks them."""
