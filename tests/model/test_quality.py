"""The shipped model does its job, measured on held-out worlds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridge.contract import RenderSettings, Window
from realmaster.config import TINY, Model
from realmaster.evaluation.metrics import square_error
from realmaster.evaluation.stream import stream
from realmaster.models.open import open_backend
from realmaster.models.sampler import Carry, WindowBackend
from realmaster.pairs.dataset import Dataset

ROOT = Path(__file__).parents[2]
HELD_OUT = ROOT / "data" / "held_out"
CLOSED, CLOSED_EACH = 0.5, 0.3
"""Share of the squared error that must be gone, on average and in each kind of world; figures are in the model card."""
pytestmark = pytest.mark.skipif(not TINY.exists(), reason="no shipped weights")


def window(backend: WindowBackend) -> Window:
    spec = backend.spec
    return Window(sequence=0, segment=0, start=0, valid=spec.length, continues=False, length=spec.length,
                  width=spec.width, height=spec.height, settings=RenderSettings())


def test_the_output_closes_part_of_the_gap_in_every_kind_of_world():
    """Live's own path, one step, on the worlds in the repository."""
    backend, dataset = open_backend(Model()), Dataset(HELD_OUT)
    closed: dict[str, list[float]] = {}
    for clip in dataset.split("test"):
        pair = dataset.load(clip)
        photos = np.stack(stream(backend, pair.rendered, RenderSettings(strength=1.0, steps=1, seed=0)).photos)
        error, before = (square_error(v, pair.photoreal) for v in (photos, pair.rendered))
        closed.setdefault(clip.world, []).append(1 - error / before)
    assert {"street", "square", "country", "room"} <= set(closed)
    assert np.mean([v for values in closed.values() for v in values]) > CLOSED, closed
    assert all(np.mean(values) > CLOSED_EACH for values in closed.values()), closed


def test_the_model_reads_its_reference():
    """Latents made in context of the right clip are nearer to that clip's truth than those of another's."""
    backend = open_backend(Model())
    assert isinstance(backend, WindowBackend)
    dataset = Dataset(HELD_OUT)
    clips = [dataset.load(clip) for clip in dataset.split("test")]

    def encoded(frames: np.ndarray) -> np.ndarray:
        return backend.graphs.encode(frames.astype(np.float32).transpose(0, 3, 1, 2)[None] / 127.5 - 1)

    made = []
    for clip in clips:
        carry = backend.render(window(backend), list(clip.rendered[:13]), None).carry
        assert isinstance(carry, Carry)
        made.append(carry.latents)
    truths = [encoded(clip.photoreal[:13]) for clip in clips]
    error = np.array([[np.square(m - t).mean() for t in truths] for m in made])
    assert (error.argmin(1) == np.arange(len(clips))).all(), error


def test_onnx_equals_torch_with_the_shipped_weights():
    pytest.importorskip("torch")
    dataset = Dataset(HELD_OUT)
    pixels = dataset.load(dataset.split("test")[0]).rendered[:13]
    outputs = []
    for name in ("onnx", "torch"):
        backend = open_backend(Model(backend=name, threads=1))
        assert isinstance(backend, WindowBackend)
        outputs.append(np.array(backend.render(window(backend), list(pixels), None).frames, int))
    assert np.abs(outputs[0] - outputs[1]).max() <= 1


def test_no_graph_tells_where_it_was_made():
    for graph in sorted((TINY / "onnx").glob("*.onnx")):
        assert b"stack_trace" not in graph.read_bytes(), graph.name
