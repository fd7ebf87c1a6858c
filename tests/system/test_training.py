"""From worlds to a measured model with the project's own commands, small: minutes of work, so marked slow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "realmaster", *arguments]


def realmaster(*arguments: str, status: int | None = 0) -> str:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert status is None or done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The smoke preset, interrupted after its first clip and gone on with."""
    pytest.importorskip("mitsuba")
    folder = tmp_path_factory.mktemp("smoke") / "pairs"
    arguments = command("pairs", "render", "--preset", "smoke", "--out", str(folder), "--workers", "1")
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert running.stdout is not None
    first = running.stdout.readline()
    assert "motion explains" in first
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)  # until no worker holds its output any more
    assert running.returncode == 130, "Ctrl-C ends it at once"
    said = realmaster("pairs", "render", "--preset", "smoke", "--out", str(folder))
    assert "4 clips, 0 refused" in said and first.split(":")[0] + ":" not in said, "what is there is kept"
    yield folder


def test_a_worker_that_is_killed_ends_the_run_with_a_sentence(tmp_path: Path):
    pytest.importorskip("mitsuba")
    running = subprocess.Popen(command("pairs", "render", "--preset", "smoke", "--out", str(tmp_path / "p")),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    running.stdout.readline()
    found = subprocess.run(["pgrep", "-P", str(running.pid), "-f", "spawn_main"], capture_output=True, text=True,
                           check=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1 and "the same command goes on" in said and "Traceback" not in said


def test_a_set_that_was_interrupted_is_whole(pairs: Path):
    assert "4 of 4 clips are as they should be" in realmaster("pairs", "check", str(pairs))
    assert (pairs / "contact.jpg").exists()


def test_the_same_seed_renders_the_same_pair(pairs: Path, tmp_path: Path):
    from capture.video.tracks import TrackReader
    from realmaster.pairs.dataset import Dataset
    from realmaster.pairs.makers.twins import render_clip
    from realmaster.pairs.plan import PRESETS, plan

    dataset = Dataset(pairs)
    wanted = next(c for c in plan(PRESETS["smoke"]) if c.split == "train")
    again = render_clip(wanted, tmp_path)
    first = next(c for c in dataset.clips if c.name == wanted.name)
    pair = dataset.load(first)
    assert again.newcomers == first.newcomers and again.start == first.start
    game, photo = (TrackReader(tmp_path / wanted.name / f"{track}.mkv").picture(0) for track in ("color", "photo"))
    assert np.array_equal(game, pair.rendered[0]), "the game's half, bit for bit"
    assert np.abs(photo.astype(int) - pair.photoreal[0]).mean() < 1, "the photograph, but for rounding"


def test_another_kind_of_clips_is_not_mixed_in(pairs: Path):
    assert "choose another --out" in realmaster("pairs", "render", "--preset", "small", "--out", str(pairs), status=1)


def test_a_model_comes_out_and_is_measured_beside_its_rivals(pairs: Path, tmp_path: Path):
    checkpoint, report = tmp_path / "checkpoint", tmp_path / "report"
    trained = ("train", "--preset", "smoke", "--data", str(pairs), "--checkpoint", str(checkpoint))
    realmaster(*trained)
    assert realmaster(*trained).count("done before") == 4
    for variant in ("per-frame", "regression", "guides"):
        realmaster(*trained, "--variant", variant)
    said = realmaster("eval", "--data", str(pairs), "--model", str(checkpoint), "--comparisons",
                      str(checkpoint / "variants"), "--out", str(report), status=None)
    for row in ("the game's frame", "colour transfer", "ours, 1 step", "ours, 2 steps", "ours, 4 steps",
                "one frame at a time", "plain regression", "normals and depth", "Drift over a minute"):
        assert row in said
    page = (report / "index.html").read_text()
    assert "<video" in page and len(list(report.glob("*.mp4"))) == 1
    assert (report / "table.md").read_text().startswith("|  | gap closed |")
    lines = (report / "scores.csv").read_text().splitlines()
    assert lines[0].startswith("method,clip,world,gap") and len(lines) > 8
    assert not [f for f in checkpoint.rglob("*") if f.suffix in {".pt", ".bin", ".pkl", ".ckpt"}]


def test_a_streaming_model_comes_out(pairs: Path, tmp_path: Path):
    trained = ("train", "--variant", "streaming", "--preset", "smoke", "--data", str(pairs), "--checkpoint",
               str(tmp_path))
    assert "lora is no stage of streaming" in realmaster(*trained[:1], "lora", *trained[1:], status=1)
    assert "trained codec, flow, rollout" in realmaster(*trained)
    assert realmaster(*trained).count("done before") == 3
    assert {f.name for f in (tmp_path / "streaming").iterdir()} == {"codec", "transformer", "recipe.json"}


def test_the_two_halves_of_a_pair_show_the_same_edges(pairs: Path):
    from realmaster.pairs.dataset import Dataset

    dataset = Dataset(pairs)
    for clip in dataset.clips:
        pair = dataset.load(clip)
        edges = [np.abs(np.diff(v.astype(float).mean(-1), axis=2)).mean(0).ravel()
                 for v in (pair.rendered, pair.photoreal)]
        assert np.corrcoef(*edges)[0, 1] > 0.4, clip.name
