"""Training, rendering and serving a model in diffusers' layout, by the commands that the docs name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from safetensors import safe_open

from realmaster.errors import UserError
from realmaster.training.run import train
from realmaster.training.settings import Train
from tests.checkpoints import make

HELD_OUT = Path(__file__).parents[2] / "data" / "held_out"
GRID = {"wan21": ("64", "64", "13", "5"), "wan22-a14b": ("64", "48", "13", "5"), "wan22-5b": ("64", "64", "13", "5"),
        "ltx": ("64", "64", "17", "1"), "ltx2": ("64", "64", "17", "1")}
READING = {"wan21": ("--reference-scale", 2), "wan22-5b": ("--guides", "--reference-reach", 0)}
"""What else to train with."""


def realmaster(*arguments: object, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "realmaster", *map(str, arguments)], capture_output=True, text=True,
                          env=os.environ | {"XDG_CACHE_HOME": str(cache), "HF_HOME": str(cache / "huggingface"),
                                            "HF_HUB_OFFLINE": "1"}, check=False)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """Two of the held-out clips, as if they were for training."""
    folder = tmp_path_factory.mktemp("pairs")
    shutil.copy(HELD_OUT / "dataset.json", folder)
    lines = [json.loads(line) for line in (HELD_OUT / "clips.jsonl").read_text().splitlines()][:2]
    (folder / "clips.jsonl").write_text("".join(json.dumps(line | {"split": "train"}) + "\n" for line in lines))
    for line in lines:
        shutil.copytree(HELD_OUT / "clips" / line["name"], folder / "clips" / line["name"])
    return folder


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in ("wan21", "ltx2") else pytest.mark.slow)
                                  for name in GRID])
def test_train_then_render(name, pairs, tmp_path):
    model, width_height_length_overlap = make(name, tmp_path / name), GRID[name]
    trained = realmaster("train", "--model", model, "--data", pairs, "--preset", "smoke", "--checkpoint",
                         tmp_path / "out", "--threads", 1, *READING.get(name, ()), cache=tmp_path)
    assert trained.returncode == 0, trained.stderr
    loras = sorted((tmp_path / "out").glob("lora*.safetensors"))
    videos = list((tmp_path / "out" / "validation").glob("*.mp4"))
    assert len(loras) == len(videos) == (2 if name == "wan22-a14b" else 1)
    with safe_open(loras[0], "pt") as file:
        recipe = file.metadata() or {}
    assert recipe["attention"] == "one_way"
    assert (recipe["references"], recipe.get("reference_reach")) == (("color guides", "0") if name == "wan22-5b"
                                                                     else ("color", None))
    again = realmaster("train", "--model", model, "--data", pairs, "--preset", "smoke", "--checkpoint",
                       tmp_path / "out", "--threads", 1, cache=tmp_path)
    assert "done before" in again.stdout
    shutil.rmtree(model / "text_encoder")  # the empty prompt is not cached yet, and this says so
    width, height, length, overlap = width_height_length_overlap
    flags = ("--model", model, "--lora", *loras, "--resolution", width, height, "--length", length, "--overlap",
             overlap, "--steps", 2, "--threads", 1, "--low-memory")
    clip = pairs / "clips" / json.loads((pairs / "clips.jsonl").read_text().splitlines()[0])["name"]
    refused = realmaster("render", clip, "-o", tmp_path / "out.mkv", *flags, cache=tmp_path)
    assert refused.returncode == 1 and "lacks text_encoder/config.json" in refused.stderr
    make(name, model)
    if name == "wan22-5b":
        blind = realmaster("render", clip, "-o", tmp_path / "out.mkv", *flags, cache=tmp_path)
        assert blind.returncode == 1 and "add --guides" in blind.stderr
        flags = (*flags, "--guides")
    done = realmaster("render", clip, "-o", tmp_path / "out.mkv", *flags, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "29 frames" in done.stdout


def test_two_processes_train_one_lora(pairs, tmp_path):
    """By the command of docs/MODELS.md. They say how many they are: a launcher may start one alone and not tell."""
    model, out = make("wan21", tmp_path / "wan21"), tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "realmaster",
         "train", "--model", str(model), "--data", str(pairs), "--preset", "smoke", "--checkpoint", str(out),
         "--threads", "1"], capture_output=True, text=True, check=False,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained 8 steps") == 1 and "in 2 processes" in done.stdout
    assert (out / "lora.safetensors").is_file() and (out / "comfyui" / "lora.safetensors").is_file()


@pytest.mark.parametrize(("settings", "told"), [
    ({"preset": "short"}, "--preset short is for the tiny model"), ({"preset": "tiny"}, "--preset tiny is for"),
    ({"stage": "vae"}, "vae is for the tiny model"), ({"variant": "guides"}, "--variant guides is for the tiny model")])
def test_what_is_for_the_tiny_model_is_not_taken_for_a_large_one(tmp_path, settings, told):
    with pytest.raises(UserError, match=told):
        train(Train(model=str(tmp_path), **settings))


def test_mistakes_are_told_before_anything_long_begins(pairs, tmp_path):
    model = make("wan21", tmp_path / "wan21")
    clip = next((pairs / "clips").iterdir())

    def told(*flags: object) -> str:
        done = realmaster("render", clip, "-o", tmp_path / "out.mkv", "--model", model, *flags, cache=tmp_path)
        assert done.returncode == 1 and not (tmp_path / "out.mkv").exists()
        return done.stderr

    assert "multiples of 16" in told("--resolution", 70, 64, "--attention", "one_way")
    assert "multiple of 4 plus 1" in told("--resolution", 64, 64, "--length", 12, "--attention", "one_way")
    assert "needs an in-context LoRA" in told("--resolution", 64, 64)
    hub = realmaster("render", clip, "-o", tmp_path / "out.mkv", "--model", "Org/Name", cache=tmp_path)
    assert hub.returncode == 1 and "the hub did not give it" in hub.stderr


def test_a_model_in_the_hubs_cache_is_found(pairs, tmp_path):
    """In the layout that the hub's own client keeps, without the hub."""
    commit = "0" * 40
    model = tmp_path / "huggingface" / "hub" / "models--Org--Name"
    make("wan21", model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    done = realmaster("render", next((pairs / "clips").iterdir()), "-o", tmp_path / "out.mkv", "--model", "Org/Name",
                      cache=tmp_path)
    assert "needs an in-context LoRA" in done.stderr
