"""One contract for all renderers: the fake one and the real one."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.contract import Backend, RenderSettings, Window
from realmaster.config import TINY, Model
from realmaster.models.open import open_backend
from tests.fakes import TintBackend

BACKENDS = {"tint": TintBackend, "tiny": lambda: open_backend(Model())}


@pytest.fixture(params=BACKENDS, scope="module")
def backend(request) -> Backend:
    if request.param == "tiny" and not TINY.exists():
        pytest.skip("no shipped weights")
    return BACKENDS[request.param]()


def render(backend: Backend, pixels: np.ndarray, carry: object = None, start: int = 0, **look: float):
    spec = backend.spec
    window = Window(sequence=0, segment=0, start=start, valid=spec.length, continues=carry is not None,
                    length=spec.length, width=spec.width, height=spec.height, settings=RenderSettings(**look))
    return backend.render(window, list(pixels), carry)


@pytest.fixture(scope="module")
def pixels(backend: Backend) -> np.ndarray:
    spec = backend.spec
    y, x = np.mgrid[0:spec.height, 0:spec.width]
    frames = [np.stack([(x + 3 * i) % 256, y % 256, 0 * x + 80], -1) for i in range(spec.length)]
    return np.stack(frames).astype(np.uint8)


def test_windows_are_on_the_grid(backend):
    spec = backend.spec
    assert spec.length % 4 == 1 and spec.stride % 4 == 0 and 2 * spec.overlap <= spec.length


def test_the_same_input_gives_the_same_bytes(backend, pixels):
    first, again = render(backend, pixels), render(backend, pixels)
    assert np.shape(first.frames) == pixels.shape and first.frames[0].dtype == np.uint8
    assert np.array_equal(first.frames, again.frames)
    assert first.stage_ms and all(ms >= 0 for ms in first.stage_ms.values())


def test_the_input_is_left_alone(backend, pixels):
    before = pixels.copy()
    render(backend, pixels)
    assert np.array_equal(pixels, before)


def test_strength_runs_from_the_games_frame_to_the_models(backend, pixels):
    assert np.array_equal(render(backend, pixels, strength=0.0).frames, pixels)
    half, full = (np.array(render(backend, pixels, strength=s).frames, int) for s in (0.5, 1.0))
    assert np.abs(half - (full + pixels) / 2).max() <= 1.5


def test_a_carry_changes_the_overlap(backend, pixels):
    first = render(backend, pixels)
    stride = backend.spec.stride
    following = np.concatenate([pixels[stride:], pixels[:stride]])
    alone = render(backend, following, start=stride).frames
    carried = render(backend, following, first.carry, start=stride).frames
    assert not np.array_equal(alone, carried)
