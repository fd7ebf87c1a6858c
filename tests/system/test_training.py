"""From scene to graphs with the project's own commands, small: minutes of work, so marked slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow


def realmaster(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-W", "ignore", "-m", "realmaster", *arguments], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 or arguments[0] == "eval", done.stderr
    return done.stdout + done.stderr


def test_pairs_line_up_and_a_model_comes_out_of_them(tmp_path: Path):
    pytest.importorskip("mitsuba")
    pairs, checkpoint = tmp_path / "pairs", tmp_path / "checkpoint"
    said = realmaster("pairs", "--out", str(pairs), "--clips", "2", "--width", "128", "--height", "96", "--samples",
                      "4")
    assert "2/2 clips" in said
    clip = load_file(pairs / "clip_00000.safetensors")
    assert clip["rendered"].shape == clip["photoreal"].shape == (13, 96, 128, 3)
    edges = [np.abs(np.diff(clip[k].astype(float).mean(-1), axis=2)).mean(0).ravel() for k in ("rendered", "photoreal")]
    assert np.corrcoef(*edges)[0, 1] > 0.5, "the two pictures show the same edges"
    again = realmaster("pairs", "--out", str(pairs), "--clips", "2", "--width", "128", "--height", "96")
    assert "2/2 clips" in again, "clips that exist are skipped"
    for part in ("vae", "base", "lora", "decoder"):
        realmaster("train", part, "--pairs", str(pairs), "--checkpoint", str(checkpoint), "--minutes", "0.1")
    realmaster("export", "--checkpoint", str(checkpoint), "--width", "128", "--height", "96")
    table = realmaster("eval", "--pairs", str(pairs), "--model", str(checkpoint), "--picture", str(tmp_path / "e.png"))
    assert "mean" in table and (tmp_path / "e.png").exists()
