"""The tiny model as exported graphs on ONNX Runtime. Needs no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realmaster.models.sampler import Condition, Start, denoise, sigmas
from trt_engines.ort import OrtEngine

F32 = NDArray[np.float32]


class TinyExported:
    """The four graphs of the tiny model: encode, write, read, decode. All arrays are f32. Implements `Graphs`."""

    temporal, prompts, guides, pipelined = 4, False, False, False

    def __init__(self, folder: Path, threads: int, remedy: str) -> None:
        """Raises `EngineError` ending in `remedy`, which says how to get good files."""
        self._engine = OrtEngine(folder, ("encode", "write", "read", "decode"), threads, remedy)
        self.manifest = self._engine.manifest

    def levels(self, steps: int) -> list[float]:
        """Evenly spaced: the model was trained through them."""
        return sigmas(steps)

    def prompt(self, text: str) -> None:
        """See `Graphs.prompt`."""

    def run(self, levels: tuple[float, ...], start: Start) -> F32:
        """See `Graphs.run`."""
        return denoise(self, levels, start)

    def encode(self, video: F32) -> F32:
        """(1, T, 3, H, W) in [-1, 1] to latents (1, C, L, h, w)."""
        return self._engine.run("encode", video=video)

    def shape(self, reference: F32) -> tuple[int, ...]:
        """The target's latents have the reference's shape."""
        return reference.shape

    def write(self, condition: Condition) -> F32:
        """Reference latents to keys and values (layers, 2, 1, S, heads, size)."""
        return self._engine.run("write", reference=condition.reference)

    def read(self, noisy: F32, timestep: float, cache: F32) -> F32:
        """Velocity of `noisy` (1, C, L, h, w) at `timestep` in [0, 1000]."""
        return self._engine.run("read", noisy=noisy, timestep=np.array([timestep], np.float32), cache=cache)

    def decode(self, latent: F32, video: F32) -> F32:
        """Latents, and the game's window (1, T, 3, H, W) for detail, to the photoreal window."""
        return self._engine.run("decode", latent=latent, video=video)

    def lift(self, array: F32) -> F32:
        """Latents are numpy arrays as they are."""
        return array

    def lower(self, latent: F32) -> F32:
        """See `lift`."""
        return latent
