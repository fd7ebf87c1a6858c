"""The shipped model does its job: on held-out streets its output is closer to the path-traced truth than its input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from realmaster.config import TINY

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not TINY.exists(), reason="no shipped weights")
def test_the_output_beats_the_input_on_held_out_streets():
    pytest.importorskip("skimage")
    done = subprocess.run([sys.executable, "-m", "realmaster", "eval"], capture_output=True, text=True, cwd=ROOT,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the output is closer to the truth" in done.stdout
