"""The Godot 4 add-on has never run in the engine; that it parses is what can be said of it here."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from gdtoolkit.parser import parser

from capture.frame import Kind
from engine_plugins.godot_receiver import HEADER, RAW_DEPTH, TOP_DOWN, _buffers

ADDON = Path(__file__).parents[2] / "engine_plugins" / "godot4" / "addons" / "realmaster"


SCRIPTS = [*sorted(ADDON.glob("*.gd")), ADDON.parents[1] / "example" / "main.gd"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_its_scripts_parse(script):
    parser.parse(script.read_text())


def test_its_offsets_are_the_receivers():
    """Where its script encodes each number of the header."""
    text = (ADDON / "capture.gd").read_text()
    for offset, what in ((8, "u32"), (12, "u32"), (16, "u32"), (24, "double"), (32, "double"), (40, "float"),
                         (44, "float"), (96, "float"), (100, "float")):
        assert f"encode_{what}({offset}, " in text
    assert struct.calcsize("<IIIIII") == 24 and struct.calcsize("<IIIIII dd ff") == 48
    assert struct.calcsize("<IIIIII dd ff 12f") == 96 and HEADER.size == 104
    assert f"RAW_DEPTH := {RAW_DEPTH}" in text and f"TOP_DOWN := {TOP_DOWN}" in text


def test_a_reversed_z_buffer_becomes_inverse_depth():
    near, far = 0.1, 50.0
    z = np.array([[near, 1.0], [10.0, far]], np.float32)
    raw = near * (far - z) / (z * (far - near))
    out = _buffers({1: np.zeros((2, 2, 4), np.uint8), RAW_DEPTH: raw.astype("<f4").view(np.uint8).reshape(2, 2, 4)},
                   near, far)[Kind.DEPTH].data[..., 0]
    assert np.allclose(out[0], 1 / z[0], rtol=1e-3) and np.allclose(out[1], [0.1, 0], atol=0.021)
