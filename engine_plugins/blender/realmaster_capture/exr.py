"""Reads uncompressed OpenEXR files of one part or, as Blender 5 writes them, of many: a render's passes.

Format: "OpenEXR File Layout" (openexr.com): magic, version, attributes, offsets of scan lines, scan lines.
"""

import struct

import numpy as np

MAGIC, NO_COMPRESSION, MULTI_PART = 20000630, 0, 0x1000
DTYPES = {0: "<u4", 1: "<f2", 2: "<f4"}


def read(path):
    """Channels by name, each (H, W) f32 with the bottom row first. Raises ValueError for any other kind of file."""
    data = path.read_bytes()
    magic, version = struct.unpack_from("<II", data)
    if magic != MAGIC:
        raise ValueError(f"{path} is no OpenEXR file")
    parts, at = [], 8
    while not parts or (version & MULTI_PART and data[at]):
        attributes, at = _attributes(data, at)
        if attributes["compression"][0] != NO_COMPRESSION:
            raise ValueError(f"{path} is compressed")
        parts.append(attributes)
    at += 1 if version & MULTI_PART else 0
    out = {}
    for attributes in parts:
        at = _part(data, at, attributes, 4 if version & MULTI_PART else 0, out)
    return out


def _part(data, at, attributes, number_bytes, out):
    """Adds a part's channels to `out`. Its table of offsets is at `at`; returns where that ends."""
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    line = np.dtype([(name, dtype, (width,)) for name, dtype in _channels(attributes["channels"])])
    out.update({name: np.empty((height, width), np.float32) for name in line.names})
    for offset in np.frombuffer(data, "<u8", height, at):
        start = int(offset) + number_bytes
        y = struct.unpack_from("<i", data, start)[0] - top
        values = np.frombuffer(data, line, 1, start + 8)
        for name in line.names:
            out[name][height - 1 - y] = values[name][0]
    return at + 8 * height


def _text(data, at):
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _attributes(data, at):
    found = {}
    while data[at]:
        name, at = _text(data, at)
        _, at = _text(data, at)
        size = struct.unpack_from("<i", data, at)[0]
        found[name] = data[at + 4:at + 4 + size]
        at += 4 + size
    return found, at + 1


def _channels(data):
    """Names and dtypes, in the order in which they lie in a scan line."""
    found, at = [], 0
    while data[at]:
        name, at = _text(data, at)
        found.append((name, DTYPES[struct.unpack_from("<i", data, at)[0]]))
        at += 16
    return found
